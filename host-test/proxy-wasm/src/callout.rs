//! Calls that the filter makes, and their answers.

use std::time::Duration;

use crate::headers::Headers;

/// The number of a call on a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallToken(pub(crate) u32);

/// A call that the filter makes.
///
/// Its root context owns it, whichever context made it: the death of a stream does not take it
/// back, that of the VM does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The number to answer it by.
    pub token: CallToken,
    /// The cluster it goes to.
    pub cluster: String,
    /// Its headers, pseudo-headers among them.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// Its trailers. Envoy accepts them and sends none.
    pub trailers: Headers,
    /// How long an answer may take; `None`: for ever. When it is over Envoy answers in the
    /// service's stead with a 504, which the filter cannot tell from one of the service.
    pub timeout: Option<Duration>,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallAnswer {
    /// An answer, of the service or of the proxy in its stead.
    Response {
        /// Its headers, `:status` among them.
        headers: Headers,
        /// Its body.
        body: Vec<u8>,
        /// Its trailers.
        trailers: Headers,
    },
    /// It was reset, or its answer too large: the filter is told of zero headers.
    Failed,
}

impl CallAnswer {
    /// An answer of a status and a body.
    #[must_use]
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let headers = Headers::from_iter([(":status", status.to_string())]);
        Self::Response { headers, body: body.into(), trailers: Headers::new() }
    }
}
