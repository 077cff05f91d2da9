//! This breaker, as a worker of a proxy has it: the record is in a store that all share, and a gauge
//! says whether anybody has begun to write it since this worker read it. As long as nobody has, and
//! it was closed and clean, no more is looked at.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use breaker::{
    Admission, Breaker, Clean, HalfOpenPolicy, Impact, Mode, Now, OpenPolicy, Outcome, Percentage,
    Permit, Rate, RatePolicy, Settlement, Tally, Timestamp, TripPolicy, UnixTime, WindowPolicy,
};
use shared::{
    Cell, Clock, Decision, Decoded, Kind, Report, Store, StoreFault, SwapError, Unreadable,
    Version, Watch,
};

use crate::{CALLS, FAILURES, PERCENT, Policy, Shared, TIME, WAIT};

const KEY: &str = "edge-breaker/v1/payment-service";

pub(crate) fn make(policy: Policy) -> Option<Box<dyn Shared>> {
    Some(Box::new(Ours { host: Host::new(), policy: rules(policy) }))
}

fn rules(policy: Policy) -> breaker::Policy {
    let rates = |window| RatePolicy {
        window,
        minimum_calls: NonZeroU32::new(20).unwrap_or(NonZeroU32::MIN),
        failures: Some(Percentage::from_thousandths(PERCENT * 1000)),
        slow: None,
    };
    let calls = u32::try_from(CALLS).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
    let (consecutive_failures, rates) = match policy {
        Policy::Consecutive => (NonZeroU32::new(FAILURES), None),
        Policy::Calls => (None, Some(rates(WindowPolicy::Calls(calls)))),
        Policy::Time => (None, Some(rates(WindowPolicy::Time(TIME)))),
    };
    breaker::Policy {
        mode: Mode::Enabled,
        trip: TripPolicy { consecutive_failures, rates, ..TripPolicy::default() },
        open: OpenPolicy {
            wait: WAIT,
            backoff_rate: Rate::from_thousandths(2_000),
            max_wait: WAIT,
            jitter_percent: 20,
            honor_retry_after: true,
            on_retry_after: false,
        },
        half_open: HalfOpenPolicy {
            permitted_calls: NonZeroU32::MIN,
            success_threshold: NonZeroU32::MIN,
            failure_threshold: NonZeroU32::MIN,
            max_wait: WAIT,
            ramp: Duration::ZERO,
        },
        health_check: None,
    }
}

struct Ours {
    host: Host,
    policy: breaker::Policy,
}

impl Shared for Ours {
    fn handle(&self) -> Box<dyn FnMut(bool) -> bool + '_> {
        let mut worker = Worker {
            ours: self,
            watch: Watch::default(),
            clean: None,
            tally: Tally::new(&self.policy),
        };
        worker.update(|breaker, policy, host| {
            breaker.sync(policy, host.now().monotonic);
            Decision::Store(())
        });
        Box::new(move |ends_well| worker.call(ends_well))
    }
}

/// What one worker has.
struct Worker<'a> {
    ours: &'a Ours,
    watch: Watch,
    /// The breaker as it was read last, if it was clean: at which state of the gauge, and what a good
    /// call changes.
    clean: Option<(u64, Clean, Impact)>,
    tally: Tally,
}

