//! What the filter asks of whatever runs it. All else reaches it as an argument, and leaves it
//! as a value.

use std::num::NonZeroU32;

use breaker::Now;

use crate::headers::Headers;
use crate::telemetry::Metric;

/// The proxy, a test, or another host.
///
/// Each question costs a crossing of the sandbox, so it is asked only when its answer decides
/// something.
pub trait Host {
    /// Reads a value and its version from the store that all workers share.
    ///
    /// # Errors
    ///
    /// If the store cannot be read. A key that was never written is `Ok(None)`.
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault>;

    /// Writes a value if the key still has the expected version; `None`: if it is still absent.
    ///
    /// # Errors
    ///
    /// If another was faster, or the store cannot be written.
    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError>;

    /// Whether a request can still be answered when the last of it has come.
    const ANSWERS_LATE: bool = true;

    /// Reads both clocks.
    fn now(&self) -> Now;

    /// What the proxy knows of the stream at hand; `None` if it does not know it. A text that
    /// is known to be empty is an empty value.
    fn property(&self, property: Property) -> Option<Vec<u8>>;

    /// Who has sent the request at hand.
    fn peer(&self) -> Peer;

    /// A header of the response at hand.
    fn response_header(&self, name: &'static str) -> Option<Vec<u8>>;

    /// All headers of the response at hand.
    fn response_headers(&self) -> Headers;

    /// A trailer of the response at hand, once it has ended.
    fn response_trailer(&self, name: &'static str) -> Option<Vec<u8>>;

    /// Defines the metrics of a service with this number, all at once and at zero, or finds those
    /// that another worker has defined. It comes before all else about that number. The name is a
    /// breaker's, or a template's: that of all which have no metrics of their own.
    fn define(&self, number: usize, name: &str);

    /// Defines the gauge of a slot, [`Metric::Slot`] with this number, or finds that which another worker
    /// has defined. A host that keeps none need not: what it is for is then looked up in the store.
    fn define_slot(&self, _number: usize, _name: &str) {}

    /// What a gauge or counter stands at, over all workers; `None` if the proxy keeps none.
    fn metric(&self, metric: Metric) -> Option<u64>;

    /// Moves a gauge or a counter, over all workers, in one step that no other can come into. A
    /// counter goes up only.
    fn adjust(&self, metric: Metric, by: i64);
}

/// The version of a stored value. Never zero: zero would mean "write in any case".
pub type Version = NonZeroU32;

/// The store cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFault {
    /// The proxy's status code.
    pub status: u32,
}

/// Why a value was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwapError {
    /// Another was faster.
    Conflict,
    /// The store cannot be used.
    Fault(StoreFault),
}

/// Who has sent a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// The host has no such thing to tell: it is called from where it runs, or looks after that
    /// itself.
    #[default]
    Untold,
    /// By Envoy's `source.address`: an IP address and a port (`127.0.0.1:40312`, `[::1]:40312`), or the
    /// name of a Unix domain socket. The port is zero if the address was taken from a header.
    At(Vec<u8>),
    /// The host knows, and would not say.
    Withheld,
}

/// What the proxy knows of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// The upstream cluster of the route, as text.
    ClusterName,
    /// The name of the route, as text.
    RouteName,
    /// How the response came about, as text: `via_upstream`, or the proxy's own reason.
    ResponseCodeDetails,
    /// Envoy's response flags, a bit each: a 64-bit number, little-endian.
    ResponseFlags,
    /// The number of the client's connection, which is higher than those of all before it: 64 bits,
    /// little-endian.
    Connection,
}
