//! A listener and its connections.

use std::io;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::answer::Answer;

/// A pause after a connection that could not be taken, most likely for want of file descriptors.
const AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// Serves HTTP/1.1 and HTTP/2 without TLS until it is dropped, which closes the listener and
/// every connection.
pub(crate) async fn serve<H, F>(listener: TcpListener, handle: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Without it a small answer may wait for the acknowledgement of its head.
                    let _ = stream.set_nodelay(true);
                    let service = service_fn(handle.clone());
                    connections.spawn(async move {
                        let server = auto::Builder::new(TokioExecutor::new());
                        // What ends a connection early is the peer's doing, or meant so.
                        let _ = server.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
                Err(_) => tokio::time::sleep(AFTER_FAILED_ACCEPT).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Reads a request's body to its end and forgets it, however long it is.
pub(crate) async fn drain(mut body: Incoming) -> io::Result<()> {
    while let Some(frame) = body.frame().await {
        frame.map_err(io::Error::other)?;
    }
    Ok(())
}
