//! Calls that the filter makes itself.

pub(crate) mod waiting;

use std::time::Duration;

/// A call that the filter wants made on its behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalloutRequest {
    /// The cluster to call, by the proxy's name for it.
    pub cluster: String,
    /// Headers, the pseudo-headers first.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take; at least a millisecond.
    pub timeout: Duration,
}
