//! What the filter asks of its proxy, kept in maps.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use filter::{
    Change, Effects, Headers, Metric, Now, Origin, Peer, Reply, StoreFault, SwapError, Timestamp,
    UnixTime, Version,
};
use scenario::Head;

/// Envoy's status for "the module may not do this".
const INTERNAL_FAILURE: StoreFault = StoreFault { status: 10 };

/// What all threads of the proxy share.
#[derive(Default)]
pub(super) struct Proxy {
    pub(super) monotonic: Cell<Duration>,
    pub(super) wall: Cell<Duration>,
    metrics: RefCell<BTreeMap<String, Rc<Cell<u64>>>>,
    pub(super) lines: RefCell<Vec<String>>,
    pub(super) store: Store,
    pub(super) is_component: bool,
}

/// The metrics of one configuration, by their numbers.
#[derive(Default)]
pub(super) struct Metrics(RefCell<BTreeMap<usize, Rc<Cell<u64>>>>);

/// Values with versions from one counter that skips zero; a missing key takes any version.
#[derive(Default)]
pub(super) struct Store {
    values: RefCell<BTreeMap<String, (Vec<u8>, Version)>>,
    versions: Cell<u32>,
    pub(super) conflicts: Cell<u32>,
    pub(super) unreadable: Cell<bool>,
    pub(super) unwritable: Cell<bool>,
}

/// What the proxy knows of one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) cluster: Option<String>,
    pub(super) route: Option<String>,
    pub(super) peer: Option<String>,
    pub(super) details: Option<&'static str>,
    pub(super) flags: u64,
    pub(super) connection: Option<u64>,
    pub(super) head: Head,
    pub(super) trailer: Option<u8>,
}

/// The proxy at work on one stream, or on none.
pub(super) struct At<'a> {
    proxy: &'a Proxy,
    metrics: &'a Metrics,
    facts: &'a Facts,
}

impl Proxy {
    pub(super) fn of_component() -> Self {
        Self { is_component: true, ..Self::default() }
    }

    /// Defines the metrics of no service: those that there are keep their values, here and below.
    pub(super) fn metrics_of_module(&self) -> Metrics {
        let metrics = Metrics::default();
        self.define(&metrics, Metric::of_module(), "");
        metrics
    }

    fn define(&self, metrics: &Metrics, of: impl Iterator<Item = Metric>, service: &str) {
        let mut defined = self.metrics.borrow_mut();
        for metric in of {
            let value = defined.entry(metric.stat_name(service)).or_default();
            metrics.0.borrow_mut().insert(metric.index(), Rc::clone(value));
        }
    }

    /// All metrics, by the proxy's names for them.
    pub(super) fn metrics(&self) -> BTreeMap<String, u64> {
        let metrics = self.metrics.borrow();
        metrics.iter().map(|(name, value)| (name.clone(), value.get())).collect()
    }

    /// Runs the filter, and applies what it wants done besides its verdict.
    pub(super) fn run<R>(
        &self,
        metrics: &Metrics,
        facts: &Facts,
        f: impl FnOnce(&At<'_>, &mut Effects) -> R,
    ) -> R {
        let mut effects = Effects::default();
        let result = f(&At { proxy: self, metrics, facts }, &mut effects);
        self.lines.borrow_mut().extend(effects.lines.into_iter().map(|(_, line)| line));
        for (metric, change) in effects.metrics {
            let value = metrics.of(metric);
            match change {
                Change::Count => value.set(value.get() + 1),
                Change::Set(to) => value.set(to),
            }
        }
        result
    }
}

impl Metrics {
    fn of(&self, metric: Metric) -> Rc<Cell<u64>> {
        let value = self.0.borrow().get(&metric.index()).cloned();
        value.unwrap_or_else(|| panic!("{metric:?} is not defined"))
    }
}

impl Store {
    /// What is there, whether or not the filter may read it.
    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.values.borrow().get(key).map(|(value, _)| value.clone())
    }

