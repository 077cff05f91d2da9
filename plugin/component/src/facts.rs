//! What the filter asks: the imported store, and what the host said in the call at hand.

use filter::{
    Clock, Headers, Host, Metric, Now, Origin, Peer, Store, StoreFault, Stream, SwapError,
    Timestamp, UnixTime, Version, VersionGauge,
};

use crate::bindings::edge_breaker::guard::store;
use crate::bindings::exports::edge_breaker::guard::breaker::{self as wit, Field};
use crate::convert;

/// What the host said in the call at hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) cluster: Option<&'a str>,
    pub(crate) route: Option<&'a str>,
    pub(crate) origin: Origin,
    pub(crate) fields: &'a [Field],
    pub(crate) trailers: &'a [Field],
}

/// Who ended a call, as the host says, whose answer had begun or not.
pub(crate) const fn origin(said: wit::Origin, answered: bool) -> Origin {
    match said {
        wit::Origin::Service => Origin::Service,
        wit::Origin::Fault if answered => Origin::Broken,
        wit::Origin::Fault => Origin::Unreachable,
        wit::Origin::TooLong => Origin::TooLong,
        wit::Origin::Overflow => Origin::Overflow,
        wit::Origin::Host => Origin::Proxy,
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
    /// A host is told with the effects, and has none to ask, so the filter reads the records.
    fn gauges(&self) -> Option<&dyn VersionGauge<Id = Metric>> {
        None
    }
}

impl Stream for Facts<'_> {
    fn answers_late(&self) -> bool {
        false
    }

    fn cluster(&self) -> Option<Vec<u8>> {
        self.cluster.map(|name| name.as_bytes().to_vec())
    }

    fn route(&self) -> Option<Vec<u8>> {
        self.route.map(|name| name.as_bytes().to_vec())
    }

    /// Each call is one of its own, and comes by the configuration of that moment: the time, in
    /// microseconds, numbers them as well as a counter would that all instances share.
    fn connection(&self) -> Option<u64> {
        store::now().monotonic.checked_div(1_000)
    }

    /// A host lets in whom it likes.
    fn peer(&self) -> Peer {
        Peer::Unknown
    }

    fn origin(&self) -> Origin {
        self.origin
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
