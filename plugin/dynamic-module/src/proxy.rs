//! Envoy, as the host of the filter.

use filter::{
    Clock, Headers, Host, Metric, Now, Origin, Peer, Store, StoreFault, Stream, SwapError,
    Timestamp, Version, VersionGauge,
};

use crate::abi::{Attribute, Map};
use crate::clock::ProcessClock;
use crate::envoy::OnStream;
use crate::metrics::{Caller, Defined, Metrics};
use crate::rerun;
use crate::store::Shared;

/// What a process has one of.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) store: Shared,
    pub(crate) clock: ProcessClock,
}

/// Envoy, while a hook is at work.
pub(crate) struct Proxy<'a> {
    pub(crate) process: &'a Process,
    pub(crate) defined: &'a Defined,
    pub(crate) metrics: &'a Metrics,
    pub(crate) caller: Caller,
}

impl Proxy<'_> {
    const fn stream(&self) -> Option<OnStream> {
        match self.caller {
            Caller::Stream(stream) => Some(stream),
            Caller::Main(_) => None,
        }
    }
}

impl Store for Proxy<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        self.process.store.load(key)
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        self.process.store.swap(key, value, expected)
    }
}

impl Clock for Proxy<'_> {
    fn now(&self) -> Now {
        self.process.clock.now()
    }

    fn monotonic(&self) -> Timestamp {
        self.process.clock.monotonic()
    }
}

impl Host for Proxy<'_> {
    #[inline(always)]
    fn gauges(&self) -> Option<&dyn VersionGauge<Id = Metric>> {
        Some(self)
    }
}

impl Stream for Proxy<'_> {
    fn cluster(&self) -> Option<Vec<u8>> {
        self.stream()?.cluster()
    }

    fn route(&self) -> Option<Vec<u8>> {
        self.stream()?.text(Attribute::XdsRouteName)
    }

    fn connection(&self) -> Option<u64> {
        self.stream()?.number(Attribute::ConnectionId)
    }

    fn peer(&self) -> Peer {
        // Envoy knows it: if it does not say so, that must open nothing.
        let address = self.stream().and_then(|stream| stream.text(Attribute::SourceAddress));
        address.map_or(Peer::Withheld, Peer::At)
    }

    fn can_rerun(&self) -> bool {
        true
    }

    fn prepare_rerun(&self, request: &Headers, body: usize, to: (&'static str, &str)) -> bool {
        // A second run counts its time from the beginning of the first.
        let has_time = self.origin() != Origin::TooLong;
        has_time && self.stream().is_some_and(|stream| stream.prepare_rerun(request, body, to))
    }

    fn origin(&self) -> Origin {
        // Another filter of ours ends the call, for its own service.
        if rerun::is_ending() {
            return Origin::Proxy;
        }
        let details = self.stream().and_then(|it| it.text(Attribute::ResponseCodeDetails));
        let flags = || self.stream()?.number(Attribute::ResponseFlags);
        Origin::from_envoy(details, || Some(flags()?.to_le_bytes().to_vec()))
    }

    fn response_header(&self, name: &'static str) -> Option<Vec<u8>> {
        self.stream()?.header(Map::Response, name)
    }

    fn response_headers(&self) -> Headers {
        self.stream().map(|stream| stream.headers(Map::Response)).unwrap_or_default()
    }

    fn response_trailer(&self, name: &'static str) -> Option<Vec<u8>> {
        self.stream()?.header(Map::ResponseTrailers, name)
    }
}

impl VersionGauge for Proxy<'_> {
    type Id = Metric;

    fn define(&self, metric: Metric, name: &str) {
        self.metrics.define((metric, name), self.defined, &self.process.store, self.caller);
    }

    #[inline(always)]
    fn read(&self, metric: Metric) -> Option<u64> {
        self.metrics.read(metric)
    }

    #[inline(always)]
    fn adjust(&self, metric: Metric, by: i64) {
        self.metrics.adjust(metric, by, self.caller);
    }
}
