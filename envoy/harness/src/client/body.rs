//! Bodies of requests.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, channel::Channel};
use tokio::sync::mpsc;

/// Any of the bodies below.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// No body.
#[must_use]
pub fn empty() -> Body {
    Empty::new().boxed_unsync()
}

/// A body of known length.
#[must_use]
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// A body of unknown length that sends each chunk when it comes, and ends when the sender is
/// dropped.
#[must_use]
pub fn chunks() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    let (mut frames, body) = Channel::new(1);
    tokio::spawn(async move {
        while let Some(bytes) = receiver.recv().await {
            if frames.send_data(bytes).await.is_err() {
                break;
            }
        }
    });
    (sender, body.boxed_unsync())
}
