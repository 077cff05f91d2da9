//! A proxy for tests: workers with a filter each, one shared store, two clocks that move when
//! told to, and a count of everything that is asked of the proxy.

mod call;
mod store;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use breaker::{Breaker, Mode, Status};
use filter::{
    CalloutAnswer, CalloutRequest, Change, Clock, Config, Effects, Filter, Headers, Host, Level,
    Metric, Now, Origin, Peer, PendingCallout, StoreFault, Stream, SwapError, Timestamp, UnixTime,
    Version, VersionGauge,
};
use serde_json::{Value, json};

pub(crate) use call::{Answer, By, Call, Request, flag};
use store::Store;

/// The service that most tests are about.
pub(crate) const PAYMENT: &str = "payment-service";

/// Where the wall clock starts: 2024-05-01T12:00:00Z.
const EPOCH: u64 = 1_714_564_800_000_000_000;

/// The configuration of one service that is told by its host, with further fields.
pub(crate) fn service(name: &str, fields: &Value) -> Value {
    let mut service = json!({"name": name, "match": {"hosts": [name]}});
    for (field, value) in fields.as_object().unwrap() {
        service[field] = value.clone();
    }
    service
}

/// What the recipe's services are configured like.
pub(crate) fn recipe() -> Value {
    json!({
        "trip": {"consecutive_failures": 3},
        "health_check": {
            "cluster": "payment", "path": "/health", "then": "close", "interval": "5s",
            "retry": {"num_retries": 3, "interval": "2s", "backoff_rate": 2.0}
        },
        "fallback": {"cluster": "payment-fallback", "on_failure": true}
    })
}

/// A proxy with its workers. A clone is the same proxy.
#[derive(Clone)]
pub(crate) struct World(Rc<Inner>);

struct Inner {
    /// What metrics are named after, by their numbers, for each filter that there ever was.
    names: RefCell<Vec<Vec<String>>>,
    /// What the gauges of slots are named after, likewise.
    slots: RefCell<BTreeMap<(usize, usize), String>>,
    /// All filters that there ever were.
    known: RefCell<Vec<Rc<Filter>>>,
    gauges: Cell<Gauges>,
    /// The last is the main thread's, which ticks but sees no request.
    filters: RefCell<Vec<Rc<Filter>>>,
    store: Store,
    monotonic: Cell<u64>,
    wall: Cell<u64>,
    asked: RefCell<BTreeMap<&'static str, usize>>,
    metrics: RefCell<BTreeMap<String, u64>>,
    lines: RefCell<Vec<(Level, String)>>,
    checks: RefCell<VecDeque<(usize, PendingCallout, CalloutRequest)>>,
    admitted: Cell<usize>,
    /// Whether it can run a request again.
    reruns: Cell<bool>,
}

/// What the proxy knows of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) cluster: Option<Vec<u8>>,
    pub(crate) route: Option<Vec<u8>>,
    pub(crate) peer: Peer,
    pub(crate) details: Option<Vec<u8>>,
    pub(crate) flags: Option<Vec<u8>>,
    pub(crate) connection: Option<u64>,
    pub(crate) response_headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) response_trailers: Vec<(&'static str, Vec<u8>)>,
    /// How much of the request's body it has kept.
    pub(crate) kept: usize,
    /// The cluster that diverted requests can go to.
    pub(crate) diverted_to: Option<String>,
}

/// The proxy at work on one stream, or on none.
pub(crate) struct At<'a> {
    world: &'a Inner,
    /// Which filter is at work.
    filter: usize,
    facts: &'a Facts,
}

/// What the proxy does with gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Gauges {
    #[default]
    Kept,
    /// They can be set and read, and are always zero: the operator does not want them.
    Dropped,
    /// There are none.
    None,
}

fn first(headers: &[(&'static str, Vec<u8>)], name: &str) -> Option<Vec<u8>> {
    headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
}

impl Inner {
    /// A metric's name in the proxy, as a filter numbers them.
    fn stat_name(&self, filter: usize, metric: Metric) -> String {
        let names = self.names.borrow();
        let service = match metric {
            Metric::Of(number, _) => names[filter].get(number).map_or("", String::as_str),
            Metric::Slot(number) => &self.slots.borrow()[&(filter, number)].clone(),
            _ => "",
        };
        metric.stat_name(service)
    }

    fn metric(&self, name: &str) -> u64 {
        self.metrics.borrow().get(name).copied().unwrap_or_default()
    }

    fn ask(&self, what: &'static str) {
        *self.asked.borrow_mut().entry(what).or_default() += 1;
    }
}

impl filter::Store for At<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        self.world.ask("load");
        self.world.store.load(key)
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        self.world.ask("swap");
        self.world.store.swap(key, value, expected)
    }
}

