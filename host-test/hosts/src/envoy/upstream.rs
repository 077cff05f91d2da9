//! The services behind the proxy: one that is protected, whose answers a scenario gives call by call,
//! and clusters that answer the way they were told to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Error, Result};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use scenario::{CallId, CalloutAnswer, Grpc, Head};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::received::{ANSWERED_BY, FALLBACK, SERVICE};
use super::scene::Scene;

/// Which call a request is of.
pub(super) const CALL: &str = "x-call";

/// Says that the rest of a request comes later.
pub(super) const INCOMPLETE: &str = "x-incomplete";

type Body = UnsyncBoxBody<Bytes, Error>;

/// What the service is to do about a call.
#[derive(Clone, Debug)]
pub(super) enum Instruction {
    Answer { head: Head, goes_on: bool },
    More(usize),
    End,
    Reset,
}

/// A server. Dropped, it refuses connections.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    /// Keeps the port while nobody listens.
    _port: TcpSocket,
    answers: Answers,
    scene: Arc<Scene>,
    accepting: Option<JoinHandle<()>>,
}

/// Who answers.
#[derive(Clone)]
enum Answers {
    Service,
    Cluster { name: String, with: Arc<Mutex<CalloutAnswer>> },
}

impl Upstream {
    /// The service that is protected.
    pub(super) async fn service(scene: &Arc<Scene>) -> Result<Self> {
        Self::start(scene, Answers::Service).await
    }

    /// Another cluster.
    pub(super) async fn cluster(
        scene: &Arc<Scene>,
        name: &str,
        answers: CalloutAnswer,
    ) -> Result<Self> {
        let with = Arc::new(Mutex::new(CalloutAnswer::Status(200)));
        let answering = Answers::Cluster { name: name.to_owned(), with };
        let mut upstream = Self::start(scene, answering).await?;
        upstream.answer(scene, answers).await?;
        Ok(upstream)
    }

    async fn start(scene: &Arc<Scene>, answers: Answers) -> Result<Self> {
        let port = bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = port.local_addr()?;
        let scene = Arc::clone(scene);
        let mut upstream = Self { address, _port: port, answers, scene, accepting: None };
        upstream.listen().await?;
        Ok(upstream)
    }

    async fn listen(&mut self) -> Result<()> {
        let listener = bind(self.address)?.listen(1024)?;
        let (scene, answers) = (Arc::clone(&self.scene), self.answers.clone());
        self.accepting = Some(tokio::spawn(accept(listener, scene, answers)));
        Ok(())
    }

    /// Says how a cluster answers from now on.
    pub(super) async fn answer(&mut self, scene: &Scene, answers: CalloutAnswer) -> Result<()> {
        let Answers::Cluster { with, .. } = &self.answers else {
            return Ok(());
        };
        *with.lock().unwrap_or_else(PoisonError::into_inner) = answers;
        let refuses = answers == CalloutAnswer::Refused;
        match self.accepting.take_if(|_| refuses) {
            Some(accepting) => {
                accepting.abort();
                let _ = accepting.await;
                scene.change(|state| state.refuses(true));
            }
            None if !refuses && self.accepting.is_none() => {
                self.listen().await?;
                scene.change(|state| state.refuses(false));
            }
            None => {}
        }
        Ok(())
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

/// Several may have the port, and of those whoever listens gets its connections.
fn bind(address: SocketAddr) -> Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address).with_context(|| address.to_string())?;
    Ok(socket)
}

async fn accept(listener: TcpListener, scene: Arc<Scene>, answers: Answers) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        tokio::spawn(serve(stream, Arc::clone(&scene), answers.clone()));
    }
}

/// Serves a connection until it is over, or to be cut off.
async fn serve(stream: TcpStream, scene: Arc<Scene>, answers: Answers) {
    let cut = Arc::new(Notify::new());
    let service = service_fn(|request: Request<Incoming>| {
        let (scene, answers, cut) = (Arc::clone(&scene), answers.clone(), Arc::clone(&cut));
        async move {
            let (head, body) = request.into_parts();
            let rest = body.collect();
            if head.headers.contains_key(INCOMPLETE) {
                tokio::spawn(rest);
            } else {
                rest.await?;
            }
            match &answers {
                Answers::Service => scripted(&scene, &head.headers, &cut).await,
                Answers::Cluster { name, with } => {
                    let with = *with.lock().unwrap_or_else(PoisonError::into_inner);
                    answer_of(&scene, name, with, &head).await
                }
            }
        }
    });
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    tokio::select! {
        _ = server.serve_connection(TokioIo::new(stream), service) => {}
        () = cut.notified() => {}
    }
}

fn call_of(headers: &HeaderMap) -> Option<CallId> {
    headers.get(CALL)?.to_str().ok()?.parse().ok()
}

