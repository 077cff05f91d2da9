//! Random stories: what workers, callers and an operator may do to a breaker, in any order.

use std::time::Duration;

use breaker::{
    AdaptivePolicy, AfterCheck, Breaker, CheckResult, CheckTicket, DivertReason, Ended, Generation,
    HalfOpenPolicy, HealthCheckPolicy, Impact, Mode, OpenPolicy, Outcome, Overdue, Percentage,
    Permit, Policy, Rate, RatePolicy, RetryPolicy, Settled, Status, Tally, Timestamp, Told,
    Transition, TripPolicy, WindowPolicy,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::world::{World, at, count};

/// Longer than any wait that a policy of these stories makes.
pub(crate) const LONG_ENOUGH: Duration = Duration::from_secs(600);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// A call whose request is complete, or is not.
    Admit(bool),
    Advance(Duration),
    /// To the very moment a trial loses its place, an open breaker's wait is over, or neither.
    AdvanceToEdge,
    ChangePolicy(Box<Policy>),
    Complete(Index),
    EndOfTime,
    FinishCheck(Index, CheckResult),
    LosePermit(Index),
    Settle(Index, Ended, u32),
    StepBack(Duration),
    TakeCheck,
}

/// What an operation did.
#[derive(Debug)]
pub(crate) enum Event {
    Admitted { permit: Seen, complete: bool },
    Completed { permit: Seen, by: Option<Seen> },
    Checked(String, CheckResult),
    Diverted { reason: DivertReason, complete: bool },
    Other,
    Settled { permit: Seen, ended: Ended, settled: Settled, impact: Impact },
    TookCheck(Option<String>),
}

/// What there is to see of a permit, by which it is known again.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) is_trial: bool,
    pub(crate) awaits_request: bool,
    pub(crate) generation: Generation,
}

impl From<&Permit> for Seen {
    fn from(permit: &Permit) -> Self {
        Self {
            id: format!("{permit:?}"),
            is_trial: permit.is_trial(),
            awaits_request: permit.awaits_request(),
            generation: permit.generation(),
        }
    }
}

/// One operation, and the breaker before and after.
pub(crate) struct Step {
    pub(crate) event: Event,
    pub(crate) transition: Option<Transition>,
    pub(crate) now: Timestamp,
    pub(crate) policy: Policy,
    pub(crate) before: Breaker,
    pub(crate) after: Breaker,
}

impl Step {
    pub(crate) fn status_before(&self) -> Status {
        self.before.status(self.policy.mode)
    }

    pub(crate) fn status(&self) -> Status {
        self.after.status(self.policy.mode)
    }

    pub(crate) fn generation_before(&self) -> Generation {
        self.before.status(self.policy.mode).generation
    }

    pub(crate) fn records(&self) -> [Vec<u8>; 2] {
        [self.before.encode().to_vec(), self.after.encode().to_vec()]
    }
}

/// A world, and the permits and tickets that are out in it.
pub(crate) struct Story {
    pub(crate) world: World,
    permits: Vec<Permit>,
    tickets: Vec<CheckTicket>,
    /// Deadlines of trials, the last one last.
    deadlines: Vec<Timestamp>,
}

impl Story {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            world: World::new(|default| *default = policy),
            permits: Vec::new(),
            tickets: Vec::new(),
            deadlines: Vec::new(),
        }
    }

    pub(crate) fn play(&mut self, operation: Operation) -> Step {
        let before = self.world.breaker();
        let transitions = self.world.transitions.len();
        let event = self.event_of(operation);
        let new = self.world.transitions.get(transitions..).unwrap_or_default();
        assert!(new.len() <= 1, "one operation makes at most one transition: {new:?}");
        Step {
            event,
            transition: new.first().copied(),
            now: self.world.now.monotonic,
            policy: self.world.policy.clone(),
            before,
            after: self.world.breaker(),
        }
    }

    fn event_of(&mut self, operation: Operation) -> Event {
        match operation {
            Operation::Admit(complete) => match self.world.try_request(complete) {
                Ok(permit) => {
                    if permit.is_trial() {
                        let now = self.world.now.monotonic;
                        self.deadlines.push(deadline(&self.world.policy, now));
                        if !complete {
                            let [_, deadline] = deadline_to_complete(&self.world.policy, now);
                            self.deadlines.extend([deadline.after(SECOND), deadline]);
                        }
                    }
                    let seen = Seen::from(&permit);
                    self.permits.push(permit);
                    return Event::Admitted { permit: seen, complete };
                }
                Err(reason) => return Event::Diverted { reason, complete },
            },
            Operation::Advance(time) => self.world.advance_by(time),
            Operation::AdvanceToEdge => {
                let edge = self.world.status().retry_at.or_else(|| self.deadlines.pop());
                let now = self.world.now.monotonic;
                self.world.now = at(edge.unwrap_or(now).max(now));
            }
            Operation::ChangePolicy(policy) => self.world.policy = *policy,
            Operation::Complete(which) => {
                if let Some(mut permit) = taken(&mut self.permits, which) {
                    let seen = Seen::from(&permit);
                    let by = self.world.complete(&mut permit).then(|| Seen::from(&permit));
                    self.permits.push(permit);
                    return Event::Completed { permit: seen, by };
                }
            }
            Operation::EndOfTime => self.world.now = at(Timestamp::from_nanos(u64::MAX)),
            Operation::FinishCheck(which, result) => {
                if let Some(ticket) = taken(&mut self.tickets, which) {
                    let id = format!("{ticket:?}");
                    self.world.answer(ticket, result);
                    return Event::Checked(id, result);
                }
            }
            Operation::LosePermit(which) => drop(taken(&mut self.permits, which)),
            Operation::Settle(which, ended, random) => {
                if let Some(permit) = taken(&mut self.permits, which) {
                    self.world.random = random;
                    let (breaker, policy) = (self.world.breaker(), &self.world.policy);
                    let (permit, call) = (Seen::from(&permit), permit.end(ended));
                    let impact = breaker
                        .impact(policy, &call, &Tally::new(policy), || self.world.now.monotonic);
                    let settled = self.world.settle_again(&call);
                    return Event::Settled { permit, ended, settled, impact };
                }
            }
            Operation::StepBack(time) => {
                let back = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                let now = self.world.now.monotonic.as_nanos().saturating_sub(back);
                self.world.now = at(Timestamp::from_nanos(now));
            }
            Operation::TakeCheck => {
                let ticket = self.world.try_check();
                let id = ticket.as_ref().map(|ticket| format!("{ticket:?}"));
                self.tickets.extend(ticket);
                return Event::TookCheck(id);
            }
        }
        Event::Other
    }
}

