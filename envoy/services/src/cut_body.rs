//! A body that breaks off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};

/// Yields its data and then an error, upon which the server drops the connection.
pub(crate) enum CutBody {
    Data(Bytes),
    /// The server drops what it has not sent when a body fails, and sends when a body has nothing
    /// to give for now: so the data is sent before the error is seen.
    Pause,
    Cut,
}

impl CutBody {
    pub(crate) const fn after(data: Bytes) -> Self {
        Self::Data(data)
    }
}

impl Body for CutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match std::mem::replace(&mut *self, Self::Cut) {
            Self::Data(data) => {
                *self = Self::Pause;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Self::Pause => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Cut => Poll::Ready(Some(Err(io::Error::other("cut off, as told")))),
        }
    }
}
