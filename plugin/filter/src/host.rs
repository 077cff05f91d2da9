//! What the filter asks of whatever runs it. All else reaches it as an argument, and leaves it
//! as a value.

mod origin;
mod stream;

use shared::{Shared, VersionGauge};
pub(crate) use shared::{StoreFault, SwapError};

pub use self::origin::Origin;
pub use self::stream::{Peer, Stream};

use crate::telemetry::Metric;

/// The proxy, a test, or another host.
///
/// Each question costs a crossing of the sandbox, so it is asked only when its answer decides
/// something.
pub trait Host: Shared + Stream {
    /// The gauges that all workers share; `None`: the host keeps none, and what would be counted in them is
    /// counted elsewhere.
    fn gauges(&self) -> Option<&dyn VersionGauge<Id = Metric>>;
}

/// Defines the metrics of a series, all at once: a counter that first shows up as a one has not risen,
/// as far as an alarm can tell.
pub(crate) fn define(series: usize, name: &str, host: &dyn Host) {
    if let Some(gauges) = host.gauges() {
        Metric::of_service(series).for_each(|metric| gauges.define(metric, name));
    }
}
