//! A service that something befalls, and its fallback, which nothing does.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Channel, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::outage::scenario::{Ending, Scenario, ending};

/// Who has answered.
pub(crate) const ANSWERED_BY: &str = "x-answered-by";
/// Where the health check asks.
pub(crate) const HEALTH: &str = "/health";
/// How long a call takes that is answered at all.
pub(crate) const TAKES: Duration = Duration::from_millis(10);

const BODY: &[u8] = &[b'x'; 2000];

type Body = BoxBody<Bytes, io::Error>;

/// A server of this process.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    name: &'static str,
    state: Mutex<State>,
}

/// What it has received since it last began to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) calls: u64,
    pub(crate) checks: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    befallen: Option<Scenario>,
    received: Received,
}

impl Service {
    pub(crate) async fn start(name: &'static str) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let shared = Arc::new(Shared { name, state: Mutex::default() });
        let mut service = Self { address: listener.local_addr()?, shared, server: JoinSet::new() };
        service.listen(listener);
        Ok(service)
    }

    /// Something befalls it, and it counts from 0.
    pub(crate) fn befall(&mut self, scenario: Scenario) {
        self.shared.with(|state| {
            *state = State { befallen: Some(scenario), ..State::default() };
        });
        if scenario == Scenario::Gone {
            self.server = JoinSet::new();
        }
    }

    /// All is well again. Gives what it has received meanwhile.
    pub(crate) async fn recover(&mut self) -> Result<Received> {
        let received = self.shared.with(|state| std::mem::take(state).received);
        if self.server.is_empty() {
            let listener = TcpListener::bind(self.address).await;
            self.listen(listener.with_context(|| self.address.to_string())?);
        }
        Ok(received)
    }

    fn listen(&mut self, listener: TcpListener) {
        self.server.spawn(serve(listener, Arc::clone(&self.shared)));
    }
}

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a request, and says how it is answered.
    fn receive(&self, is_check: bool) -> Ending {
        self.with(|state| {
            let ending = ending(state.befallen, is_check, state.received.calls);
            let Received { calls, checks } = &mut state.received;
            *(if is_check { checks } else { calls }) += 1;
            ending
        })
    }
}

/// Connections end with the server.
async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let answer = service_fn(move |request| answer(request, Arc::clone(&shared)));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
        connections.spawn(async move { drop(connection.await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Response<Body>> {
    let is_check = request.uri().path() == HEALTH;
    let ending = shared.receive(is_check);
    if !is_check {
        tokio::time::sleep(TAKES).await;
    }
    let whole = || Full::new(Bytes::from_static(BODY)).map_err(|never| match never {}).boxed();
    let (status, body) = match ending {
        Ending::Good => (StatusCode::OK, whole()),
        Ending::Failure => (StatusCode::SERVICE_UNAVAILABLE, whole()),
        Ending::Half => (StatusCode::OK, half()),
        Ending::Never => std::future::pending().await,
    };
    let answer = Response::builder().status(status).header(ANSWERED_BY, shared.name);
    answer.header("content-length", BODY.len()).body(body).map_err(io::Error::other)
}

/// Half of the body, and an error, upon which the connection is closed.
fn half() -> Body {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        let _ = sender.send_data(Bytes::from_static(&BODY[..BODY.len() / 2])).await;
        // The server sends what it has when nothing more is there for now.
        tokio::time::sleep(Duration::from_millis(10)).await;
        sender.abort(io::Error::other("broken off, as told"));
    });
    body.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_harness::client::Client;

    #[tokio::test]
    async fn a_service_comes_back_where_it_was() -> Result<()> {
        let mut service = Service::start("service").await?;
        let client = || Client::new().timeout(Duration::from_secs(20));
        let url = format!("http://{}/", service.address);
        service.befall(Scenario::Gone);
        client().get(&url).await.expect_err("nobody listens");
        service.recover().await?;
        let answer = client().get(&url).await?;
        assert_eq!(answer.header(ANSWERED_BY), Some("service"));
        Ok(())
    }

    #[tokio::test]
    async fn an_answer_breaks_off_after_its_head_and_half_of_its_body() -> Result<()> {
        let mut service = Service::start("service").await?;
        service.befall(Scenario::BreakOff);
        let url = format!("http://{}/", service.address);
        let request = Request::get(url).body(envoy_harness::client::empty())?;
        let answer = Client::new().open(request).await?;
        assert_eq!(answer.status(), StatusCode::OK);
        let mut body = answer.into_body();
        let mut bytes = 0;
        let broken = loop {
            match body.frame().await {
                Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert_eq!((broken, bytes), (true, BODY.len() / 2));
        let received = service.recover().await?;
        assert_eq!(received, Received { calls: 1, checks: 0 });
        Ok(())
    }
}