    /// Writes in any case.
    pub(super) fn put(&self, key: &str, value: Vec<u8>) {
        self.versions.set(self.versions.get().wrapping_add(1).max(1));
        let version = Version::new(self.versions.get()).unwrap_or(Version::MIN);
        self.values.borrow_mut().insert(key.to_owned(), (value, version));
    }
}

impl filter::Store for At<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        let store = &self.proxy.store;
        if store.unreadable.get() {
            return Err(INTERNAL_FAILURE);
        }
        Ok(store.values.borrow().get(key).cloned())
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        let store = &self.proxy.store;
        if store.unwritable.get() {
            return Err(SwapError::Fault(INTERNAL_FAILURE));
        }
        if let Some(left) = store.conflicts.get().checked_sub(1) {
            store.conflicts.set(left);
            return Err(SwapError::Conflict);
        }
        let stored = store.values.borrow().get(key).map(|(_, version)| *version);
        if stored.is_some() && stored != expected {
            return Err(SwapError::Conflict);
        }
        store.put(key, value.to_vec());
        Ok(())
    }
}

impl filter::Clock for At<'_> {
    fn now(&self) -> Now {
        let nanos = |clock: &Cell<Duration>| clock.get().as_nanos() as u64;
        Now {
            monotonic: Timestamp::from_nanos(nanos(&self.proxy.monotonic)),
            wall: UnixTime::from_nanos(nanos(&self.proxy.wall)),
        }
    }
}

impl filter::Host for At<'_> {
    fn gauges(&self) -> Option<&dyn filter::VersionGauge<Id = Metric>> {
        Some(self)
    }
}

impl filter::Stream for At<'_> {
    fn cluster(&self) -> Option<Vec<u8>> {
        self.facts.cluster.as_deref().map(|name| name.as_bytes().to_vec())
    }

    fn route(&self) -> Option<Vec<u8>> {
        self.facts.route.as_deref().map(|name| name.as_bytes().to_vec())
    }

    fn connection(&self) -> Option<u64> {
        self.facts.connection
    }

    fn origin(&self) -> Origin {
        let details = self.facts.details.map(|details| details.as_bytes().to_vec());
        Origin::from_envoy(details, || Some(self.facts.flags.to_le_bytes().to_vec()))
    }

    fn peer(&self) -> Peer {
        let peer = self.facts.peer.as_deref();
        peer.map_or(Peer::Unknown, |address| Peer::At(address.as_bytes().to_vec()))
    }

    fn response_header(&self, name: &'static str) -> Option<Vec<u8>> {
        let head = &self.facts.head;
        let grpc = match head.grpc {
            Some(scenario::Grpc::Head(code)) if name == "grpc-status" => Some(code.to_string()),
            _ => None,
        };
        grpc.or_else(|| head.headers.get(name).cloned()).map(String::into_bytes)
    }

    fn response_headers(&self) -> Headers {
        let headers = &self.facts.head.headers;
        Headers::from_pairs(&headers.iter().collect::<Vec<_>>())
    }

    fn response_trailer(&self, name: &'static str) -> Option<Vec<u8>> {
        let code = self.facts.trailer.filter(|_| name == "grpc-status");
        code.map(|code| code.to_string().into_bytes())
    }
}

impl filter::VersionGauge for At<'_> {
    type Id = Metric;

    fn define(&self, metric: Metric, name: &str) {
        self.proxy.define(self.metrics, std::iter::once(metric), name);
    }

    fn read(&self, metric: Metric) -> Option<u64> {
        (!self.proxy.is_component).then(|| self.metrics.of(metric).get())
    }

    fn adjust(&self, metric: Metric, by: i64) {
        let value = self.metrics.of(metric);
        value.set(value.get().wrapping_add_signed(by));
    }
}

/// The filter's own answer, as its client sees it.
pub(super) fn reply_of(reply: &Reply) -> scenario::Reply {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = reply.headers.iter().map(|(name, value)| (name.clone(), text(value)));
    scenario::Reply { status: reply.status, headers: headers.collect() }
}

/// Headers with nothing but a status, as a callout's answer has.
pub(super) fn status_only(status: u16) -> Headers {
    Headers::from_pairs(&[(":status", status.to_string())])
}
