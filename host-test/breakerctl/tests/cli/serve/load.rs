//! Many requests on many connections, all the time: none is lost, also not at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Proxy, Service};

pub(super) const CONNECTIONS: usize = 50;

pub(super) const CONFIG: &str = r#"{ "services": [{ "name": "payment-service" }] }"#;

/// Opens a connection that is kept.
pub(super) async fn connect(proxy: &Proxy) -> SendRequest<Full<Bytes>> {
    let connection = TcpStream::connect(proxy.address).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(connection)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a request, and takes the whole answer in. Says whether it was the last of its connection.
pub(super) async fn ask(connection: &mut SendRequest<Full<Bytes>>, number: usize) -> bool {
    connection.ready().await.unwrap();
    let text = format!("request {number}");
    let request = Request::post("/charge").header("host", "shop");
    let request = request.body(Full::from(text.clone())).unwrap();
    let answer = connection.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let is_last = answer.headers().get("connection").is_some_and(|value| value == "close");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, format!("payment:{text}"));
    is_last
}

#[test]
fn ten_thousand_requests_on_fifty_connections_are_answered_each_with_its_own_answer() {
    const REQUESTS: usize = 10_000;
    let payment = Service::start("payment");
    let proxy = Proxy::start(CONFIG, &[("payment", payment.address)]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (mut connection, next) = (connect(&proxy).await, Arc::clone(&next));
            clients.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= REQUESTS {
                        return;
                    }
                    assert!(!ask(&mut connection, number).await, "connections are kept");
                }
            });
        }
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
    });
    assert_eq!(payment.calls(), REQUESTS, "none was lost, and none was made twice");
}
