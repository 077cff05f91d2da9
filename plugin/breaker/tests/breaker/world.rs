//! A service's breaker with a clock that the test moves. It lives in its record between any two
//! steps, as it does in a proxy, so that each test goes through the codec as well.

use std::num::NonZeroU32;
use std::time::Duration;

use breaker::{
    Admission, AfterCheck, Breaker, CheckReport, CheckResult, CheckTicket, Command, Counts,
    DivertReason, Ended, HalfOpenPolicy, HealthCheckPolicy, Mode, Now, OpenPolicy, Outcome, Permit,
    Policy, Rate, RetryPolicy, Settled, Settlement, StateName, Status, Tally, Timestamp,
    Transition, TripPolicy, UnderWay, UnixTime, WindowPolicy,
};

/// When every story begins, on either clock.
pub(crate) const START: Now = Now {
    monotonic: Timestamp::from_nanos(1_000_000_000_000),
    wall: UnixTime::from_nanos(1_700_000_000_000_000_000),
};

pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) now: Now,
    /// What spreads the wait of the next trip.
    pub(crate) random: u32,
    /// Every transition so far.
    pub(crate) transitions: Vec<Transition>,
    record: Vec<u8>,
}

impl World {
    /// A closed breaker that trips on the third failure in a row, waits 30 s, then 60 s and so
    /// on up to 5 min without spread, and closes on one successful trial. `adapt` changes that.
    pub(crate) fn new(adapt: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = policy();
        adapt(&mut policy);
        let record = Breaker::new().encode().to_vec();
        Self { policy, now: START, random: 0, transitions: Vec::new(), record }
    }

    /// The same, tripped.
    pub(crate) fn open(adapt: impl FnOnce(&mut Policy)) -> Self {
        let mut world = Self::new(adapt);
        world.trip();
        world
    }

    /// The same, tripped, and its wait is over.
    pub(crate) fn after_the_wait(adapt: impl FnOnce(&mut Policy)) -> Self {
        let mut world = Self::open(adapt);
        let retry_at = world.status().retry_at.unwrap();
        world.now = at(retry_at);
        world
    }

    pub(crate) fn advance(&mut self, seconds: u64) {
        self.advance_by(seconds_of(seconds));
    }

    pub(crate) fn advance_by(&mut self, time: Duration) {
        self.now = at(self.now.monotonic.after(time));
    }

    pub(crate) fn step_back(&mut self, seconds: u64) {
        let nanos = self.now.monotonic.as_nanos() - seconds * 1_000_000_000;
        self.now.monotonic = Timestamp::from_nanos(nanos);
    }

    pub(crate) fn try_call(&mut self) -> Result<Permit, DivertReason> {
        self.try_request(true)
    }

    /// The share of calls that the adaptive rule diverts, in thousandths of a percent.
    pub(crate) fn diverted(&self) -> u32 {
        self.breaker().diverted(&self.policy, self.now.monotonic)
    }

