//! Proxies, regions and a store in virtual time: the real fleet and the real breaker on a network
//! that is late, loses, and parts.

pub(crate) mod guard;
pub(crate) mod store;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use breaker::{StateName, Timestamp};
use fleet::{
    Advice, Answer, Fault, Fleet, FleetPolicy, Identity, Probe, ProcessId, Request, Row, Scope,
};

use guard::{Called, Guard};
use store::Store;

pub(crate) const SERVICE: &str = "payment";

/// A record is looked at this often, as the filter's rounds do.
const ROUND: u64 = millis(250);

pub(crate) const fn millis(number: u64) -> u64 {
    number * 1_000_000
}

pub(crate) const fn seconds(number: u64) -> u64 {
    millis(1_000) * number
}

pub(crate) struct Proxy {
    pub(crate) region: String,
    pub(crate) guard: Guard,
    /// `None`: it is alone.
    pub(crate) fleet: Option<Fleet>,
    /// Time between two calls; zero: there are none.
    every: u64,
    /// What its clock is ahead of the others'.
    offset: u64,
    /// Which process it is; events of an earlier one mean nothing.
    incarnation: u64,
    running: bool,
    /// The wake that is planned; others mean nothing.
    wake: u64,
}

/// A call or a check, for what is asked afterwards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    pub(crate) at: u64,
    pub(crate) proxy: usize,
    pub(crate) well: bool,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Call(usize, u64),
    Wake(usize, u64),
    Reply(usize, u64, u64, Box<Reply>),
    Arrive(usize, u64, u64, Ordered<Request>),
    Copy(String, Box<Row>, String),
}

type Reply = Ordered<Result<Answer, Fault>>;

/// Compared as equal: the time and the number of an event decide.
pub(crate) struct Ordered<T>(T);

impl<T> PartialEq for Ordered<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Ordered<T> {}

impl<T> PartialOrd for Ordered<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Ordered<T> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// The network to the store, and between its regions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    /// One way takes up to this long, and at least a tenth of it.
    pub(crate) latency: u64,
    /// Of 1,000 messages so many are lost.
    pub(crate) lost: u32,
    /// A copy to another region takes up to this long.
    pub(crate) lag: u64,
    /// Of 1,000 copies so many are lost.
    pub(crate) copies_lost: u32,
}

pub(crate) struct Sim {
    pub(crate) now: u64,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) store: Store,
    pub(crate) network: Network,
    /// Regions whose service is down.
    pub(crate) down: BTreeSet<String>,
    /// Proxies that cannot reach it.
    pub(crate) cut_off: BTreeSet<usize>,
    /// Regions that no copy leaves or reaches.
    pub(crate) parted: BTreeSet<String>,
    pub(crate) calls: Vec<Note>,
    pub(crate) checks: Vec<Note>,
    /// When each region's row was asked to change, and when rows were read.
    pub(crate) writes: BTreeMap<String, Vec<u64>>,
    pub(crate) reads: Vec<u64>,
    pub(crate) random: fastrand::Rng,
    regions: Vec<String>,
    policy: FleetPolicy,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    numbers: u64,
}

pub(crate) fn fleet_policy() -> FleetPolicy {
    FleetPolicy {
        region: String::new(),
        sync_interval: Duration::from_secs(1),
        timeout: Duration::from_millis(500),
        max_staleness: Duration::from_secs(10),
        quorum: 2,
        scope: Scope::Region,
        probe: Probe::One,
    }
}

impl Sim {
    pub(crate) fn new(regions: &[&str], seed: u64) -> Self {
        Self::with(regions, fleet_policy(), seed)
    }

    pub(crate) fn with(regions: &[&str], policy: FleetPolicy, seed: u64) -> Self {
        Self {
            now: seconds(1_000),
            proxies: Vec::new(),
            store: Store::new(regions),
            network: Network { latency: millis(20), lost: 0, lag: millis(1_000), copies_lost: 0 },
            down: BTreeSet::new(),
            cut_off: BTreeSet::new(),
            parted: BTreeSet::new(),
            calls: Vec::new(),
            checks: Vec::new(),
            writes: BTreeMap::new(),
            reads: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            regions: regions.iter().map(|name| (*name).to_owned()).collect(),
            policy,
            events: BinaryHeap::new(),
            numbers: 0,
        }
    }

