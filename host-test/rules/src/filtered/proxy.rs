//! What the filter asks of its proxy, kept in maps.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use filter::{
    Clock, Headers, Host, Metric, Now, Origin, Peer, Store, StoreFault, Stream, SwapError,
    Timestamp, UnixTime, Version, VersionGauge,
};

use crate::rule::SEC;

/// Where the wall clock starts: 2024-05-01T12:00:00Z.
const EPOCH: u64 = 1_714_564_800_000_000_000;

/// A proxy of one service, whose every answer is the service's own.
pub(super) struct Proxy {
    now: Cell<u64>,
    values: RefCell<HashMap<String, (Vec<u8>, Version)>>,
    versions: Cell<u32>,
    /// By their metric's number: all threads have the same ones.
    gauges: RefCell<HashMap<usize, u64>>,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            now: Cell::new(SEC),
            values: RefCell::default(),
            versions: Cell::default(),
            gauges: RefCell::default(),
        }
    }
}

impl Proxy {
    /// The monotonic clock.
    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Moves both clocks to what the monotonic one shows then.
    pub(super) fn set(&self, now: u64) {
        self.now.set(now);
    }
}

impl Clock for Proxy {
    fn now(&self) -> Now {
        let now = self.now.get();
        Now { monotonic: Timestamp::from_nanos(now), wall: UnixTime::from_nanos(EPOCH + now) }
    }
}

impl Store for Proxy {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        Ok(self.values.borrow().get(key).cloned())
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        let mut values = self.values.borrow_mut();
        let stored = values.get(key).map(|(_, version)| *version);
        if stored.is_some() && stored != expected {
            return Err(SwapError::Conflict);
        }
        self.versions.set(self.versions.get().wrapping_add(1).max(1));
        let version = Version::new(self.versions.get()).unwrap_or(Version::MIN);
        values.insert(key.to_owned(), (value.to_vec(), version));
        Ok(())
    }
}

impl VersionGauge for Proxy {
    type Id = Metric;

    fn define(&self, _: Metric, _: &str) {}

    fn read(&self, metric: Metric) -> Option<u64> {
        Some(self.gauges.borrow().get(&metric.index()).copied().unwrap_or_default())
    }

    fn adjust(&self, metric: Metric, by: i64) {
        let mut gauges = self.gauges.borrow_mut();
        let value = gauges.entry(metric.index()).or_default();
        *value = value.wrapping_add_signed(by);
    }
}

impl Host for Proxy {
    fn gauges(&self) -> Option<&dyn VersionGauge<Id = Metric>> {
        Some(self)
    }
}

impl Stream for Proxy {
    fn cluster(&self) -> Option<Vec<u8>> {
        None
    }

    fn route(&self) -> Option<Vec<u8>> {
        None
    }

    fn connection(&self) -> Option<u64> {
        None
    }

    fn peer(&self) -> Peer {
        Peer::Unknown
    }

    fn origin(&self) -> Origin {
        Origin::from_envoy(Some(b"via_upstream".to_vec()), || Some(0_u64.to_le_bytes().to_vec()))
    }

    fn response_header(&self, _: &'static str) -> Option<Vec<u8>> {
        None
    }

    fn response_headers(&self) -> Headers {
        Headers::from_pairs::<&str, &str>(&[])
    }

    fn response_trailer(&self, _: &'static str) -> Option<Vec<u8>> {
        None
    }
}