impl Clock for At<'_> {
    fn now(&self) -> Now {
        self.world.ask("now");
        Now {
            monotonic: Timestamp::from_nanos(self.world.monotonic.get()),
            wall: UnixTime::from_nanos(self.world.wall.get()),
        }
    }
}

impl Host for At<'_> {
    fn gauges(&self) -> Option<&dyn VersionGauge<Id = Metric>> {
        Some(self)
    }
}

impl Stream for At<'_> {
    fn can_rerun(&self) -> bool {
        self.world.reruns.get()
    }

    fn prepare_rerun(&self, request: &Headers, body: usize, to: (&'static str, &str)) -> bool {
        assert!(request.iter().next().is_some(), "the head is there");
        assert_eq!(to.0, "x-circuit-breaker-cluster");
        let leads = self.facts.diverted_to.as_deref() == Some(to.1);
        self.world.reruns.get() && body == self.facts.kept && leads
    }

    fn cluster(&self) -> Option<Vec<u8>> {
        self.world.ask("property");
        self.facts.cluster.clone()
    }

    fn route(&self) -> Option<Vec<u8>> {
        self.world.ask("property");
        self.facts.route.clone()
    }

    fn connection(&self) -> Option<u64> {
        self.world.ask("property");
        self.facts.connection
    }

    fn origin(&self) -> Origin {
        self.world.ask("property");
        Origin::from_envoy(self.facts.details.clone(), || {
            self.world.ask("property");
            self.facts.flags.clone()
        })
    }

    fn peer(&self) -> Peer {
        self.world.ask("peer");
        self.facts.peer.clone()
    }

    fn response_header(&self, name: &'static str) -> Option<Vec<u8>> {
        self.world.ask("response_header");
        first(&self.facts.response_headers, name)
    }

    fn response_headers(&self) -> Headers {
        self.world.ask("response_headers");
        Headers::from_pairs(&self.facts.response_headers)
    }

    fn response_trailer(&self, name: &'static str) -> Option<Vec<u8>> {
        self.world.ask("response_trailer");
        first(&self.facts.response_trailers, name)
    }
}

impl VersionGauge for At<'_> {
    type Id = Metric;

    fn define(&self, metric: Metric, name: &str) {
        self.world.ask("define");
        let number = match metric {
            Metric::Of(number, _) => number,
            Metric::Slot(number) => {
                self.world.slots.borrow_mut().insert((self.filter, number), name.to_owned());
                return;
            }
            _ => unreachable!("{metric:?} is the module's"),
        };
        let names = &mut self.world.names.borrow_mut()[self.filter];
        assert!(number <= names.len(), "{name} is number {number}");
        match names.get(number) {
            Some(known) => assert_eq!(known, name, "one number, one name"),
            None => names.push(name.to_owned()),
        }
    }

    fn read(&self, metric: Metric) -> Option<u64> {
        self.world.ask("gauge");
        match self.world.gauges.get() {
            Gauges::Kept => Some(self.world.metric(&self.world.stat_name(self.filter, metric))),
            Gauges::Dropped => Some(0),
            Gauges::None => None,
        }
    }

    fn adjust(&self, metric: Metric, by: i64) {
        self.world.ask("adjust");
        if self.world.gauges.get() == Gauges::Kept {
            let mut metrics = self.world.metrics.borrow_mut();
            let value = metrics.entry(self.world.stat_name(self.filter, metric)).or_default();
            *value = value.wrapping_add_signed(by);
        }
    }
}

impl World {
    /// One worker, and one service with these fields.
    pub(crate) fn with(fields: &Value) -> Self {
        Self::with_workers(1, fields)
    }

    /// One worker of a proxy that can run requests again.
    pub(crate) fn that_reruns(fields: &Value) -> Self {
        let world = Self::with(fields);
        world.0.reruns.set(true);
        world.configure(1, &json!({"services": [service(PAYMENT, fields)]}));
        world
    }

    /// Some workers, and one service with these fields.
    pub(crate) fn with_workers(workers: usize, fields: &Value) -> Self {
        Self::configured(workers, &json!({"services": [service(PAYMENT, fields)]}))
    }

    /// Some workers with this configuration.
    pub(crate) fn configured(workers: usize, config: &Value) -> Self {
        Self::with_gauges(Gauges::Kept, workers, config)
    }

