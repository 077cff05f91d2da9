//! Rates over sliding windows. Rows 7, 8, 9, 10.

use std::time::Duration;

use breaker::{
    Admission, Breaker, DivertReason, Ended, Impact, Outcome, Percentage, Permit, Policy,
    RatePolicy, Reason, Settled, StateName, Tally, Timestamp, WindowPolicy,
};
use proptest::prelude::*;

use crate::operations;
use crate::world::{START, World, at, count, policy, seconds_of};

/// Ten seconds, of which the newest second may have just begun.
const TEN_SECONDS: WindowPolicy = WindowPolicy::Time(seconds_of(10));

fn percent(percent: u32) -> Option<Percentage> {
    Some(Percentage::from_thousandths(percent * 1_000))
}

/// Trips when half of at least 4 calls failed, or were slow; nothing else trips.
fn halves(window: WindowPolicy) -> World {
    World::new(|policy| {
        policy.trip.consecutive_failures = None;
        policy.trip.rates = Some(RatePolicy {
            window,
            minimum_calls: count(4),
            failures: percent(50),
            slow: percent(50),
        });
    })
}

#[test]
fn half_of_the_calls_trip_a_threshold_of_half_the_current_call_included() {
    for window in [TEN_SECONDS, WindowPolicy::Calls(count(4))] {
        let mut world = halves(window);
        world.succeed();
        world.fail();
        world.succeed();
        assert_eq!(world.state(), StateName::Closed);
        world.fail();
        assert_eq!(world.state(), StateName::Open);
        assert_eq!(world.status().trip_reason, Some(Reason::FailureRate));
        world.is_diverted(DivertReason::Open);
    }
}

#[test]
fn a_threshold_of_all_calls_trips_when_all_failed() {
    for window in [TEN_SECONDS, WindowPolicy::Calls(count(4))] {
        let mut world = halves(window);
        if let Some(rates) = &mut world.policy.trip.rates {
            rates.failures = percent(100);
        }
        for _ in 0..3 {
            world.fail();
        }
        assert_eq!(world.state(), StateName::Closed);
        world.fail();
        assert_eq!(world.state(), StateName::Open);
    }
}

#[test]
fn with_fewer_calls_than_the_minimum_nothing_trips() {
    let mut world = halves(TEN_SECONDS);
    for _ in 0..1_000 {
        world.fail();
        world.fail();
        world.fail();
        world.advance(10);
    }
    assert_eq!(world.state(), StateName::Closed);
}

/// The call that makes them enough may be a good one.
#[test]
fn a_success_that_makes_the_calls_enough_trips() {
    let mut world = halves(TEN_SECONDS);
    world.fail();
    world.fail();
    world.fail();
    world.succeed();
    assert_eq!(world.status().trip_reason, Some(Reason::FailureRate));
}

/// Row 8: a window that only accumulates would take a thousand failures.
#[test]
fn after_a_thousand_successes_the_window_forgets_them() {
    let mut world = halves(WindowPolicy::Calls(count(10)));
    for _ in 0..1_000 {
        world.succeed();
    }
    for _ in 0..4 {
        world.fail();
    }
    assert_eq!(world.state(), StateName::Closed);
    world.fail();
    assert_eq!(world.state(), StateName::Open);

    let mut world = halves(TEN_SECONDS);
    for _ in 0..1_000 {
        world.succeed();
    }
    world.advance(10);
    for _ in 0..3 {
        world.fail();
    }
    assert_eq!(world.state(), StateName::Closed);
    world.fail();
    assert_eq!(world.state(), StateName::Open);
}

/// Row 9: a tumbling window would see half of it on either side of its edge.
#[test]
fn a_burst_across_the_edge_of_any_second_trips() {
    for millis in 0..1_000 {
        let mut world = halves(TEN_SECONDS);
        world.advance_by(Duration::from_millis(millis));
        for _ in 0..3 {
            world.fail();
            world.advance_by(Duration::from_millis(300));
        }
        world.fail();
        assert_eq!(world.state(), StateName::Open, "{millis} ms into a second");
    }
}

