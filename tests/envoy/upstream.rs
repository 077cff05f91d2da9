//! Services of other kinds than the recipe's: raw bytes, echoes, gRPC, and ports where nobody
//! answers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Error, Result};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// The body of an answer. An error in it cuts the connection, or resets the stream.
pub(crate) type Body = UnsyncBoxBody<Bytes, Error>;

/// No body.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body of known length.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An HTTP server of either version. Dropped, it closes all connections.
pub(crate) struct Upstream {
    server: Server,
    calls: Arc<Mutex<Vec<http::request::Parts>>>,
}

impl Upstream {
    /// Answers as this function does. An error closes the connection, or resets the stream.
    pub(crate) async fn start<H, F>(handle: H) -> Result<Self>
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>>> + Send + 'static,
    {
        let calls = Arc::<Mutex<Vec<http::request::Parts>>>::default();
        let seen = Arc::clone(&calls);
        let handle = move |request: Request<Incoming>| {
            let (head, body) = request.into_parts();
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
            handle(Request::from_parts(head, body))
        };
        let server = Server::start(move |stream| {
            let service = service_fn(handle.clone());
            async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Ok(Self { server: server.await?, calls })
    }

    /// Sends each body back as it comes.
    pub(crate) async fn echo() -> Result<Self> {
        Self::start(|request| async move {
            Ok(Response::new(request.into_body().map_err(Error::from).boxed_unsync()))
        })
        .await
    }

    /// Answers every call with this gRPC status, in trailers after an empty message.
    pub(crate) async fn grpc(status: u16) -> Result<Self> {
        Self::start(move |request| async move {
            request.into_body().collect().await?;
            let trailers = HeaderMap::from_iter([("grpc-status".parse()?, status.into())]);
            let message = full(&[0; 5][..]).with_trailers(async { Some(Ok(trailers)) });
            let response = Response::builder().header("content-type", "application/grpc");
            Ok(response.body(message.boxed_unsync())?)
        })
        .await
    }

    /// The same in a head that is all there is: gRPC's short form of an answer without a message.
    pub(crate) async fn grpc_without_message(status: u16) -> Result<Self> {
        Self::start(move |request| async move {
            request.into_body().collect().await?;
            let response = Response::builder().header("content-type", "application/grpc");
            Ok(response.header("grpc-status", status).body(empty())?)
        })
        .await
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The heads of the calls so far.
    pub(crate) fn calls(&self) -> Vec<http::request::Parts> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A server that reads the heads of requests as they are, byte by byte. Each answer ends its
/// connection.
pub(crate) struct RawUpstream {
    server: Server,
    heads: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl RawUpstream {
    /// Answers every request with these bytes.
    pub(crate) async fn answering(answer: impl Into<Bytes>) -> Result<Self> {
        let answer = answer.into();
        Self::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
                // A connection that is closed with something unread is reset.
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        })
        .await
    }

    /// Does this with the connection when the head of a request has come. What came along with the
    /// head is lost.
    pub(crate) async fn start<H, F>(handle: H) -> Result<Self>
    where
        H: Fn(TcpStream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let heads = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let seen = Arc::clone(&heads);
        let server = Server::start(move |mut stream| {
            let (handle, seen) = (handle.clone(), Arc::clone(&seen));
            async move {
                let mut head = Vec::new();
                let end = loop {
                    let end = head.windows(4).position(|end| end == b"\r\n\r\n");
                    if let Some(end) = end {
                        break end + 4;
                    }
                    if stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                        continue;
                    }
                    return;
                };
                head.truncate(end);
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(head);
                handle(stream).await;
            }
        });
        Ok(Self { server: server.await?, heads })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The heads of the requests so far.
    pub(crate) fn heads(&self) -> Vec<Vec<u8>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A port that refuses connections for as long as this is alive: it is bound, and nobody listens.
pub(crate) struct Refusing {
    _socket: TcpSocket,
    address: SocketAddr,
}

impl Refusing {
    pub(crate) fn bind() -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let address = socket.local_addr()?;
        Ok(Self { _socket: socket, address })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A listener and its connections.
struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    async fn start<H, F>(handle: H) -> Result<Self>
    where
        H: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                connections.spawn(handle(stream));
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
