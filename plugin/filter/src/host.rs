//! What the filter asks of whatever runs it. All else reaches it as an argument, and leaves it
//! as a value.

use shared::VersionGauge;
pub(crate) use shared::{Clock, Store, StoreFault, SwapError};

use crate::headers::Headers;
use crate::telemetry::Metric;

/// The proxy, a test, or another host.
///
/// Each question costs a crossing of the sandbox, so it is asked only when its answer decides
/// something.
pub trait Host: Store + Clock {
    /// The gauges that all workers share.
    type Gauges: VersionGauge<Id = Metric>;

    /// They; `None`: the host keeps none.
    fn gauges(&self) -> Option<&Self::Gauges>;

    /// Whether a request can still be answered when the last of it has come.
    const ANSWERS_LATE: bool = true;

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
}

/// Defines the metrics of a series, all at once: a counter that first shows up as a one has not risen,
/// as far as an alarm can tell.
pub(crate) fn define(series: usize, name: &str, host: &impl Host) {
    if let Some(gauges) = host.gauges() {
        Metric::of_service(series).for_each(|metric| gauges.define(metric, name));
    }
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