    /// A call whose request is complete, or more of it is to come.
    pub(crate) fn try_request(&mut self, complete: bool) -> Result<Permit, DivertReason> {
        match self.ask_for(complete) {
            Admission::Admitted(permit) => Ok(permit),
            Admission::Diverted(reason) => Err(reason),
            other => panic!("neither admitted nor diverted: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn call(&mut self) -> Permit {
        self.try_call().expect("the call is admitted")
    }

    /// A call that must be a trial.
    #[track_caller]
    pub(crate) fn trial(&mut self) -> Permit {
        let permit = self.call();
        assert!(permit.is_trial());
        permit
    }

    /// A call that must be a trial, and of whose request more is to come.
    #[track_caller]
    pub(crate) fn upload(&mut self) -> Permit {
        let permit = self.try_request(false).expect("the call is admitted");
        assert!(permit.is_trial());
        permit
    }

    /// No request gets a place, unless it is complete.
    #[track_caller]
    pub(crate) fn no_upload(&mut self) {
        let reason = self.try_request(false).expect_err("the call is diverted");
        assert_eq!(reason, DivertReason::HalfOpen);
    }

    /// The request of a call is complete: whether that is written down.
    pub(crate) fn complete(&mut self, permit: &mut Permit) -> bool {
        let now = self.now.monotonic;
        let completed = self.update(|breaker| breaker.complete(permit, now));
        if completed {
            permit.set_complete();
        }
        completed
    }

    #[track_caller]
    pub(crate) fn is_diverted(&mut self, reason: DivertReason) {
        assert_eq!(self.try_call().expect_err("the call is diverted"), reason);
    }

    pub(crate) fn settle(&mut self, permit: Permit, ended: impl Into<Ended>) -> Settled {
        self.settle_again(&permit.end(ended))
    }

    /// Settles a call that may have been settled before.
    pub(crate) fn settle_again(&mut self, call: &Settlement) -> Settled {
        let (policy, now, random) = (self.policy.clone(), self.now, self.random);
        let settled = self.update(|breaker| breaker.settle(&policy, call, now, random));
        if let Settled::Counted(Some(transition)) = settled {
            self.transitions.push(transition);
        }
        settled
    }

    /// Tells of calls that are under way: whether there was anything new.
    pub(crate) fn tell_overdue(&mut self, calls: &mut [UnderWay]) -> bool {
        let (policy, now, random) = (self.policy.clone(), self.now, self.random);
        let (is_new, transition) =
            self.update(|breaker| breaker.tell_overdue(&policy, calls, now, random));
        self.transitions.extend(transition);
        is_new
    }

    /// An old permit, that must not change a bit of the record whatever its outcome.
    #[track_caller]
    pub(crate) fn is_late(&mut self, permit: Permit) {
        self.settles_late(&mut permit.end(Outcome::Success));
    }

    #[track_caller]
    pub(crate) fn settles_late(&mut self, call: &mut Settlement) {
        let declined = Outcome::Declined { retry_after: None };
        let neither = [Outcome::Ignored, declined, Outcome::Aborted];
        for outcome in [Outcome::Success, Outcome::FAILURE].into_iter().chain(neither) {
            let before = self.record.clone();
            call.ended = outcome.into();
            assert_eq!(self.settle_again(call), Settled::Late);
            assert_eq!(self.record, before, "{outcome:?}");
        }
    }

    #[track_caller]
    pub(crate) fn succeed(&mut self) {
        let permit = self.call();
        self.settle(permit, Outcome::Success);
    }

    #[track_caller]
    pub(crate) fn fail(&mut self) {
        let permit = self.call();
        self.settle(permit, Outcome::FAILURE);
    }

    #[track_caller]
    pub(crate) fn fail_slowly(&mut self) {
        let permit = self.call();
        self.settle(permit, Ended { slow: true, ..Outcome::FAILURE.into() });
    }

    /// Succeeds, too late.
    #[track_caller]
    pub(crate) fn succeed_slowly(&mut self) {
        let permit = self.call();
        self.settle(permit, Ended { slow: true, ..Outcome::Success.into() });
    }

    /// Fails until the breaker opens.
    #[track_caller]
    pub(crate) fn trip(&mut self) {
        for _ in 0..100 {
            if self.state() == StateName::Open {
                return;
            }
            self.fail();
        }
        panic!("it does not trip");
    }

    /// Another configuration comes, whose check has this number.
    pub(crate) fn sync(&mut self, settings: u32) {
        let mut policy = self.policy.clone();
        if let Some(check) = &mut policy.health_check {
            check.settings = settings;
        }
        let now = self.now.monotonic;
        self.update(|breaker| breaker.sync(&policy, now));
    }

    /// The configuration whose check has this number acts from now on.
    pub(crate) fn set_check(&mut self, settings: u32) {
        if let Some(check) = &mut self.policy.health_check {
            check.settings = settings;
        }
    }

    /// A call has come on this connection, and found the breaker open.
    pub(crate) fn call_comes_on(&mut self, connection: u64) {
        let (policy, now) = (self.policy.clone(), self.now.monotonic);
        self.update(|breaker| breaker.claim_check(&policy, connection, now));
    }

    /// Another configuration comes, with another window.
    pub(crate) fn change_window(&mut self, window: WindowPolicy) {
        if let Some(rates) = &mut self.policy.trip.rates {
            rates.window = window;
        }
        self.sync(0);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.breaker().counts(self.now.monotonic)
    }

    pub(crate) fn try_check(&mut self) -> Option<CheckTicket> {
        let (policy, now) = (self.policy.clone(), self.now.monotonic);
        self.update(|breaker| breaker.take_check(&policy, now))
    }

    #[track_caller]
    pub(crate) fn check(&mut self) -> CheckTicket {
        self.try_check().expect("a check is due and free")
    }

    pub(crate) fn answer(
        &mut self,
        ticket: CheckTicket,
        result: CheckResult,
    ) -> Option<Transition> {
        self.answer_again(&ticket.end(result))
    }

    /// Writes down a check that may have been written down before, or was not made.
    pub(crate) fn answer_again(&mut self, report: &CheckReport) -> Option<Transition> {
        let (policy, now) = (self.policy.clone(), self.now.monotonic);
        let transition = self.update(|breaker| breaker.finish_check(&policy, report, now));
        self.transitions.extend(transition);
        transition
    }

    #[track_caller]
    pub(crate) fn check_passes(&mut self) -> Option<Transition> {
        let ticket = self.check();
        self.answer(ticket, CheckResult::Healthy)
    }

    #[track_caller]
    pub(crate) fn check_fails(&mut self) -> Option<Transition> {
        let ticket = self.check();
        self.answer(ticket, CheckResult::Unhealthy)
    }

    /// Moves on, at most `limit`, to the moment a check can be taken, and says how long it took.
    #[track_caller]
    pub(crate) fn until_check(&mut self, limit: Duration) -> (Duration, CheckTicket) {
        let start = self.now.monotonic;
        while self.now.monotonic.since(start) <= limit {
            if let Some(ticket) = self.try_check() {
                return (self.now.monotonic.since(start), ticket);
            }
            self.advance_by(Duration::from_millis(100));
        }
        panic!("no check within {limit:?}");
    }

    pub(crate) fn breaker(&self) -> Breaker {
        Breaker::decode(&self.record).expect("a record that was encoded")
    }

    /// A worker writes down the good calls that it has kept to itself.
    pub(crate) fn merge(&mut self, tally: &Tally) -> Tally {
        let (policy, now, random) = (self.policy.clone(), self.now, self.random);
        let (transition, next) = self.update(|breaker| {
            let transition = breaker.merge(&policy, tally, now, random);
            (transition, breaker.next_tally(tally))
        });
        self.transitions.extend(transition);
        next
    }

    /// Asks for a call, whatever the mode makes of it.
    pub(crate) fn ask(&mut self) -> Admission {
        self.ask_for(true)
    }

    fn ask_for(&mut self, complete: bool) -> Admission {
        let (policy, now, random) = (self.policy.clone(), self.now.monotonic, self.random);
        let (admission, transition) =
            self.update(|breaker| breaker.admit(&policy, complete, now, random));
        self.transitions.extend(transition);
        admission
    }

    pub(crate) fn command(&mut self, command: Command) -> Option<Transition> {
        let policy = self.policy.clone();
        let transition = self.update(|breaker| breaker.apply(&policy, command));
        self.transitions.extend(transition);
        transition
    }

    /// Somebody overwrites the record.
    pub(crate) fn put(&mut self, breaker: &Breaker) {
        self.record = breaker.encode().to_vec();
    }

    pub(crate) fn record(&self) -> Vec<u8> {
        self.record.clone()
    }

    pub(crate) fn status(&self) -> Status {
        self.breaker().status(self.policy.mode)
    }

    pub(crate) fn state(&self) -> StateName {
        self.breaker().state()
    }

    #[track_caller]
    fn update<R>(&mut self, change: impl FnOnce(&mut Breaker) -> R) -> R {
        let mut breaker = self.breaker();
        let result = change(&mut breaker);
        self.record = breaker.encode().to_vec();
        assert_eq!(self.breaker(), breaker, "the record holds all there is");
        result
    }
}

/// A moment of the monotonic clock, with the wall clock that goes with it.
pub(crate) fn at(monotonic: Timestamp) -> Now {
    Now { monotonic, wall: START.wall_time_of(monotonic) }
}

pub(crate) fn policy() -> Policy {
    Policy {
        mode: Mode::Enabled,
        trip: TripPolicy { consecutive_failures: Some(count(3)), ..TripPolicy::default() },
        open: OpenPolicy {
            wait: seconds_of(30),
            backoff_rate: Rate::from_thousandths(2_000),
            max_wait: seconds_of(300),
            jitter_percent: 0,
            honor_retry_after: true,
            on_retry_after: false,
        },
        half_open: HalfOpenPolicy {
            permitted_calls: count(1),
            success_threshold: count(1),
            failure_threshold: count(1),
            max_wait: seconds_of(30),
            ramp: Duration::ZERO,
        },
        health_check: None,
    }
}

/// A check every 5 s, for at most 1 s, that closes at once when it passes and is not retried.
pub(crate) fn health_check() -> HealthCheckPolicy {
    HealthCheckPolicy {
        settings: 0,
        interval: seconds_of(5),
        timeout: seconds_of(1),
        healthy_threshold: count(1),
        then: AfterCheck::Close,
        retry: None,
    }
}

/// Three more attempts, after 2, 4 and 8 s.
pub(crate) fn retry() -> RetryPolicy {
    RetryPolicy {
        num_retries: 3,
        interval: seconds_of(2),
        backoff_rate: Rate::from_thousandths(2_000),
    }
}

pub(crate) const fn count(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).expect("a count of at least one")
}

pub(crate) const fn seconds_of(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
