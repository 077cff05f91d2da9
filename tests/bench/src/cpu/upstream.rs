//! The upstream: it answers every request at once, with a few bytes.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What fails begins with this.
pub(crate) const FAILING: &str = "/payments/failing";

/// A server that counts the requests that it answers well, for as long as the runtime lives.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicU64>,
}

impl Upstream {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicU64::new(0));
        tokio::spawn(serve(listener, Arc::clone(&requests)));
        Ok(Self { address, requests })
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, requests: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let requests = Arc::clone(&requests);
        let answer = service_fn(move |request: Request<Incoming>| {
            let fails = request.uri().path().starts_with(FAILING);
            let status = if fails { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
            requests.fetch_add(u64::from(!fails), Ordering::Relaxed);
            let body = Full::new(Bytes::from_static(br#"{"status":"ok"}"#));
            let answer = Response::builder().status(status);
            let answer = answer.header("content-type", "application/json").body(body);
            std::future::ready(Ok::<_, Infallible>(answer.unwrap_or_default()))
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
        tokio::spawn(connection);
    }
}
