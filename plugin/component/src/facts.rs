//! What the filter asks: the imported store, and what the host said in the call at hand.

use breaker_filter::{
    Clock, Headers, Host, Metric, NoGauges, Now, Peer, Property, Store, StoreFault, SwapError,
    Timestamp, UnixTime, Version,
};

use crate::bindings::edge_breaker::guard::store;
use crate::bindings::exports::edge_breaker::guard::breaker::{Field, Origin};
use crate::convert;

/// The positions of Envoy's response flags that stand for an [`Origin`].
mod flag {
    pub(super) const UPSTREAM_REQUEST_TIMEOUT: u64 = 1 << 2;
    pub(super) const UPSTREAM_CONNECTION_FAILURE: u64 = 1 << 5;
    pub(super) const UPSTREAM_CONNECTION_TERMINATION: u64 = 1 << 6;
    pub(super) const UPSTREAM_OVERFLOW: u64 = 1 << 7;
    pub(super) const CLIENT_GONE: u64 = 1 << 14;
    pub(super) const STREAM_TOO_LONG: u64 = 1 << 19;
}

/// What the host said in the call at hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) cluster: Option<&'a str>,
    pub(crate) route: Option<&'a str>,
    pub(crate) came_about: CameAbout,
    pub(crate) fields: &'a [Field],
    pub(crate) trailers: &'a [Field],
}

/// How the answer came about, if there is one at hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum CameAbout {
    #[default]
    Unknown,
    By(Origin),
    /// The service did not answer in time.
    TooLate,
    /// The service began to answer, and broke off.
    BrokenOff,
    /// There is none, and will be none: nobody waits for it any more.
    Abandoned,
}

impl CameAbout {
    /// Envoy's words for it, which are what the filter understands: details and flags.
    const fn as_envoy_says(self) -> Option<(&'static str, u64)> {
        Some(match self {
            Self::Unknown => return None,
            Self::By(Origin::Service) => ("via_upstream", 0),
            Self::By(Origin::Fault) => ("upstream_fault", flag::UPSTREAM_CONNECTION_FAILURE),
            Self::TooLate => ("response_timeout", flag::UPSTREAM_REQUEST_TIMEOUT),
            Self::BrokenOff => ("upstream_broken_off", flag::UPSTREAM_CONNECTION_TERMINATION),
            Self::By(Origin::TooLong) => ("too_long", flag::STREAM_TOO_LONG),
            Self::By(Origin::Overflow) => ("overflow", flag::UPSTREAM_OVERFLOW),
            Self::By(Origin::Host) => ("host", 0),
            Self::Abandoned => ("abandoned", flag::CLIENT_GONE),
        })
    }
}

impl Store for Facts<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        let entry = store::load(key).map_err(fault)?;
        // A version of zero is none that could be written again: as good as no value.
        Ok(entry.and_then(|entry| Some((entry.value, Version::new(entry.version)?))))
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        store::swap(key, value, expected.map(Version::get)).map_err(|error| match error {
            store::SwapError::Conflict => SwapError::Conflict,
            store::SwapError::Fault(error) => SwapError::Fault(fault(error)),
        })
    }
}

impl Clock for Facts<'_> {
    fn now(&self) -> Now {
        let clocks = store::now();
        Now {
            monotonic: Timestamp::from_nanos(clocks.monotonic),
            wall: UnixTime::from_nanos(clocks.wall),
        }
    }
}

impl Host for Facts<'_> {
    const ANSWERS_LATE: bool = false;

    type Gauges = NoGauges<Metric>;

    /// A host is told with the effects, and has none to ask, so the filter reads the records.
    fn gauges(&self) -> Option<&Self::Gauges> {
        None
    }

    fn property(&self, property: Property) -> Option<Vec<u8>> {
        match property {
            Property::ClusterName => self.cluster.map(|name| name.as_bytes().to_vec()),
            Property::RouteName => self.route.map(|name| name.as_bytes().to_vec()),
            Property::ResponseCodeDetails => {
                self.came_about.as_envoy_says().map(|(details, _)| details.into())
            }
            Property::ResponseFlags => {
                self.came_about.as_envoy_says().map(|(_, flags)| flags.to_le_bytes().to_vec())
            }
            // Each call is one of its own, and comes by the configuration of that moment: the time, in
            // microseconds, numbers them as well as a counter would that all instances share.
            Property::Connection => {
                let micros = store::now().monotonic.checked_div(1_000).unwrap_or_default();
                Some(micros.to_le_bytes().to_vec())
            }
        }
    }

    /// There is none to be told: a host lets in whom it likes.
    fn peer(&self) -> Peer {
        Peer::Untold
    }

    fn response_header(&self, name: &'static str) -> Option<Vec<u8>> {
        first(self.fields, name)
    }

    fn response_headers(&self) -> Headers {
        convert::headers(self.fields)
    }

    fn response_trailer(&self, name: &'static str) -> Option<Vec<u8>> {
        first(self.trailers, name)
    }
}

const fn fault(fault: store::Fault) -> StoreFault {
    StoreFault { status: fault.code }
}

fn first(fields: &[Field], name: &str) -> Option<Vec<u8>> {
    fields.iter().find(|field| field.name == name).map(|field| field.value.clone())
}
