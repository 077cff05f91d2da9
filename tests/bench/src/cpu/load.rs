//! The client: a few kept connections to a proxy.
//!
//! It is of this process, since Debian's tools either wait for an answer before they send the next
//! request (`wrk`), so that a proxy that stalls is asked less while it does, or count a request's
//! time from when it could be sent rather than from when it should have been (`h2load --rps`).

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http::response::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

/// A timer is not more exact than this; what is left to wait is waited by asking for the time.
const TIMER: Duration = Duration::from_millis(2);

/// A connection to a proxy.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        Self::open_for(address, "/payments/4711?currency=EUR").await
    }

    /// For requests of this path.
    pub(crate) async fn open_for(address: SocketAddr, path: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        // The headers that a client usually sends.
        let request = Request::get(path)
            .header("host", "payments.example.com")
            .header("user-agent", "checkout/1.0")
            .header("accept", "application/json")
            .header("accept-encoding", "gzip")
            .header("x-correlation-id", "5f0c5c1e-7a5f-4f7c-9d55-0d1f7d1e6c11")
            .body(Empty::new())?;
        Ok(Self { sender, request })
    }

    /// Sends one request and takes its answer.
    pub(crate) async fn send(&mut self) -> Result<Parts> {
        self.sender.ready().await?;
        let answer = self.sender.send_request(self.request.clone()).await?;
        let (head, body) = answer.into_parts();
        body.collect().await?;
        Ok(head)
    }

    /// The same, where any answer but 200 is an error.
    async fn succeed(&mut self) -> Result<()> {
        let status = self.send().await?.status;
        ensure!(status == StatusCode::OK, "the answer was {status}");
        Ok(())
    }
}

/// Sends so many requests over these connections, of which each is always busy with one.
pub(crate) async fn send(connections: &mut [Connection], requests: u32) -> Result<()> {
    let left = Cell::new(requests);
    let left = &left;
    let shares = connections.iter_mut().map(|connection| async move {
        while let Some(fewer) = left.get().checked_sub(1) {
            left.set(fewer);
            connection.succeed().await?;
        }
        anyhow::Ok(())
    });
    try_join_all(shares).await.map(drop)
}

/// Sends requests at a fixed rate, for some time, whether or not those before are answered, and
/// gives the time in nanoseconds from when each should have been sent to its answer. A request for
/// which no connection is free waits, and that counts.
pub(crate) async fn send_at(
    connections: &mut [Connection],
    per_second: f64,
    time: Duration,
) -> Result<Vec<f64>> {
    let requests = (time.as_secs_f64() * per_second) as u32;
    let (begun, next) = (Instant::now(), &Cell::new(0));
    let due = |request: u32| begun + Duration::from_secs_f64(f64::from(request) / per_second);
    let shares = connections.iter_mut().map(|connection| async move {
        let mut times = Vec::new();
        while next.get() < requests {
            let due = due(next.replace(next.get() + 1));
            until(due).await;
            connection.succeed().await?;
            times.push(due.elapsed().as_secs_f64() * 1e9);
        }
        anyhow::Ok(times)
    });
    Ok(try_join_all(shares).await?.concat())
}

async fn until(due: Instant) {
    if due.saturating_duration_since(Instant::now()) > TIMER {
        sleep_until(due - TIMER).await;
    }
    while Instant::now() < due {
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::upstream::Upstream;

    #[tokio::test]
    async fn as_many_requests_are_sent_as_were_asked_for() -> Result<()> {
        let upstream = Upstream::start().await?;
        let open = || Connection::open(upstream.address);
        let mut connections = [open().await?, open().await?, open().await?];
        send(&mut connections, 10).await?;
        assert_eq!(upstream.requests(), 10);
        Ok(())
    }

    /// Answers, but not before so much time.
    async fn slow(answers_after: Duration) -> Result<SocketAddr> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut request = [0; 4096];
            while stream.read(&mut request).await? > 0 {
                tokio::time::sleep(answers_after).await;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
            }
            anyhow::Ok(())
        });
        Ok(address)
    }

    #[tokio::test]
    async fn the_time_that_a_request_waits_for_its_connection_counts() -> Result<()> {
        let answers_after = Duration::from_millis(50);
        let mut connections = [Connection::open(slow(answers_after).await?).await?];
        // Every 5 ms another, and each takes 50: the fourth is sent 135 ms late.
        let times = send_at(&mut connections, 200.0, Duration::from_millis(20)).await?;
        assert_eq!(times.len(), 4);
        assert!(times[0] >= 50e6 && times[3] >= 185e6 - 5e6, "{times:?}");
        Ok(())
    }
}
