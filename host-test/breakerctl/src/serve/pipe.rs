//! A body on its way: what one side puts in piece by piece, the other takes out.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, mpsc};

/// Who puts more in than this waits until some of it is taken out.
const HIGH: usize = 64 * 1024;

/// Where a body is put in.
pub(super) struct Sink {
    pieces: mpsc::UnboundedSender<Piece>,
    flow: Arc<Flow>,
}

/// Where it comes out.
pub(super) struct Source {
    /// `None`: there is nothing more.
    pieces: Option<mpsc::UnboundedReceiver<Piece>>,
    flow: Arc<Flow>,
    /// Whether the next that comes out is the error of a body that was broken off.
    broken: bool,
}

/// A body was broken off.
#[derive(Debug)]
pub(super) struct BrokenOff;

enum Piece {
    Data(Bytes),
    End,
}

#[derive(Default)]
struct Flow {
    /// What was put in and not taken out.
    bytes: AtomicUsize,
    taken: Notify,
}

impl Flow {
    fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Acquire) < HIGH
    }
}

/// A body that is yet to come.
pub(super) fn pipe() -> (Sink, Source) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let flow = Arc::new(Flow::default());
    let source = Source { pieces: Some(receiver), flow: Arc::clone(&flow), broken: false };
    (Sink { pieces: sender, flow }, source)
}

impl Sink {
    pub(super) fn push(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.flow.bytes.fetch_add(bytes.len(), Ordering::AcqRel);
            // Whoever took it has gone, of which `closed` tells.
            let _ = self.pieces.send(Piece::Data(bytes));
        }
    }

    /// The body is whole. Without this it is broken off.
    pub(super) fn end(self) {
        let _ = self.pieces.send(Piece::End);
    }

    pub(super) fn has_room(&self) -> bool {
        self.flow.has_room()
    }

    /// Waits until there is room.
    pub(super) fn room(&self) -> impl Future<Output = ()> + use<> {
        let flow = Arc::clone(&self.flow);
        async move {
            loop {
                let taken = flow.taken.notified();
                if flow.has_room() {
                    return;
                }
                taken.await;
            }
        }
    }

    /// Waits until nobody takes anything out any more.
    pub(super) async fn closed(&self) {
        self.pieces.closed().await;
    }
}

impl Source {
    pub(super) fn empty() -> Self {
        Self { pieces: None, flow: Arc::default(), broken: false }
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if self.broken {
            self.pieces = None;
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        let Some(pieces) = &mut self.pieces else {
            return Poll::Ready(None);
        };
        match pieces.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Piece::Data(bytes))) => {
                self.flow.bytes.fetch_sub(bytes.len(), Ordering::AcqRel);
                self.flow.taken.notify_one();
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(Some(Piece::End)) => {
                self.pieces = None;
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                // At an error the other side of the socket gets nothing more, at a pause it gets
                // what is there: so the error comes after one.
                self.broken = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_none() && !self.broken
    }

    fn size_hint(&self) -> SizeHint {
        if self.pieces.is_none() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the body was broken off")
    }
}

impl std::error::Error for BrokenOff {}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn pieces_come_out_as_they_were_put_in_and_the_end_after_them() {
        let (sink, source) = pipe();
        sink.push(Bytes::from_static(b"one "));
        sink.push(Bytes::from_static(b"two"));
        sink.end();
        assert!(!source.is_end_stream());
        assert_eq!(source.collect().await.unwrap().to_bytes(), "one two");
        assert!(Source::empty().is_end_stream());
    }

    #[tokio::test]
    async fn a_body_without_its_end_is_an_error_after_what_there_is_of_it() {
        let (sink, mut source) = pipe();
        sink.push(Bytes::from_static(b"half"));
        drop(sink);
        assert_eq!(source.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
        assert!(source.frame().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn who_puts_in_too_much_waits_until_it_is_taken_out() {
        let (sink, mut source) = pipe();
        sink.push(Bytes::from(vec![0; HIGH]));
        assert!(!sink.has_room());
        let (frame, ()) = tokio::join!(source.frame(), sink.room());
        assert_eq!(frame.unwrap().unwrap().into_data().unwrap().len(), HIGH);
        drop(source);
        sink.closed().await;
    }
}
