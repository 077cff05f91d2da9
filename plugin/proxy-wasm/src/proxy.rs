//! The proxy that runs this module, as the host of the filter.

#![allow(unsafe_code, reason = "the proxy's functions are C functions")]

use filter::{
    Clock, Headers, Host, Metric, Now, Origin, Peer, Store, StoreFault, Stream, SwapError,
    Timestamp, UnixTime, Version, VersionGauge,
};

use crate::host::functions::*;
use crate::host::{Map, NOT_FOUND, OK, Returned, header, headers, known, monotonic};
use crate::metrics::MetricIds;

const CAS_MISMATCH: u32 = 8;
/// "Write if absent": a missing key takes any number that is not zero, and no key has this one.
const ABSENT: u32 = u32::MAX;

/// The proxy that runs this module.
pub(crate) struct Proxy<'a> {
    pub(crate) metrics: &'a MetricIds,
}

impl Store for Proxy<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        let (mut returned, mut cas) = (Returned::none(), 0);
        // SAFETY: pointers and sizes are of values that live until the call returns.
        let status = unsafe {
            let (data, size) = (&raw mut returned.data, &raw mut returned.size);
            proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut cas)
        };
        match (status, Version::new(cas)) {
            (OK, Some(version)) => Ok(Some((returned.into_vec(), version))),
            (NOT_FOUND, _) => Ok(None),
            (status, _) => Err(StoreFault { status }),
        }
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        let cas = expected.map_or(ABSENT, Version::get);
        // SAFETY: pointers and sizes are of values that live until the call returns.
        let status = unsafe {
            proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas)
        };
        match status {
            OK => Ok(()),
            CAS_MISMATCH => Err(SwapError::Conflict),
            status => Err(SwapError::Fault(StoreFault { status })),
        }
    }
}

impl Clock for Proxy<'_> {
    fn now(&self) -> Now {
        let mut wall = 0;
        // SAFETY: it writes one number to where the pointer points.
        unsafe { proxy_get_current_time_nanoseconds(&raw mut wall) };
        Now { monotonic: self.monotonic(), wall: UnixTime::from_nanos(wall) }
    }

    fn monotonic(&self) -> Timestamp {
        // A configuration is not taken where there is no clock. If one fails all the same, zero is a
        // time like any other.
        Timestamp::from_nanos(monotonic().unwrap_or_default())
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
        known(b"xds\0cluster_name").ok()
    }

    fn route(&self) -> Option<Vec<u8>> {
        known(b"xds\0route_name").ok()
    }

    fn connection(&self) -> Option<u64> {
        Some(u64::from_le_bytes(known(b"connection_id").ok()?.try_into().ok()?))
    }

    fn peer(&self) -> Peer {
        match known(b"source\0address") {
            Ok(address) => Peer::At(address),
            Err(NOT_FOUND) => Peer::Unknown,
            // The plugin may not ask: a capability that is not given must open nothing.
            Err(_) => Peer::Withheld,
        }
    }

    fn origin(&self) -> Origin {
        let details = known(b"response\0code_details").ok();
        Origin::from_envoy(details, || known(b"response\0flags").ok())
    }

    fn response_header(&self, name: &'static str) -> Option<Vec<u8>> {
        header(Map::Response, name)
    }

    fn response_headers(&self) -> Headers {
        headers(Map::Response)
    }

    fn response_trailer(&self, name: &'static str) -> Option<Vec<u8>> {
        header(Map::ResponseTrailers, name)
    }
}

impl VersionGauge for Proxy<'_> {
    type Id = Metric;

    fn define(&self, metric: Metric, name: &str) {
        self.metrics.define(metric, name);
    }

    #[inline(always)]
    fn read(&self, metric: Metric) -> Option<u64> {
        let id = self.metrics.id(metric)?;
        let mut value = 0;
        // SAFETY: the pointer is of a value that lives until the call returns.
        let status = unsafe { proxy_get_metric(id, &raw mut value) };
        (status == OK).then_some(value)
    }

    #[inline(always)]
    fn adjust(&self, metric: Metric, by: i64) {
        if let Some(id) = self.metrics.id(metric) {
            // SAFETY: a plain call.
            unsafe { proxy_increment_metric(id, by) };
        }
    }
}