impl Worker<'_> {
    fn call(&mut self, ends_well: bool) -> bool {
        let Some(permit) = self.admit() else { return false };
        let outcome = if ends_well { Outcome::Success } else { Outcome::FAILURE };
        match self.known().map(|(_, impact)| impact) {
            Some(Impact::None) if ends_well => {}
            Some(Impact::TallyOnly) if ends_well => {
                let now = match self.ours.policy.trip.rates.map(|rates| rates.window) {
                    Some(WindowPolicy::Time(_)) => self.ours.host.now().monotonic,
                    _ => Timestamp::default(),
                };
                self.tally.add(&permit, Duration::ZERO, None, now);
            }
            _ => self.settle(permit.end(outcome)),
        }
        true
    }

    /// What is known without reading the record.
    fn known(&self) -> Option<(Clean, Impact)> {
        let (version, clean, impact) = self.clean?;
        (self.ours.host.version() == version).then_some((clean, impact))
    }

    fn admit(&mut self) -> Option<Permit> {
        if let Some((clean, _)) = self.known() {
            return clean.permit();
        }
        self.update(|breaker, policy, host| match breaker.admit_closed(policy) {
            Some(admission) => Decision::Keep(admission),
            None => match breaker.admit(policy, true, host.now().monotonic, 0) {
                (admission, None) if !matches!(admission, Admission::Admitted(_)) => {
                    Decision::Keep(admission)
                }
                (admission, _) => Decision::Store(admission),
            },
        })
        .and_then(|admission| match admission {
            Admission::Admitted(permit) => Some(permit),
            _ => None,
        })
    }

    fn settle(&mut self, call: Settlement) {
        let tally = self.tally;
        let next = self.update(|breaker, policy, host| {
            if breaker.impact(policy, &call, &tally, || host.now().monotonic) != Impact::Write {
                return Decision::Keep(tally);
            }
            let now = host.now();
            let _ = breaker.merge(policy, &tally, now, 1);
            breaker.settle(policy, &call, now, 1);
            Decision::Store(breaker.next_tally(&tally))
        });
        self.tally = next.unwrap_or(tally);
    }

    /// Reads, decides and writes, and remembers what was read.
    fn update<R>(
        &mut self,
        mut decide: impl FnMut(&mut Breaker, &breaker::Policy, &Host) -> Decision<R>,
    ) -> Option<R> {
        let Ours { host, policy } = self.ours;
        let gauged = Gauged { host, version: std::cell::Cell::new(0) };
        let cell = Cell { key: KEY, kind: Record, watch: &self.watch, service: None };
        let (clean, tally) = (&mut self.clean, &self.tally);
        let result = cell.update(&gauged, &mut Silent, |read, _| {
            let breaker = read.get_or_insert_with(Breaker::new);
            let impact = breaker.impact_where_clean(policy, tally);
            let version = gauged.version.get();
            *clean = breaker.clean(policy).map(|clean| (version, clean, impact));
            decide(breaker, policy, host)
        });
        result.ok()
    }
}

/// The host, which looks at the gauge before it reads.
struct Gauged<'a> {
    host: &'a Host,
    version: std::cell::Cell<u64>,
}

impl Store for Gauged<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        self.version.set(self.host.version());
        self.host.load(key)
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        self.host.swap(key, value, expected)
    }
}

impl Clock for Gauged<'_> {
    fn now(&self) -> Now {
        self.host.now()
    }
}

struct Record;

impl Kind for Record {
    type Value = Breaker;

    fn decode(&self, bytes: &[u8]) -> Decoded<Breaker> {
        Decoded::new(Breaker::decode(bytes).ok(), bytes, breaker::RECORD_FORMAT, "a record")
    }

    fn encode(&self, breaker: &Breaker) -> impl AsRef<[u8]> {
        breaker.encode()
    }
}

struct Silent;

impl Report for Silent {
    fn unreadable(&mut self, _: Unreadable<'_>) {}
}

/// What a process shares: values by keys under a lock, and the gauge.
struct Host {
    begun: Instant,
    values: Mutex<HashMap<String, (Vec<u8>, Version)>>,
    writes: AtomicU64,
}

impl Host {
    fn new() -> Self {
        Self { begun: Instant::now(), values: Mutex::default(), writes: AtomicU64::new(0) }
    }

    fn version(&self) -> u64 {
        self.writes.load(Ordering::Acquire)
    }
}

impl Host {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        Ok(self.values.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let there = values.get_mut(key);
        if there.as_ref().map(|(_, version)| *version) != expected {
            return Err(SwapError::Conflict);
        }
        // Before the value is there to be read.
        self.writes.fetch_add(1, Ordering::AcqRel);
        match there {
            Some((bytes, version)) => {
                bytes.clear();
                bytes.extend_from_slice(value);
                *version = version.checked_add(1).unwrap_or(Version::MIN);
            }
            None => drop(values.insert(key.to_owned(), (value.to_vec(), Version::MIN))),
        }
        Ok(())
    }
}

impl Host {
    fn now(&self) -> Now {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic: Timestamp::from_nanos(nanos(self.begun.elapsed())),
            wall: UnixTime::from_nanos(nanos(wall)),
        }
    }
}
