//! A connection on which any bytes may be sent: requests that no proper client would make.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::TIMEOUT;

/// A bare TCP connection. Dropped, it is closed, whatever was under way.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
}

impl RawConnection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// When the other side has closed.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        Ok(self.stream.write_all(bytes.as_ref()).await?)
    }

    /// Reads until the end of the headers of an answer, and returns all that came until then.
    ///
    /// # Errors
    /// When the other side closes first, or within a minute nothing comes.
    pub async fn read_head(&mut self) -> Result<Vec<u8>> {
        let mut read = Vec::new();
        while !read.windows(4).any(|end| end == b"\r\n\r\n") {
            let count = limited(self.stream.read_buf(&mut read)).await?;
            anyhow::ensure!(count > 0, "closed after {:?}", String::from_utf8_lossy(&read));
        }
        Ok(read)
    }

    /// Reads this many bytes.
    ///
    /// # Errors
    /// When the other side closes first, or within a minute they do not come.
    pub async fn read_exact(&mut self, count: usize) -> Result<Vec<u8>> {
        let mut read = vec![0; count];
        limited(self.stream.read_exact(&mut read)).await?;
        Ok(read)
    }

    /// Reads until the other side closes. Ask for it by `connection: close`.
    ///
    /// # Errors
    /// When it resets the connection instead, or does not close within a minute.
    pub async fn read_to_end(&mut self) -> Result<Vec<u8>> {
        let mut read = Vec::new();
        limited(self.stream.read_to_end(&mut read)).await?;
        Ok(read)
    }
}

async fn limited<T>(read: impl Future<Output = std::io::Result<T>>) -> Result<T> {
    Ok(tokio::time::timeout(TIMEOUT, read).await.context("no answer in time")??)
}