/// Row 7: buckets of before an idle time, however long, are not counted again.
#[test]
fn after_an_idle_time_of_any_length_none_of_the_old_calls_is_left() {
    for idle in [10, 11, 15, 19, 20, 21, 99, 100, 101, 1_000, 86_400 * 365] {
        let mut world = halves(TEN_SECONDS);
        for _ in 0..3 {
            world.fail();
        }
        world.advance(idle);
        for _ in 0..3 {
            world.fail();
        }
        assert_eq!(world.state(), StateName::Closed, "after {idle} s");
        assert_eq!(world.counts().calls, 3, "after {idle} s");
    }
}

/// Row 7: the window starts anew with each period.
#[test]
fn after_closing_again_the_failures_of_before_do_not_count() {
    for window in [TEN_SECONDS, WindowPolicy::Calls(count(4))] {
        let mut world = halves(window);
        world.policy.open.wait = Duration::ZERO;
        for _ in 0..4 {
            world.fail();
        }
        world.succeed();
        assert_eq!(world.state(), StateName::Closed);
        assert_eq!(world.counts().calls, 0, "a trial is none of them");
        world.fail();
        world.fail();
        world.fail();
        assert_eq!(world.state(), StateName::Closed);
    }
}

#[test]
fn slow_calls_trip_by_their_own_threshold_whatever_became_of_them() {
    let mut world = halves(TEN_SECONDS);
    world.succeed_slowly();
    world.succeed();
    world.succeed();
    world.fail_slowly();
    assert_eq!(world.status().trip_reason, Some(Reason::SlowCallRate));
}

#[test]
fn the_first_rule_that_trips_is_the_reason() {
    let mut world = halves(TEN_SECONDS);
    world.policy.trip.consecutive_failures = Some(count(4));
    for _ in 0..4 {
        world.fail_slowly();
    }
    assert_eq!(world.status().trip_reason, Some(Reason::ConsecutiveFailures));

    let mut world = halves(TEN_SECONDS);
    for _ in 0..4 {
        world.fail_slowly();
    }
    assert_eq!(world.status().trip_reason, Some(Reason::FailureRate));
}

/// It would close on what is too slow for a closed one, and trip on it again.
#[test]
fn a_trial_that_is_slow_does_not_close_the_breaker() {
    let mut world = halves(TEN_SECONDS);
    for _ in 0..4 {
        world.succeed_slowly();
    }
    world.advance(30);
    world.succeed_slowly();
    assert_eq!(world.state(), StateName::Open);
    assert_eq!(world.status().trip_reason, Some(Reason::TrialFailed));
    world.advance(60);
    world.succeed();
    assert_eq!(world.state(), StateName::Closed);
}

#[test]
fn ignored_and_aborted_calls_are_in_no_window() {
    let mut world = halves(TEN_SECONDS);
    for outcome in [Outcome::Ignored, Outcome::Aborted] {
        for slow in [false, true] {
            let call = world.call();
            world.settle(call, Ended { slow, ..outcome.into() });
        }
    }
    assert_eq!(world.counts().calls, 0);
}

/// A window over time begins anew when the clock is set back by more than its length, and not when
/// two workers read it one just before the other.
#[test]
fn a_clock_that_is_set_back_does_not_freeze_the_window() {
    let mut world = halves(TEN_SECONDS);
    world.advance(1_000);
    world.fail();
    world.step_back(1);
    world.fail();
    assert_eq!(world.counts().calls, 2);
    world.step_back(500);
    for _ in 0..4 {
        world.fail();
    }
    assert_eq!(world.state(), StateName::Open);
}

/// A new configuration keeps what fits into its window.
#[test]
fn another_window_keeps_the_calls_that_fit() {
    let mut world = halves(TEN_SECONDS);
    world.succeed();
    world.advance(2);
    world.fail();
    world.change_window(WindowPolicy::Time(seconds_of(20)));
    assert_eq!((world.counts().calls, world.counts().failures), (2, 1));
    world.change_window(WindowPolicy::Time(seconds_of(1)));
    assert_eq!((world.counts().calls, world.counts().failures), (1, 1));

    let mut world = halves(WindowPolicy::Calls(count(3)));
    for _ in 0..5 {
        world.succeed();
    }
    world.fail();
    world.change_window(WindowPolicy::Calls(count(100)));
    assert_eq!((world.counts().calls, world.counts().failures), (3, 1));
    world.succeed();
    world.change_window(WindowPolicy::Calls(count(2)));
    assert_eq!((world.counts().calls, world.counts().failures), (2, 1));
    world.change_window(TEN_SECONDS);
    assert_eq!(world.counts().calls, 0, "calls of no known time");
}