    /// The same, on a proxy that may not keep gauges.
    pub(crate) fn with_gauges(gauges: Gauges, workers: usize, config: &Value) -> Self {
        let world = Self(Rc::new(Inner {
            names: RefCell::default(),
            slots: RefCell::default(),
            known: RefCell::default(),
            gauges: Cell::new(gauges),
            filters: RefCell::default(),
            store: Store::default(),
            monotonic: Cell::new(1_000_000_000_000),
            wall: Cell::new(EPOCH),
            asked: RefCell::default(),
            metrics: RefCell::default(),
            lines: RefCell::default(),
            checks: RefCell::default(),
            admitted: Cell::default(),
            reruns: Cell::default(),
        }));
        world.configure(workers, config);
        world
    }

    /// All workers get a new configuration; requests under way keep the one they came in with.
    pub(crate) fn configure(&self, workers: usize, config: &Value) {
        let text = config.to_string();
        let filters = (0..=workers).map(|_| {
            let config = Config::parse(text.as_bytes()).unwrap();
            let number = self.0.names.borrow().len();
            self.0.names.borrow_mut().push(Vec::new());
            let new = |host: &At<'_>, effects: &mut Effects| Filter::new(config, host, effects);
            let filter = Rc::new(self.apply_as(number, new, &Facts::default()));
            self.0.known.borrow_mut().push(Rc::clone(&filter));
            filter
        });
        let filters = filters.collect();
        *self.0.filters.borrow_mut() = filters;
    }