    /// Adds a proxy with a call every so often, in the fleet or alone.
    pub(crate) fn add(&mut self, region: &str, every: u64, in_fleet: bool) -> usize {
        let number = self.proxies.len();
        self.proxies.push(Proxy {
            region: region.to_owned(),
            guard: Guard::new(guard::policy()),
            fleet: None,
            every,
            offset: self.random.u64(0..seconds(1_000_000)),
            incarnation: 0,
            running: false,
            wake: 0,
        });
        self.start(number, in_fleet);
        number
    }

    /// Starts a process in a proxy's place: another one than before.
    pub(crate) fn start(&mut self, number: usize, in_fleet: bool) {
        let (id, random) = (ProcessId::from_bits(self.random.u64(..)), self.random.u32(..));
        let policy = self.policy.clone();
        let now = self.clock(number);
        let proxy = &mut self.proxies[number];
        proxy.guard = Guard::new(proxy.guard.policy.clone());
        proxy.running = true;
        proxy.incarnation += 1;
        let policy = FleetPolicy { region: proxy.region.clone(), ..policy };
        let me = Identity { id, born: now };
        proxy.fleet = in_fleet.then(|| Fleet::new(policy, me, now, random));
        let (incarnation, every) = (proxy.incarnation, proxy.every);
        if every > 0 {
            let first = self.now + self.random.u64(0..every);
            self.plan(first, Event::Call(number, incarnation));
        }
        let first = self.now + self.random.u64(0..ROUND);
        self.plan_wake(number, first);
    }

    pub(crate) fn crash(&mut self, number: usize) {
        let proxy = &mut self.proxies[number];
        proxy.running = false;
        proxy.incarnation += 1;
    }