/// A listener that only shows what there is has no rules of its own.
#[test]
fn a_configuration_without_rates_leaves_the_window_as_it_is() {
    let mut world = halves(TEN_SECONDS);
    world.fail();
    let rates = world.policy.trip.rates.take();
    world.sync(0);
    world.policy.trip.rates = rates;
    assert_eq!(world.counts().calls, 1);
}

/// While a replaced configuration is still at work beside the new one, neither undoes the other's.
#[test]
fn calls_of_a_replaced_configuration_are_counted_in_the_window_in_force() {
    let mut world = halves(TEN_SECONDS);
    let old = world.policy.clone();
    world.change_window(WindowPolicy::Calls(count(10)));
    let new = std::mem::replace(&mut world.policy, old);
    world.fail();
    world.policy = new;
    world.fail();
    assert_eq!(world.counts().calls, 2);
}

/// A list of all calls of the period, looked through from the start each time.
struct Model {
    rates: RatePolicy,
    run: Option<u32>,
    calls: Vec<(Timestamp, bool, bool)>,
}

impl Model {
    fn new(policy: &Policy) -> Self {
        let run = policy.trip.consecutive_failures.map(std::num::NonZeroU32::get);
        Self { rates: policy.trip.rates.expect("rates"), run, calls: Vec::new() }
    }

    /// The latest calls.
    fn window(&self, now: Timestamp) -> Vec<(Timestamp, bool, bool)> {
        match self.rates.window {
            WindowPolicy::Calls(size) => {
                let first = self.calls.len().saturating_sub(size.get() as usize);
                self.calls[first..].to_vec()
            }
            WindowPolicy::Time(length) => {
                let bucket = |at: Timestamp| at.as_nanos() / (length.as_nanos() as u64 / 10);
                let inside = |at: &Timestamp| bucket(*at) + 10 > bucket(now);
                self.calls.iter().filter(|(at, ..)| inside(at)).copied().collect()
            }
        }
    }

    /// Adds a call, and tells why the breaker trips, if it does.
    fn call(&mut self, now: Timestamp, failed: bool, slow: bool) -> Option<Reason> {
        self.calls.push((now, failed, slow));
        let run = self.calls.iter().rev().take_while(|(_, failed, _)| *failed).count();
        if failed && self.run.is_some_and(|limit| run >= limit as usize) {
            return Some(Reason::ConsecutiveFailures);
        }
        let window = self.window(now);
        let share = |of: usize| of as f64 * 100_000.0 / window.len() as f64;
        let reached = |rule: Option<Percentage>, of: usize| {
            rule.is_some_and(|rule| share(of) >= f64::from(rule.thousandths()))
        };
        if window.len() < self.rates.minimum_calls.get() as usize {
            return None;
        }
        if reached(self.rates.failures, window.iter().filter(|(_, failed, _)| *failed).count()) {
            return Some(Reason::FailureRate);
        }
        let slow = window.iter().filter(|(.., slow)| *slow).count();
        reached(self.rates.slow, slow).then_some(Reason::SlowCallRate)
    }
}

/// How long until the next call, what becomes of it, and by which worker it is made.
fn history() -> impl Strategy<Value = Vec<(Duration, bool, bool, usize)>> {
    let gap = prop_oneof![
        6 => (0..500_u64).prop_map(Duration::from_millis),
        2 => (0..3_000_u64).prop_map(Duration::from_millis),
        1 => (0..60_u64).prop_map(Duration::from_secs),
        1 => Just(Duration::ZERO),
    ];
    let call = (gap, any::<u8>(), any::<u8>(), 0..4_usize);
    (0..=255_u8, 0..=255_u8, proptest::collection::vec(call, 0..100)).prop_map(
        |(failing, slow, calls)| {
            let call = |(gap, a, b, worker)| (gap, a < failing, b < slow, worker);
            calls.into_iter().map(call).collect()
        },
    )
}

fn policies() -> impl Strategy<Value = Policy> {
    (operations::rates(), proptest::option::of(2..9_u32)).prop_map(|(rates, run)| {
        let mut policy = policy();
        policy.trip.consecutive_failures = run.map(count);
        policy.trip.rates = Some(rates);
        policy
    })
}

/// How often a worker writes down what it has kept to itself.
const TICK: Duration = Duration::from_millis(500);