    /// Runs a filter, and applies what it wants done besides its verdict.
    fn apply<R>(
        &self,
        filter: &Filter,
        f: impl FnOnce(&At<'_>, &mut Effects) -> R,
        facts: &Facts,
    ) -> R {
        self.apply_as(self.number_of(filter), f, facts)
    }

    fn number_of(&self, filter: &Filter) -> usize {
        let known = self.0.known.borrow();
        known.iter().position(|it| std::ptr::eq(&raw const **it, filter)).expect("a filter of ours")
    }

    fn apply_as<R>(
        &self,
        filter: usize,
        f: impl FnOnce(&At<'_>, &mut Effects) -> R,
        facts: &Facts,
    ) -> R {
        let mut effects = Effects::default();
        let result = f(&At { world: &self.0, filter, facts }, &mut effects);
        self.0.lines.borrow_mut().append(&mut effects.lines);
        for (metric, change) in effects.metrics {
            let name = self.0.stat_name(filter, metric);
            let mut metrics = self.0.metrics.borrow_mut();
            let value = metrics.entry(name).or_default();
            match change {
                Change::Count => *value += 1,
                Change::Set(to) => *value = to,
            }
        }
        result
    }

    fn filter(&self, worker: usize) -> Rc<Filter> {
        Rc::clone(&self.0.filters.borrow()[worker])
    }

    /// Has something asked of the proxy, on no stream.
    pub(crate) fn host<R>(&self, f: impl FnOnce(&At<'_>) -> R) -> R {
        let filter = self.number_of(&self.filter(0));
        f(&At { world: &self.0, filter, facts: &Facts::default() })
    }

    /// Metrics that were changed, but that no shell would have defined.
    pub(crate) fn undefined_metrics(&self) -> Vec<String> {
        let names = self.0.names.borrow();
        let named = names.iter().enumerate().flat_map(|(filter, names)| {
            Metric::all(names.len()).map(move |metric| self.0.stat_name(filter, metric))
        });
        let slots = self.0.slots.borrow();
        let slots = slots.values().map(|name| Metric::Slot(0).stat_name(name));
        let defined: std::collections::BTreeSet<_> = named.chain(slots).collect();
        let changed = self.0.metrics.borrow();
        changed.keys().filter(|name| !defined.contains(*name)).cloned().collect()
    }

    /// How many filters tick: the workers' and the main thread's.
    pub(crate) fn threads(&self) -> usize {
        self.0.filters.borrow().len()
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    // === Requests

    /// A request whose host is this service, to be sent.
    pub(crate) fn request(&self, service: &str) -> Request {
        Request::new(self.clone(), service)
    }

    /// A request of just these headers and no body, sent.
    pub(crate) fn raw_request(&self, headers: Headers) -> Call {
        self.request("").send_raw(headers)
    }

    /// A request without a body to the one service, sent.
    pub(crate) fn call(&self) -> Call {
        self.request(PAYMENT).send()
    }

    /// So many calls fail, one after the other.
    pub(crate) fn fail(&self, calls: usize) {
        for _ in 0..calls {
            self.call().respond(503);
        }
    }

    /// Trips the one service under default rules.
    pub(crate) fn trip(&self) {
        self.trip_at(3);
    }

    /// Trips the one service, and lets its wait pass: the next call is the first trial. Its
    /// waits must not be longer than five minutes, and it must have no health check.
    pub(crate) fn await_trials(&self) {
        self.trip();
        self.advance(self.wait());
    }

    /// Trips the one service, which trips on so many failures.
    pub(crate) fn trip_at(&self, failures: usize) {
        self.fail(failures);
        assert_eq!(self.state(), "OPEN");
    }

    // === Time

    pub(crate) fn advance_millis(&self, by: u64) {
        self.advance(Duration::from_millis(by));
    }

    /// Both clocks move on.
    pub(crate) fn advance(&self, by: Duration) {
        self.0.monotonic.set(self.0.monotonic.get() + by.as_nanos() as u64);
        self.0.wall.set(self.0.wall.get() + by.as_nanos() as u64);
    }

    /// The wall clock alone is put back.
    pub(crate) fn set_wall_back(&self, by: Duration) {
        self.0.wall.set(self.0.wall.get() - by.as_nanos() as u64);
    }

    /// The wall clock alone is put forward.
    pub(crate) fn set_wall_forward(&self, by: Duration) {
        self.0.wall.set(self.0.wall.get() + by.as_nanos() as u64);
    }

    // === Ticks and health checks

    pub(crate) fn tick(&self, thread: usize) {
        self.tick_of(&self.filter(thread), thread);
    }

    /// Every thread's filter, to be at work still when another configuration has come.
    pub(crate) fn filters(&self) -> Vec<Rc<Filter>> {
        self.0.filters.borrow().clone()
    }

    /// Only these filters are left at work.
    pub(crate) fn leave(&self, filters: Vec<Rc<Filter>>) {
        *self.0.filters.borrow_mut() = filters;
    }

    /// Filters of a replaced configuration tick, too.
    pub(crate) fn tick_replaced(&self, filters: &[Rc<Filter>]) {
        for (thread, filter) in filters.iter().enumerate() {
            self.tick_of(filter, thread);
        }
    }

    fn tick_of(&self, filter: &Filter, thread: usize) {
        let checks =
            self.apply(filter, |host, effects| filter.on_tick(host, effects), &Facts::default());
        for check in checks {
            let (pending, callout) = check.into_parts();
            self.0.checks.borrow_mut().push_back((thread, pending, callout));
        }
    }

    pub(crate) fn tick_all(&self) {
        (0..self.threads()).for_each(|thread| self.tick(thread));
    }

    /// Time passes, with a tick of every thread as often as it asks for.
    pub(crate) fn run(&self, time: Duration) {
        let period = self.filter(0).tick_period();
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(period);
            self.advance(step);
            self.tick_all();
            left -= step;
        }
    }

    /// How long it is until the next check goes out, in steps of the longest tick.
    pub(crate) fn until_next_check(&self) -> Duration {
        let step = Duration::from_millis(500);
        let mut waited = Duration::ZERO;
        self.tick_all();
        while self.pending_checks() == 0 {
            assert!(waited < Duration::from_secs(600), "no check goes out");
            self.advance(step);
            self.tick_all();
            waited += step;
        }
        assert_eq!(self.pending_checks(), 1, "one at a time");
        waited
    }

    /// Health checks that were sent and not answered.
    pub(crate) fn pending_checks(&self) -> usize {
        self.0.checks.borrow().len()
    }

    /// The call of the oldest health check that was not answered.
    pub(crate) fn check_callout(&self) -> CalloutRequest {
        self.0.checks.borrow().front().expect("a check is under way").2.clone()
    }

    /// The oldest health check is answered with this status.
    pub(crate) fn answer_check(&self, status: u16) {
        let headers = Headers::from_pairs(&[(":status", status.to_string())]);
        self.finish_check(&CalloutAnswer::Answered(headers, Vec::new()));
    }

    /// The oldest health check is not answered in time.
    pub(crate) fn fail_check(&self) {
        self.finish_check(&CalloutAnswer::Failed);
    }

    /// The oldest health check is kept back from those that are answered.
    pub(crate) fn take_check(&self) -> (usize, PendingCallout, CalloutRequest) {
        self.0.checks.borrow_mut().pop_front().expect("a check is under way")
    }

    /// One that was kept back is the only one to be answered.
    pub(crate) fn put_check(&self, check: (usize, PendingCallout, CalloutRequest)) {
        *self.0.checks.borrow_mut() = VecDeque::from([check]);
    }

    /// How often the filter wants to be called.
    pub(crate) fn tick_period(&self) -> Duration {
        self.filter(0).tick_period()
    }

    /// Whoever made the oldest health check is gone.
    pub(crate) fn lose_check(&self) {
        let check = self.0.checks.borrow_mut().pop_front();
        drop(check.expect("a check is under way"));
    }

    pub(crate) fn finish_check(&self, answer: &CalloutAnswer) {
        let check = self.0.checks.borrow_mut().pop_front();
        let (thread, pending, _) = check.expect("a check is under way");
        let filter = self.filter(thread);
        self.apply(
            &filter,
            |host, effects| filter.on_callout_answer(pending, answer, host, effects),
            &Facts::default(),
        );
    }

    // === What came of it

    /// The breaker's record as all workers see it, as its calls have made it.
    pub(crate) fn status_of(&self, service: &str) -> Status {
        let bytes = self.0.store.get(&key(service)).expect("there is a record");
        Breaker::decode(&bytes).expect("the record is readable").status(Mode::Enabled)
    }

    pub(crate) fn status(&self) -> Status {
        self.status_of(PAYMENT)
    }

    pub(crate) fn state(&self) -> &'static str {
        self.status().state.name()
    }

    /// How far the earliest end of the open state is away.
    pub(crate) fn wait(&self) -> Duration {
        let now = Timestamp::from_nanos(self.0.monotonic.get());
        self.status().retry_at.expect("the breaker is open").since(now)
    }

    /// A metric by its name in the proxy.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        self.0.metric(name)
    }

    /// The names of all metrics that were changed.
    pub(crate) fn metric_names(&self) -> Vec<String> {
        self.0.metrics.borrow().keys().cloned().collect()
    }

    /// A metric of the one service, by its labels (`"outcome=failure"`, in their order) and name.
    pub(crate) fn of(&self, name: &str, labels: &[&str]) -> u64 {
        let labels = labels.iter().map(|label| label.replacen('=', "=.=", 1));
        let labels: String = labels.map(|label| format!("cb_{label};.;")).collect();
        self.metric(&format!("cb_service=.={PAYMENT};.;{labels}edge_breaker_{name}"))
    }

    /// Settled calls of the one service.
    pub(crate) fn calls(&self, outcome: &str) -> u64 {
        self.of("calls_total", &[&format!("outcome={outcome}")])
    }

    /// Moves a gauge of the one service behind the filter's back.
    pub(crate) fn adjust_gauge(&self, name: &str, by: i64) {
        let name = format!("cb_service=.={PAYMENT};.;edge_breaker_{name}");
        let mut metrics = self.0.metrics.borrow_mut();
        let value = metrics.get_mut(&name).expect("the gauge is in use");
        *value = value.wrapping_add_signed(by);
    }

    /// The outcome of the one call that was made.
    pub(crate) fn only_outcome(&self) -> &'static str {
        let outcomes = self.outcomes();
        assert_eq!(outcomes.iter().sum::<u64>(), 1, "{outcomes:?}");
        let names = ["success", "failure", "ignored", "aborted"];
        names[outcomes.iter().position(|count| *count == 1).unwrap()]
    }