/// When a trial that is admitted now loses its place, if its request is complete in time.
pub(crate) fn deadline(policy: &Policy, now: Timestamp) -> Timestamp {
    let deadline = now.after(policy.half_open.max_wait.max(Duration::from_millis(1)));
    Timestamp::from_nanos(deadline.as_nanos() & !1)
}

/// By when a request is to be complete that is admitted now, at the earliest and at the latest: a
/// nanosecond is lost or won.
pub(crate) fn deadline_to_complete(policy: &Policy, now: Timestamp) -> [Timestamp; 2] {
    let deadline = now.after(SECOND).as_nanos().min(deadline(policy, now).as_nanos());
    [deadline & !1, deadline | 1].map(Timestamp::from_nanos)
}

fn taken<T>(from: &mut Vec<T>, which: Index) -> Option<T> {
    (!from.is_empty()).then(|| from.swap_remove(which.index(from.len())))
}

/// Stories whose clock only goes forward, by no more than somebody may wait.
pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    proptest::collection::vec(forward(), 0..150)
}

/// Stories that may also come to the end of time.
pub(crate) fn operations_to_the_end_of_time() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![150 => forward(), 1 => Just(Operation::EndOfTime)];
    proptest::collection::vec(operation, 0..150)
}

/// Stories whose clock jumps to and fro.
pub(crate) fn operations_on_any_clock() -> impl Strategy<Value = Vec<Operation>> {
    let operation = prop_oneof![
        30 => forward(),
        3 => moderate().prop_map(Operation::StepBack),
        1 => any::<u64>().prop_map(|back| Operation::StepBack(Duration::from_nanos(back))),
        1 => Just(Operation::EndOfTime),
    ];
    proptest::collection::vec(operation, 0..150)
}

fn forward() -> impl Strategy<Value = Operation> {
    prop_oneof![
        12 => prop::bool::weighted(0.7).prop_map(Operation::Admit),
        3 => any::<Index>().prop_map(Operation::Complete),
        10 => (any::<Index>(), ended(), any::<u32>())
            .prop_map(|(which, ended, random)| Operation::Settle(which, ended, random)),
        3 => moderate().prop_map(Operation::Advance),
        3 => Just(Operation::AdvanceToEdge),
        3 => Just(Operation::TakeCheck),
        3 => (any::<Index>(), check_result())
            .prop_map(|(which, result)| Operation::FinishCheck(which, result)),
        1 => any::<Index>().prop_map(Operation::LosePermit),
        1 => policy().prop_map(|policy| Operation::ChangePolicy(Box::new(policy))),
    ]
}

fn moderate() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::from_nanos(1)),
        (1..2_000_u64).prop_map(Duration::from_millis),
        (1..100_u64).prop_map(Duration::from_secs),
    ]
}

fn ended() -> impl Strategy<Value = Ended> {
    let told = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Overdue::Slow)),
        1 => Just(Some(Overdue::Hung)),
    ];
    let told = (prop::bool::weighted(0.2), told).prop_map(|(slow, told)| {
        let told = told.map_or_else(Told::default, Told::adaptive);
        if slow { told.and(Told::SLOW) } else { told }
    });
    (outcome(), prop::bool::weighted(0.2), moderate(), told)
        .prop_map(|(outcome, slow, took, told)| Ended { outcome, slow, took, told })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        5 => Just(Outcome::FAILURE),
        1 => (0..400_u64).prop_map(|seconds| {
            Outcome::failure(Some(Duration::from_secs(seconds)))
        }),
        4 => Just(Outcome::Success),
        1 => Just(Outcome::Ignored),
        1 => option::of(0..50_u64).prop_map(|seconds| {
            Outcome::Declined { retry_after: seconds.map(Duration::from_secs) }
        }),
        1 => Just(Outcome::Aborted),
    ]
}