/// Workers that share a record, each with a tally of its own.
struct Workers {
    breaker: Breaker,
    policy: Policy,
    tallies: Vec<Tally>,
    now: Timestamp,
    ticked: Timestamp,
    /// Writes, by calls that are good.
    writes: u32,
}

impl Workers {
    fn new(policy: &Policy, workers: usize) -> Self {
        let mut breaker = Breaker::new();
        breaker.sync(policy, START.monotonic);
        Self {
            breaker,
            policy: policy.clone(),
            tallies: vec![Tally::new(policy); workers],
            now: START.monotonic,
            ticked: START.monotonic,
            writes: 0,
        }
    }

    /// Time passes, and the workers tick. Returns why one tripped the breaker by that.
    fn advance(&mut self, by: Duration) -> Option<Reason> {
        let end = self.now.after(by);
        while self.ticked.after(TICK) <= end {
            self.ticked = self.ticked.after(TICK);
            self.now = self.ticked;
            for tally in &mut self.tallies {
                if !tally.is_empty() {
                    let _ = self.breaker.merge(&self.policy, tally, at(self.now), 0);
                    let transition = self.breaker.evaluate(&self.policy, at(self.now), 0);
                    *tally = self.breaker.next_tally(tally);
                    if let Some(transition) = transition {
                        return Some(transition.reason);
                    }
                }
            }
        }
        self.now = end;
        None
    }

    fn call(&mut self, worker: usize, failed: bool, slow: bool) -> Option<Reason> {
        let Admission::Admitted(permit) = self.breaker.admit(&self.policy, true, self.now, 0).0
        else {
            return None;
        };
        let outcome = if failed { Outcome::FAILURE } else { Outcome::Success };
        self.settle(worker, permit, Ended { slow, ..outcome.into() })
    }

    fn settle(&mut self, worker: usize, permit: Permit, ended: Ended) -> Option<Reason> {
        let tally = &mut self.tallies[worker];
        let call = permit.end(ended);
        match self.breaker.impact(&self.policy, &call, tally, || self.now) {
            Impact::None => return None,
            Impact::TallyOnly => {
                tally.add(call.permit(), Duration::ZERO, None, self.now);
                return None;
            }
            Impact::Write => {}
        }
        self.writes += u32::from(ended == Outcome::Success.into());
        let _ = self.breaker.merge(&self.policy, tally, at(self.now), 0);
        let settled = self.breaker.settle(&self.policy, &call, at(self.now), 0);
        *tally = self.breaker.next_tally(tally);
        match settled {
            Settled::Counted(transition) => transition.map(|it| it.reason),
            Settled::Late => None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Both windows, all rules.
    #[test]
    fn a_breaker_trips_just_when_a_list_of_all_calls_says_so(
        policy in policies(),
        history in history(),
    ) {
        let mut model = Model::new(&policy);
        let mut workers = Workers::new(&policy, 1);
        for (gap, failed, slow, _) in history {
            prop_assert_eq!(workers.advance(gap), None);
            let expected = model.call(workers.now, failed, slow);
            prop_assert_eq!(workers.call(0, failed, slow), expected);
            if expected.is_some() {
                break;
            }
        }
    }

    /// What may lag are good calls, by as long as a worker keeps them to itself.
    #[test]
    fn only_good_calls_since_the_last_tick_are_missing_from_the_record(
        policy in policies(),
        history in history(),
        workers in 1..=4_usize,
    ) {
        let mut model = Model::new(&policy);
        let mut world = Workers::new(&policy, workers);
        for (gap, failed, slow, worker) in history {
            if world.advance(gap).is_some() || world.call(worker % workers, failed, slow).is_some() {
                break;
            }
            model.call(world.now, failed, slow);
            let WindowPolicy::Time(_) = model.rates.window else { continue };
            let counts = world.breaker.counts(world.now);
            let known = model.window(world.now);
            prop_assert_eq!(counts.failures as usize, known.iter().filter(|it| it.1).count());
            prop_assert_eq!(counts.slow as usize, known.iter().filter(|it| it.2).count());
            let since = |at: &Timestamp| world.now.since(*at) <= TICK;
            let lagging = known.iter().filter(|(at, failed, slow)| since(at) && !failed && !slow);
            prop_assert!(counts.calls as usize <= known.len());
            prop_assert!(counts.calls as usize + lagging.count() >= known.len());
        }
    }
}
