//! Clients: a connection to each worker, with as many requests on it at a time as there are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::Request as HttpRequest;
use http_body_util::channel::Channel;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use scenario::{CallId, Request, Status, Worker};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpStream;

use super::Sender;
use super::names::Names;
use super::proxy::Proxy;
use super::received::reply;
use super::scene::{Call, Got, Scene};
use super::upstream::{CALL, INCOMPLETE};

type Body = UnsyncBoxBody<Bytes, anyhow::Error>;

fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An HTTP/2 connection, which stays with its worker. A client that goes away resets its stream.
pub(super) struct Connection {
    requests: SendRequest<Body>,
    admin: Admin,
}

/// Where the admin API of the plugin is, and what it asks for.
#[derive(Clone)]
struct Admin {
    breakers: String,
    authorization: Option<String>,
}

impl Admin {
    fn of(config: &Value) -> Self {
        let text = |field: &str| config["admin"][field].as_str();
        let prefix = text("path_prefix").unwrap_or("/circuit-breaker");
        Self {
            breakers: format!("http://localhost{prefix}/services"),
            authorization: text("token").map(|token| format!("Bearer {token}")),
        }
    }
}

/// One for each worker that requests come to.
#[derive(Default)]
pub(super) struct Connections {
    by_worker: BTreeMap<Worker, Sender>,
}

#[derive(Deserialize)]
struct Breakers {
    services: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    service_name: String,
    #[serde(flatten)]
    status: Status,
}

impl Connections {
    /// Connects until each worker has a connection that is under the configuration with this mark: a
    /// proxy's workers take over a new one in their own time.
    pub(super) async fn open(
        proxy: &Proxy,
        address: SocketAddr,
        names: &Names,
        (config, mark): (&Value, &str),
    ) -> Result<Self> {
        let admin = Admin::of(config);
        const ATTEMPTS: usize = 1_000;
        let mut by_worker = BTreeMap::new();
        // They are kept, so that the proxy gives the next one to another worker.
        let mut others = Vec::new();
        for _ in 0..ATTEMPTS {
            let before = proxy.connections(names).await?;
            let connection = Connection::open(address, admin.clone()).await?;
            let (_, found) = connection.breakers().await?;
            let after = proxy.connections(names).await?;
            let worker = before.iter().zip(&after).position(|(before, after)| before < after);
            let worker = worker.context("no worker has the connection")?;
            if found == mark && !by_worker.contains_key(&worker) {
                by_worker.insert(worker, Arc::new(connection));
            } else {
                others.push(connection);
            }
            if by_worker.len() == proxy.workers {
                return Ok(Self { by_worker });
            }
        }
        bail!("no connection to each worker among {ATTEMPTS}")
    }

    pub(super) fn of(&self, worker: Worker) -> Result<&Sender> {
        self.by_worker.get(&worker).with_context(|| format!("there is no worker {worker}"))
    }

    /// Each worker has answered, so that it is done with all that came before.
    pub(super) async fn are_responsive(&self) -> Result<()> {
        for connection in self.by_worker.values() {
            connection.breakers().await?;
        }
        Ok(())
    }

    /// All breakers by the scenario's names, as they are once this worker is done with all that came
    /// before.
    pub(super) async fn breakers(
        &self,
        worker: Worker,
        names: &Names,
    ) -> Result<BTreeMap<String, Status>> {
        let (breakers, _) = self.of(worker)?.breakers().await?;
        let breakers = breakers.services.into_iter();
        Ok(breakers
            .map(|named| (names.without_prefix(&named.service_name), named.status))
            .collect())
    }
}

impl Connection {
    async fn open(address: SocketAddr, admin: Admin) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { requests, admin })
    }

    /// What the plugin shows, and the mark of the configuration that it is under.
    async fn breakers(&self) -> Result<(Breakers, String)> {
        let mut request = HttpRequest::get(&self.admin.breakers);
        if let Some(authorization) = &self.admin.authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.body(body(""))?;
        let response = self.requests.clone().send_request(request).await?;
        let mark = response.headers().get("server").map(|mark| mark.as_bytes().to_vec());
        let (status, body) = (response.status(), response.into_body().collect().await?.to_bytes());
        ensure!(status == 200, "the admin API: {status} {body:?}");
        let mark = String::from_utf8(mark.unwrap_or_default())?;
        Ok((serde_json::from_slice(&body)?, mark))
    }
}

/// Sends a request; what its client gets is noted in the scene.
pub(super) fn send(
    scene: &Arc<Scene>,
    connection: &Sender,
    call: CallId,
    request: &Request,
) -> Result<()> {
    let uri = format!("http://{}{}", request.host, request.path);
    let mut http = HttpRequest::builder().method(request.method.as_str()).uri(uri);
    for (name, value) in &request.headers {
        http = http.header(name, value);
    }
    let http = http.header(CALL, call);
    // What the client has not sent yet keeps its request open.
    let (http, rest) = if request.incomplete {
        let (rest, body) = Channel::<Bytes, anyhow::Error>::new(1);
        (http.header(INCOMPLETE, "yes").body(body.boxed_unsync())?, Some(rest))
    } else {
        (http.body(body(request.body.clone()))?, None)
    };
    let answer = connection.requests.clone().send_request(http);
    let noting = Arc::clone(scene);
    // The client is noted before it can have got anything.
    scene.change(|state| {
        let client = tokio::spawn(async move {
            let got = whole(&noting, call, answer).await;
            noting.got(call, got);
        });
        state.calls.insert(call, Call::new(request.worker, client.abort_handle(), rest));
    });
    Ok(())
}

/// Takes all that there is of an answer.
async fn whole(
    scene: &Scene,
    call: CallId,
    answer: impl Future<Output = hyper::Result<http::Response<Incoming>>>,
) -> Got {
    let Ok(response) = answer.await else {
        return Got::Broken(None);
    };
    let reply = reply(response.status().as_u16(), response.headers());
    scene.got(call, Got::Head(reply.clone()));
    match response.into_body().collect().await {
        Ok(_) => Got::Whole(reply),
        Err(_) => Got::Broken(Some(reply)),
    }
}