fn check_result() -> impl Strategy<Value = CheckResult> {
    prop_oneof![Just(CheckResult::Healthy), Just(CheckResult::Unhealthy)]
}

fn rate() -> impl Strategy<Value = Rate> {
    (1_000..4_000_u32).prop_map(Rate::from_thousandths)
}

/// Any rules over any small window.
pub(crate) fn rates() -> impl Strategy<Value = RatePolicy> {
    let over_time = (1..200_u64, 1..9_u32).prop_map(|(tenths, minimum)| {
        (WindowPolicy::Time(Duration::from_millis(tenths * 100)), minimum)
    });
    let over_calls = (1..80_u32, any::<Index>()).prop_map(|(size, part)| {
        (WindowPolicy::Calls(count(size)), part.index(size as usize) as u32 + 1)
    });
    let share = || {
        let thousandths = prop_oneof![3 => 1..=100_000_u32, 1 => Just(100_000), 1 => Just(50_000)];
        option::weighted(0.7, thousandths.prop_map(Percentage::from_thousandths))
    };
    (prop_oneof![over_time, over_calls], share(), share()).prop_map(
        |((window, minimum), failures, slow)| RatePolicy {
            window,
            minimum_calls: count(minimum),
            failures,
            slow,
        },
    )
}

/// Any policy with the adaptive rule, beside others or alone.
pub(crate) fn adaptive_policy() -> impl Strategy<Value = Policy> {
    (policy(), adaptive(), any::<bool>()).prop_map(|(mut policy, adaptive, alone)| {
        if alone {
            policy.trip = TripPolicy::default();
        }
        let max_gap = policy.open.max_wait;
        policy.trip.adaptive = Some(AdaptivePolicy { max_gap, ..adaptive });
        policy
    })
}

fn adaptive() -> impl Strategy<Value = AdaptivePolicy> {
    (100..30_000_u32, any::<bool>(), option::of(moderate())).prop_map(
        |(tolerate, shed, latency_floor)| AdaptivePolicy {
            tolerate: Percentage::from_thousandths(tolerate),
            // So short that a few failures are enough.
            false_trips: Duration::from_secs(1),
            shed,
            latency_floor,
            max_gap: Duration::ZERO,
        },
    )
}

/// Any policy that a configuration may ask for, with small numbers.
pub(crate) fn policy() -> impl Strategy<Value = Policy> {
    let trip = (option::weighted(0.9, 1..5_u32), option::weighted(0.7, rates())).prop_map(
        |(run, rates)| TripPolicy {
            consecutive_failures: run.map(count),
            rates,
            ..TripPolicy::default()
        },
    );
    let open = (0..30_u64, rate(), 0..60_u64, 0..=100_u8, any::<bool>()).prop_map(
        |(wait, backoff_rate, more, jitter_percent, honor_retry_after)| OpenPolicy {
            wait: Duration::from_secs(wait),
            backoff_rate,
            max_wait: Duration::from_secs(wait.saturating_add(more)),
            jitter_percent,
            honor_retry_after,
            on_retry_after: false,
        },
    );
    let ramp = prop_oneof![2 => Just(0), 1 => 1..40_u64];
    let half_open = (1..5_u32, any::<Index>(), 0..40_u64, ramp).prop_map(|it| {
        let (permitted, part, wait, ramp) = it;
        let success_threshold = part.index(permitted as usize) as u32 + 1;
        HalfOpenPolicy {
            permitted_calls: count(permitted),
            success_threshold: count(success_threshold),
            failure_threshold: count(1),
            max_wait: Duration::from_secs(wait),
            ramp: Duration::from_secs(ramp),
        }
    });
    let retry = (0..4_u32, 1..5_u64, rate()).prop_map(|(num_retries, interval, backoff_rate)| {
        RetryPolicy { num_retries, interval: Duration::from_secs(interval), backoff_rate }
    });
    let health_check = (1..10_u64, any::<Index>(), 1..4_u32, any::<bool>(), option::of(retry))
        .prop_map(|(interval, part, healthy, close, retry)| {
            let timeout = part.index(interval as usize) as u64 + 1;
            HealthCheckPolicy {
                settings: 0,
                interval: Duration::from_secs(interval),
                timeout: Duration::from_secs(timeout),
                healthy_threshold: count(healthy),
                then: if close { AfterCheck::Close } else { AfterCheck::HalfOpen },
                retry,
            }
        });
    (trip, open, half_open, option::of(health_check)).prop_map(
        |(trip, open, half_open, health_check)| {
            let mode = Mode::Enabled;
            Policy { mode, trip, open, half_open, health_check }
        },
    )
}