    pub(crate) fn run(&mut self, time: u64) {
        let end = self.now + time;
        while let Some(Reverse((at, _, _))) = self.events.peek() {
            if *at > end {
                break;
            }
            let Some(Reverse((at, _, event))) = self.events.pop() else { break };
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    /// Runs until something is so, and for how long; at most so long.
    pub(crate) fn run_until(&mut self, longest: u64, is_so: impl Fn(&Self) -> bool) -> Option<u64> {
        let began = self.now;
        while !is_so(self) {
            if self.now >= began + longest {
                return None;
            }
            self.run(millis(10));
        }
        Some(self.now - began)
    }

    pub(crate) fn works_for(&self, number: usize) -> bool {
        !self.down.contains(&self.proxies[number].region) && !self.cut_off.contains(&number)
    }

    pub(crate) fn state(&self, number: usize) -> StateName {
        self.proxies[number].guard.state()
    }

    pub(crate) fn all(&self, state: StateName) -> bool {
        self.proxies.iter().filter(|it| it.running).all(|it| it.guard.state() == state)
    }

    /// The proxies that are open.
    pub(crate) fn open(&self) -> BTreeSet<usize> {
        (0..self.proxies.len()).filter(|it| self.state(*it) == StateName::Open).collect()
    }

    pub(crate) fn failed_calls(&self) -> usize {
        self.calls.iter().filter(|call| !call.well).count()
    }

    pub(crate) fn failed_calls_of(&self, number: usize) -> usize {
        self.calls.iter().filter(|call| !call.well && call.proxy == number).count()
    }

    /// The most writes of a region in any second.
    pub(crate) fn most_writes_per_second(&self, region: &str) -> usize {
        let times = self.writes.get(region).cloned().unwrap_or_default();
        let within =
            |from: u64| times.iter().filter(move |at| (from..from + seconds(1)).contains(at));
        times.iter().map(|from| within(*from).count()).max().unwrap_or(0)
    }

    fn clock(&self, number: usize) -> Timestamp {
        Timestamp::from_nanos(self.now + self.proxies[number].offset)
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.numbers += 1;
        self.events.push(Reverse((at, self.numbers, event)));
    }

    fn plan_wake(&mut self, number: usize, at: u64) {
        self.numbers += 1;
        let wake = self.numbers;
        self.proxies[number].wake = wake;
        self.plan(at, Event::Wake(number, wake));
    }

    fn one_way(&mut self) -> Option<u64> {
        let longest = self.network.latency;
        let is_lost = self.random.u32(0..1_000) < self.network.lost;
        (!is_lost).then(|| self.random.u64(longest / 10..=longest))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Call(number, incarnation) => self.call(number, incarnation),
            Event::Wake(number, wake) => {
                if self.proxies[number].wake == wake && self.proxies[number].running {
                    self.wake(number);
                }
            }
            Event::Arrive(number, incarnation, ticket, Ordered(request)) => {
                self.arrive(number, incarnation, ticket, request);
            }
            Event::Reply(number, incarnation, ticket, reply) => {
                let now = self.clock(number);
                let proxy = &mut self.proxies[number];
                if proxy.incarnation == incarnation
                    && let Some(fleet) = &mut proxy.fleet
                {
                    fleet.answer(ticket, reply.0, now);
                    self.wake(number);
                }
            }
            Event::Copy(region, row, to) => {
                if !self.parted.contains(&region) && !self.parted.contains(&to) {
                    self.store.copy(&region, *row, &to);
                }
            }
        }
    }

    fn call(&mut self, number: usize, incarnation: u64) {
        if self.proxies[number].incarnation != incarnation {
            return;
        }
        let (works, now, random) =
            (self.works_for(number), self.clock(number), self.random.u32(..));
        let proxy = &mut self.proxies[number];
        let called = proxy.guard.call(works, now, random);
        let next = self.now + proxy.every;
        if called != Called::Diverted {
            self.calls.push(Note {
                at: self.now,
                proxy: number,
                well: called == Called::Succeeded,
            });
        }
        self.plan(next, Event::Call(number, incarnation));
    }

    /// A round: look at the record, do what the fleet says, make a check that is due, ask the store.
    fn wake(&mut self, number: usize) {
        let (works, now) = (self.works_for(number), self.clock(number));
        let (random, another) = (self.random.u32(..), self.random.u32(..));
        let proxy = &mut self.proxies[number];
        let mut may = true;
        if let Some(fleet) = &mut proxy.fleet {
            match fleet.observe(SERVICE, proxy.guard.own(), now, random) {
                Some(Advice::Open { .. }) => proxy.guard.open_by_fleet(now, another),
                Some(Advice::HalfOpen) => proxy.guard.half_open_by_fleet(now),
                None => {}
            }
            fleet.observe(SERVICE, proxy.guard.own(), now, another);
            may = fleet.may_check(SERVICE, now);
        }
        if let Some(said) = proxy.guard.check(may, works, now) {
            self.checks.push(Note { at: self.now, proxy: number, well: works });
            if let Some(fleet) = &mut proxy.fleet {
                fleet.checked(SERVICE, said, now, another);
                fleet.observe(SERVICE, proxy.guard.own(), now, random);
            }
        }
        let mut next = self.now + ROUND;
        let mut asked = None;
        if let Some(fleet) = &mut proxy.fleet {
            asked = fleet.poll(now);
            let due = fleet.due().as_nanos().saturating_sub(proxy.offset);
            next = next.min(due.max(self.now + millis(1)));
        }
        let incarnation = proxy.incarnation;
        self.plan_wake(number, next);
        if let Some(ask) = asked
            && let Some(way) = self.one_way()
        {
            let event = Event::Arrive(number, incarnation, ask.ticket, Ordered(ask.request));
            self.plan(self.now + way, event);
        }
    }

    fn arrive(&mut self, number: usize, incarnation: u64, ticket: u64, request: Request) {
        let region = self.proxies[number].region.clone();
        match request {
            Request::Read { .. } => self.reads.push(self.now),
            _ => self.writes.entry(region.clone()).or_default().push(self.now),
        }
        let old = self.random.u32(0..10) == 0;
        let Some((answer, changed)) = self.store.ask(&region, request, old) else {
            return;
        };
        if changed {
            let row = self.store.row(&region).clone();
            for to in self.regions.clone() {
                let is_lost = self.random.u32(0..1_000) < self.network.copies_lost;
                if to != region && !is_lost {
                    let at = self.now + self.random.u64(0..=self.network.lag);
                    self.plan(at, Event::Copy(region.clone(), Box::new(row.clone()), to));
                }
            }
        }
        if let Some(way) = self.one_way() {
            let reply = Box::new(Ordered(answer));
            self.plan(self.now + way, Event::Reply(number, incarnation, ticket, reply));
        }
    }
}
