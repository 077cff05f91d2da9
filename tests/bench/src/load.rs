//! The client: a few kept connections to a proxy, and requests on them one after the other.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection to a proxy.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        // The headers that a client usually sends.
        let request = Request::get("/payments/4711?currency=EUR")
            .header("host", "payments.example.com")
            .header("user-agent", "checkout/1.0")
            .header("accept", "application/json")
            .header("accept-encoding", "gzip")
            .header("x-correlation-id", "5f0c5c1e-7a5f-4f7c-9d55-0d1f7d1e6c11")
            .body(Empty::new())?;
        Ok(Self { sender, request })
    }

    /// Sends requests one after the other. Any answer but 200 is an error.
    async fn send(&mut self, requests: u32) -> Result<()> {
        for _ in 0..requests {
            self.sender.ready().await?;
            let answer = self.sender.send_request(self.request.clone()).await?;
            ensure!(answer.status() == StatusCode::OK, "the answer was {}", answer.status());
            answer.into_body().collect().await?;
        }
        Ok(())
    }
}

/// Sends so many requests over these connections, of which each is always busy with one.
pub(crate) async fn send(connections: &mut [Connection], requests: u32) -> Result<()> {
    let busy = u32::try_from(connections.len())?;
    let shares = connections.iter_mut().zip(0..).map(|(connection, index)| {
        // The first ones take what does not divide.
        connection.send((requests + busy - 1 - index) / busy)
    });
    try_join_all(shares).await?;
    Ok(())
}