/// The service answers as the scenario says, when it says so.
async fn scripted(
    scene: &Arc<Scene>,
    headers: &HeaderMap,
    cut: &Arc<Notify>,
) -> Result<Response<Body>> {
    let call = call_of(headers).context("no call has this request")?;
    let (sender, mut instructions) = mpsc::unbounded_channel();
    scene.change(|state| {
        if let Some(call) = state.calls.get_mut(&call) {
            call.service = Some(sender);
        }
    });
    match instructions.recv().await {
        Some(Instruction::Answer { head, goes_on: false }) => whole(&head),
        Some(Instruction::Answer { head, goes_on: true }) => {
            begin(&head, instructions, Arc::clone(cut))
        }
        _ => {
            cut.notify_one();
            std::future::pending().await
        }
    }
}

fn head_of(head: &Head) -> Result<http::response::Builder> {
    let mut response = Response::builder().status(head.status).header(ANSWERED_BY, SERVICE);
    for (name, value) in &head.headers {
        response = response.header(name, HeaderValue::from_str(value)?);
    }
    Ok(response)
}

/// Trailers; if gRPC's status is missing, another one is there.
fn trailers_of(grpc: Option<Grpc>) -> Option<HeaderMap> {
    let (name, value) = match grpc? {
        Grpc::Trailers(code) => ("grpc-status", u16::from(code).into()),
        Grpc::Missing => ("x-nothing", HeaderValue::from_static("said")),
        Grpc::Head(_) => return None,
    };
    Some(HeaderMap::from_iter([(http::HeaderName::from_static(name), value)]))
}

fn whole(head: &Head) -> Result<Response<Body>> {
    let response = head_of(head)?;
    if let Some(Grpc::Head(code)) = head.grpc {
        return Ok(response.header("grpc-status", u16::from(code)).body(empty())?);
    }
    if matches!(head.status, 204 | 304) {
        return Ok(response.body(empty())?);
    }
    let body = Full::new(Bytes::from_static(b"answer")).map_err(|never| match never {});
    let body = match trailers_of(head.grpc) {
        Some(trailers) => body.with_trailers(async { Some(Ok(trailers)) }).boxed_unsync(),
        None => body.boxed_unsync(),
    };
    Ok(response.body(body)?)
}

fn begin(
    head: &Head,
    instructions: mpsc::UnboundedReceiver<Instruction>,
    cut: Arc<Notify>,
) -> Result<Response<Body>> {
    let (frames, body) = Channel::<Bytes, Error>::new(1);
    tokio::spawn(go_on(frames, instructions, cut, trailers_of(head.grpc)));
    Ok(head_of(head)?.body(body.boxed_unsync())?)
}

async fn go_on(
    mut frames: Sender<Bytes, Error>,
    mut instructions: mpsc::UnboundedReceiver<Instruction>,
    cut: Arc<Notify>,
    trailers: Option<HeaderMap>,
) {
    let mut instruction = instructions.recv().await;
    while let Some(Instruction::More(bytes)) = instruction {
        let _ = frames.send_data(vec![b'.'; bytes].into()).await;
        instruction = instructions.recv().await;
    }
    match instruction {
        Some(Instruction::End) => {
            let _ = frames.send_data(Bytes::from_static(b"answer")).await;
            if let Some(trailers) = trailers {
                let _ = frames.send_trailers(trailers).await;
            }
        }
        Some(_) => {
            cut.notify_one();
            // Until the call is over, so that the body does not come to its end first.
            while instructions.recv().await.is_some() {}
        }
        // The client has gone away.
        None => {}
    }
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The headers of a request as text, `:method` and its like among them.
fn texts(head: &Parts) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let named = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
    let path = head.uri.path_and_query().map(ToString::to_string);
    let authority = head.uri.authority().map(ToString::to_string);
    let pseudo = [(":path", path), (":authority", authority)];
    let pseudo = pseudo.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut texts: BTreeMap<_, _> = named.chain(pseudo).collect();
    texts.insert(":method".to_owned(), head.method.to_string());
    if let Some(host) = texts.get("host").cloned() {
        texts.entry(":authority".to_owned()).or_insert(host);
    }
    texts
}

/// A cluster answers diverted requests at once, and callouts as it was told to.
async fn answer_of(
    scene: &Scene,
    cluster: &str,
    with: CalloutAnswer,
    head: &Parts,
) -> Result<Response<Body>> {
    let headers = &head.headers;
    let call = call_of(headers);
    let reason = headers.get("x-circuit-breaker-reason").and_then(|value| value.to_str().ok());
    let diverted = reason.filter(|reason| *reason != "failure");
    scene.change(|state| match (call.and_then(|call| state.calls.get_mut(&call)), diverted) {
        (Some(call), Some(reason)) => call.diverted = Some(reason.to_owned()),
        _ => state.made(cluster, texts(head)),
    });
    let status = match with {
        CalloutAnswer::Held if diverted.is_none() => scene.hold(cluster, call).await,
        CalloutAnswer::Held => Some(CalloutAnswer::Status(200)),
        with => Some(with),
    };
    let Some(CalloutAnswer::Status(status)) = status else {
        anyhow::bail!("no answer");
    };
    let response = Response::builder().status(status).header(ANSWERED_BY, FALLBACK);
    if head.method == Method::HEAD || matches!(status, 204 | 304) {
        return Ok(response.body(empty())?);
    }
    let body = Full::new(Bytes::from_static(b"fallback")).map_err(|never| match never {});
    Ok(response.body(body.boxed_unsync())?)
}