    /// All settled calls, in the order success, failure, ignored, aborted.
    pub(crate) fn outcomes(&self) -> [u64; 4] {
        ["success", "failure", "ignored", "aborted"].map(|outcome| self.calls(outcome))
    }

    /// Settled calls of all services.
    pub(crate) fn settled(&self) -> u64 {
        let metrics = self.0.metrics.borrow();
        let calls = metrics.iter().filter(|(name, _)| name.ends_with("edge_breaker_calls_total"));
        calls.map(|(_, count)| *count).sum()
    }

    /// Transitions told to the metrics, whatever they were.
    pub(crate) fn transitions(&self) -> u64 {
        let metrics = self.0.metrics.borrow();
        let told = metrics.iter().filter(|(name, _)| name.contains("transitions_total"));
        told.map(|(_, count)| *count).sum()
    }

    /// Calls of any service that were admitted.
    pub(crate) fn admitted(&self) -> usize {
        self.0.admitted.get()
    }

    /// Lines that were logged and contain this.
    pub(crate) fn logged(&self, part: &str) -> Vec<String> {
        let lines = self.0.lines.borrow();
        lines.iter().filter(|(_, line)| line.contains(part)).map(|(_, line)| line.clone()).collect()
    }

    /// What the proxy was asked while this was done, by question.
    pub(crate) fn asked(&self, f: impl FnOnce()) -> BTreeMap<&'static str, usize> {
        self.0.asked.borrow_mut().clear();
        f();
        self.0.asked.borrow().clone()
    }
}

/// The key of a service's record.
pub(crate) fn key(service: &str) -> String {
    format!("edge-breaker/v1/{service}")
}
