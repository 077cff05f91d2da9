//! The state machine: admit, settle, check.

use core::time::Duration;

use crate::backoff;
use crate::check::{Check, CheckResult, CheckTicket};
use crate::mode::{Clean, Mode};
use crate::outcome::{Ended, Outcome};
use crate::permit::{Generation, Permit};
use crate::policy::{AfterCheck, Percentage, Policy, RatePolicy, WindowPolicy};
use crate::reason::{DivertReason, Reason};
use crate::state::{Closed, HalfOpen, Open, State};
use crate::state_name::StateName;
use crate::tally::Tally;
use crate::time::{Now, Timestamp, UnixTime};
use crate::transition::Transition;
use crate::trials::Trials;
use crate::window::{Counts, Window};

/// The circuit breaker of one service. See the [crate's contract](crate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    pub(crate) generation: Generation,
    pub(crate) state: State,
    pub(crate) last_failure: Option<UnixTime>,
    pub(crate) last_success: Option<UnixTime>,
    /// By which settings the health check is made, over all states; zero: none was named yet.
    pub(crate) check_settings: u32,
    /// How the latest calls are kept while it is closed, over all states; `None`: no policy that
    /// has come so far asks for them.
    pub(crate) window: Option<WindowPolicy>,
    /// The mode that an operator has set, over all states; `None`: the configured one.
    pub(crate) mode: Option<Mode>,
}

/// Whether a call may be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may, and its outcome is to be settled.
    Admitted(Permit),
    /// It may not.
    Diverted(DivertReason),
    /// It may, though it would not if the breaker were [enabled](Mode::Enabled). Settling it
    /// changes nothing.
    Excused(DivertReason, Permit),
    /// It may, and is none of the breaker's business.
    Unguarded,
}

/// What settling a call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The outcome counted, and may have moved the breaker to another state.
    Counted(Option<Transition>),
    /// The period that admitted the call is over, or its place was given back: nothing changed.
    Late,
}

/// What there is to show of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state, as the mode in force has it shown.
    pub state: StateName,
    /// The mode in force.
    pub mode: Mode,
    /// The period.
    pub generation: Generation,
    /// Failures since the last success.
    pub failures: u32,
    /// Why it is not closed.
    pub trip_reason: Option<Reason>,
    /// Since when it is not closed.
    pub opened_at: Option<Timestamp>,
    /// When an open breaker may leave that state at the earliest, and a half-open one that waits
    /// with the next trial makes it.
    pub retry_at: Option<Timestamp>,
    /// Trials in flight, and places that complete requests have to themselves.
    pub trials_in_flight: u32,
    /// When a call last failed.
    pub last_failure: Option<UnixTime>,
    /// When a call last succeeded.
    pub last_success: Option<UnixTime>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// A closed breaker that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            generation: Generation::FIRST,
            state: State::Closed(Closed {
                failures: 0,
                trips: 0,
                remarkable: 0,
                window: Window::None,
                ramp_began: Timestamp::from_nanos(0),
                check_due: Timestamp::from_nanos(0),
            }),
            last_failure: None,
            last_success: None,
            check_settings: 0,
            window: None,
            mode: None,
        }
    }

    /// Admits a call without a look at the clock, which a closed breaker does not need, unless it has
    /// just closed. `None`: ask [`admit`](Self::admit).
    #[must_use]
    pub fn admit_closed(&self, policy: &Policy) -> Option<Admission> {
        let mode = self.mode(policy.mode);
        match &self.state {
            State::Closed(closed) if !closed.is_ramping() => {
                Some(mode.applied(Admission::Admitted(Permit::closed(self.generation))))
            }
            _ => (!mode.decides()).then(|| mode.applied(Admission::Unguarded)),
        }
    }

    /// What to do with a call where [`admit`](Self::admit) needs a write that cannot be had: who
    /// could not take a trial's place has none, since a trial too many is worse than a diverted
    /// call.
    #[must_use]
    pub fn admit_unwritten(&self, policy: &Policy) -> Admission {
        self.admit_closed(policy).unwrap_or_else(|| {
            self.mode(policy.mode).applied(Admission::Diverted(match &self.state {
                State::Closed(_) => DivertReason::Ramp,
                State::Open(_) => DivertReason::Open,
                State::HalfOpen(_) => DivertReason::HalfOpen,
            }))
        })
    }

    /// That it is closed and has nothing to forget, or is disabled: as long as it is so, each call
    /// may be made with [its permit](Clean::permit), and of a success no more need be written
    /// down than a [`Tally`] keeps. `None` as well if a success might trip it, which happens when it
    /// makes the calls enough for a rate, or when the good calls before it have slid out.
    #[must_use]
    pub fn clean(&self, policy: &Policy) -> Option<Clean> {
        let mode = self.mode(policy.mode);
        let clean = match mode {
            Mode::Disabled => true,
            Mode::Enabled | Mode::MetricsOnly => self.is_clean(policy),
            Mode::ForcedOpen => false,
        };
        clean.then_some(Clean { generation: self.generation, mode })
    }

    /// Whether it is closed and has nothing to forget.
    pub(crate) fn is_clean(&self, policy: &Policy) -> bool {
        match &self.state {
            State::Closed(closed) => {
                closed.is_clean() && !closed.is_ramping() && !is_loaded(closed, policy)
            }
            _ => false,
        }
    }

    /// Whether settling this call would change nothing, or nothing but the [`Tally`] that its
    /// worker keeps: it is to be [added](Tally::add) there if it was a success.
    #[must_use]
    pub fn is_unmoved_by(
        &self,
        policy: &Policy,
        permit: &Permit,
        ended: impl Into<Ended>,
        tally: &Tally,
    ) -> bool {
        let ended = ended.into();
        let late = permit.generation != self.generation;
        late || match (&self.state, ended.outcome) {
            (State::Closed(closed), Outcome::Success) => {
                closed.is_clean()
                    && !ended.slow
                    && !is_loaded(closed, policy)
                    && !self.has_news_for(tally)
            }
            (State::Closed(_), Outcome::Ignored | Outcome::Declined { .. } | Outcome::Aborted) => {
                true
            }
            _ => false,
        }
    }

    /// Whether there are failures or slow calls that this worker has not seen. Then it is time to
    /// write down the good calls that it has kept to itself, so that the share of the others is not
    /// taken for larger than it is.
    #[must_use]
    pub fn has_news_for(&self, tally: &Tally) -> bool {
        !tally.knows(self.generation, self.remarkable())
    }

    /// Cuts short what would last longer than this policy lets anything last. Such times come from
    /// before the clock stepped back, from other settings, or from nobody: whatever a record says,
    /// what waits for it waits for no longer. Until it is stored, the longest wait begins anew with
    /// each look, so whoever looks stores it.
    pub fn bound(&mut self, policy: &Policy, now: Timestamp) {
        match &mut self.state {
            State::Closed(closed) => closed.bound(now),
            State::Open(open) => {
                let max_wait = policy.open.max_wait;
                open.opened_at = open.opened_at.min(now);
                open.retry_at = open.retry_at.min(now.after(max_wait));
                if let Some(health_check) = &policy.health_check {
                    match self.check_settings == health_check.settings {
                        true => open.check.bound(health_check, max_wait, now),
                        false => open.check.bound_of_others(health_check, max_wait, now),
                    }
                }
            }
            State::HalfOpen(half_open) => half_open.bound(&policy.half_open, now),
        }
    }

    /// Admits or diverts a call. The wait of an open breaker without a health check ends here:
    /// the first call after it is the first trial. `complete` says that there is no more of its
    /// request to come: a trial whose request is not is to [say when it is](Self::complete), or it
    /// loses its place within a second. `random` is uniform and tells which calls are diverted while
    /// the service gets its traffic back.
    pub fn admit(
        &mut self,
        policy: &Policy,
        complete: bool,
        now: Timestamp,
        random: u32,
    ) -> (Admission, Option<Transition>) {
        let mode = self.mode(policy.mode);
        if !mode.decides() {
            return (mode.applied(Admission::Unguarded), None);
        }
        let transition = self.leave_if_over(policy, now);
        let generation = self.generation;
        let admission = match &mut self.state {
            State::Closed(closed) => match closed.ramp(policy.half_open.ramp, now, random) {
                true => Admission::Admitted(Permit { generation, place: None }),
                false => Admission::Diverted(DivertReason::Ramp),
            },
            State::Open(_) => Admission::Diverted(DivertReason::Open),
            State::HalfOpen(half_open) => match half_open.take(&policy.half_open, complete, now) {
                Some(place) => Admission::Admitted(Permit { generation, place: Some(place) }),
                None => Admission::Diverted(DivertReason::HalfOpen),
            },
        };
        (mode.applied(admission), transition)
    }

    /// Writes down that the request of a trial is complete, and gives the permit that it has from
    /// then on. `None`: there is nothing to write. It is no trial of this period, or it was too
    /// slow, and its place is another's by now: the permit that it has is late.
    pub fn complete(&mut self, permit: &Permit, now: Timestamp) -> Option<Permit> {
        match &mut self.state {
            State::HalfOpen(half_open) if permit.generation == self.generation => {
                let place = half_open.trials.complete(permit.place?, now)?;
                Some(Permit { place: Some(place), ..*permit })
            }
            _ => None,
        }
    }

    /// Writes down what became of a call. `random` is uniform and spreads the wait of a trip.
    pub fn settle(
        &mut self,
        policy: &Policy,
        permit: Permit,
        ended: impl Into<Ended>,
        now: Now,
        random: u32,
    ) -> Settlement {
        let Ended { outcome, slow } = ended.into();
        if permit.generation != self.generation {
            return Settlement::Late;
        }
        if let State::HalfOpen(half_open) = &mut self.state {
            let given_back =
                permit.place.is_some_and(|place| half_open.trials.give_back(place, now.monotonic));
            if !given_back {
                return Settlement::Late;
            }
        }
        let transition = match outcome {
            Outcome::Success => self.succeed(policy, slow, now, random),
            Outcome::Failure { retry_after } => self.fail(policy, slow, retry_after, now, random),
            Outcome::Declined { retry_after } => {
                self.decline(policy, retry_after, now.monotonic);
                None
            }
            Outcome::Ignored | Outcome::Aborted => None,
        };
        Settlement::Counted(transition)
    }

    /// Takes in the good calls that a worker has kept to itself. Once this breaker is stored, the
    /// tally is to be [begun anew](Tally::begin).
    pub fn credit(&mut self, policy: &Policy, tally: &Tally, now: Timestamp) {
        self.ensure_window(policy);
        if let State::Closed(closed) = &mut self.state
            && tally.generation == self.generation
        {
            for (end, counts) in tally.calls.by_time() {
                if counts != Counts::NONE {
                    closed.window.add(counts, end.min(now), now);
                }
            }
        }
    }

    /// Opens a closed breaker if a rate has been reached: calls that were
    /// [taken in](Self::credit) may have made them enough.
    pub fn review(&mut self, policy: &Policy, now: Now, random: u32) -> Option<Transition> {
        let reason = self.rate_to_trip_on(policy, now)?;
        Some(self.trip(policy, reason, None, now, random))
    }

    /// Puts in force what a policy wants kept or asked in a way that it shares with all others of
    /// its service: its window of calls, and its health check.
    ///
    /// Calls that are in the window already are kept as far as they fit. The check of a policy
    /// which is still at work elsewhere, as that of a replaced configuration may be, is not made
    /// from now on; unless a call of it trips this breaker, or the one in force is abandoned. A
    /// policy without a window or a check puts none out of force: it may be that of a listener
    /// which only shows what there is.
    pub fn adopt(&mut self, policy: &Policy, now: Timestamp) {
        self.adopt_window(policy);
        self.adopt_check(policy, now);
    }

    fn adopt_window(&mut self, policy: &Policy) {
        let wanted = policy.trip.rates.map(|rates| rates.window.bounded());
        if wanted.is_none() || wanted == self.window {
            return;
        }
        self.window = wanted;
        if let State::Closed(closed) = &mut self.state {
            closed.window = closed.window.refitted(wanted);
        }
    }

    /// Gives a record that has no window the one that this policy wants: a breaker that was
    /// started over has none.
    fn ensure_window(&mut self, policy: &Policy) {
        if self.window.is_none() {
            self.adopt_window(policy);
        }
    }

    fn adopt_check(&mut self, policy: &Policy, now: Timestamp) {
        let Some(check) = &policy.health_check else {
            return;
        };
        if check.settings == self.check_settings {
            return;
        }
        self.bound(policy, now);
        self.check_settings = check.settings;
        if let State::Open(open) = &mut self.state {
            open.check.start_over(open.retry_at.max(now));
        }
    }

    /// Whether the check in force is that of another policy than this one, by which calls come as
    /// well: then it is to be [told](Self::claim_check) on which connection.
    #[must_use]
    pub fn is_checked_by_others(&self, policy: &Policy) -> bool {
        let settings = policy.health_check.as_ref().map(|check| check.settings);
        let others = settings.is_some_and(|own| own != self.check_settings);
        others && self.check_settings != 0 && self.state() == StateName::Open
    }

    /// A call has tripped this breaker, or found it open, that came on this connection; later ones
    /// have higher numbers. It puts the check of its policy in force, unless a later connection has
    /// shown that another configuration is at work.
    ///
    /// A configuration that is put back before those which had replaced it are gone may not be told
    /// so, since nothing of it had ended: its next call is all that there is to know it by. Those of
    /// a replaced one go on for a while, but on connections from before.
    pub fn claim_check(&mut self, policy: &Policy, connection: u64, now: Timestamp) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let Some(check) = policy.health_check.as_ref().filter(|_| connection >= open.connection)
        else {
            return;
        };
        if check.settings != self.check_settings {
            if !open.check.is_at_rest(now) {
                return;
            }
            self.check_settings = check.settings;
            open.check.pass_on(check, open.retry_at, now);
        }
        open.connection = connection;
    }

    /// Takes the lease on the next health check, if this breaker is open, has one, and it is due.
    /// None is where an operator has decided what becomes of the calls.
    pub fn take_check(&mut self, policy: &Policy, now: Timestamp) -> Option<CheckTicket> {
        if !self.mode(policy.mode).decides() {
            return None;
        }
        let health_check = policy.health_check.as_ref()?;
        if self.check_settings == 0 {
            // Nobody's, so there is nobody to leave it to.
            self.adopt_check(policy, now);
        }
        self.bound(policy, now);
        let State::Open(open) = &mut self.state else {
            return None;
        };
        if self.check_settings != health_check.settings {
            if !open.check.is_abandoned(health_check, now) {
                return None;
            }
            self.check_settings = health_check.settings;
            open.check.start_over(now);
        }
        let turn = open.check.take(health_check, now)?;
        Some(CheckTicket { generation: self.generation, turn })
    }

    /// Writes down what a health check said. One that was not asked for, or whose lease another
    /// has taken since, changes nothing.
    pub fn finish_check(
        &mut self,
        policy: &Policy,
        ticket: CheckTicket,
        result: CheckResult,
        now: Timestamp,
    ) -> Option<Transition> {
        let health_check = policy.health_check.as_ref()?;
        let State::Open(open) = &mut self.state else {
            return None;
        };
        let held = ticket.holds(self.generation, &open.check);
        if !held || !open.check.finish(health_check, result, now) {
            return None;
        }
        let (open, due) = (open.clone(), open.check.due);
        Some(match health_check.then {
            AfterCheck::Close => self.close(policy, open.trips, due, Reason::HealthCheck, now),
            AfterCheck::HalfOpen => self.half_open(open, due, Reason::HealthCheck),
        })
    }

    /// Writes down that a health check could not be made, since there is nobody to ask: it says nothing.
    /// It is tried again after an interval. An open breaker returns all the same: once it has been
    /// open for the longest wait, trials decide.
    pub fn skip_check(
        &mut self,
        policy: &Policy,
        ticket: CheckTicket,
        now: Timestamp,
    ) -> Option<Transition> {
        let health_check = policy.health_check.as_ref()?;
        let State::Open(open) = &mut self.state else {
            return None;
        };
        if !ticket.holds(self.generation, &open.check) {
            return None;
        }
        open.check.skip(health_check, now);
        let longest = open.opened_at.after(policy.open.max_wait);
        if now < longest {
            open.check.due = open.check.due.min(longest);
            return None;
        }
        let (open, due) = (open.clone(), open.check.due);
        Some(self.half_open(open, due, Reason::WaitElapsed))
    }

    /// Writes down when a call last succeeded, which admission and settling leave out so that a
    /// healthy service costs no write. An earlier time than the one known changes nothing.
    pub fn note_success(&mut self, at: UnixTime) {
        if self.last_success.is_none_or(|known| known.as_nanos() < at.as_nanos()) {
            self.last_success = Some(at);
        }
    }

    /// The state that its calls have brought about, whatever its mode makes of it.
    #[must_use]
    pub const fn state(&self) -> StateName {
        self.state.name()
    }

    /// The latest calls, as far as a rule of a policy asks for them and they are written down.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> Counts {
        match &self.state {
            State::Closed(closed) => closed.window.counts(now),
            _ => Counts::NONE,
        }
    }

    /// Calls of the period that failed or were slow, as far as they are counted.
    pub(crate) const fn remarkable(&self) -> u32 {
        match &self.state {
            State::Closed(closed) => closed.remarkable,
            _ => 0,
        }
    }

    /// What there is to show.
    #[must_use]
    pub fn status(&self, configured: Mode) -> Status {
        let (trip_reason, opened_at, retry_at, trials_in_flight) = match &self.state {
            State::Closed(_) => (None, None, None, 0),
            State::Open(open) => (Some(open.reason), Some(open.opened_at), Some(open.retry_at), 0),
            State::HalfOpen(half_open) => (
                Some(half_open.reason),
                Some(half_open.opened_at),
                (half_open.retry_at != Timestamp::default()).then_some(half_open.retry_at),
                half_open.trials.in_flight(),
            ),
        };
        Status {
            state: self.shown_state(configured),
            mode: self.mode(configured),
            generation: self.generation,
            failures: self.state.failures(),
            trip_reason,
            opened_at,
            retry_at,
            trials_in_flight,
            last_failure: self.last_failure,
            last_success: self.last_success,
        }
    }

    /// Leaves a state that only a call finds to be over.
    fn leave_if_over(&mut self, policy: &Policy, now: Timestamp) -> Option<Transition> {
        self.bound(policy, now);
        match &mut self.state {
            State::Open(open) => {
                if policy.health_check.is_some() || now < open.retry_at {
                    return None;
                }
                let open = open.clone();
                Some(self.half_open(open, Timestamp::default(), Reason::WaitElapsed))
            }
            // The policy changed, and there may be no place left for a trial that would close.
            State::HalfOpen(half_open) if half_open.trials.suffice(&policy.half_open) => {
                let (trips, due) = (half_open.trips, half_open.check_due);
                Some(self.close_after_trials(policy, trips, due, now))
            }
            _ => None,
        }
    }

    fn succeed(
        &mut self,
        policy: &Policy,
        slow: bool,
        now: Now,
        random: u32,
    ) -> Option<Transition> {
        self.note_success(now.wall);
        self.ensure_window(policy);
        match &mut self.state {
            State::Closed(closed) => {
                closed.failures = 0;
                // What succeeds while it is spared says less.
                if !closed.is_ramping() {
                    closed.trips = 0;
                }
                closed.count(Counts::one(false, slow), now.monotonic);
                self.review(policy, now, random)
            }
            // What is too slow for a closed breaker is too slow to close one.
            State::HalfOpen(_) if slow => {
                Some(self.trip(policy, Reason::TrialFailed, None, now, random))
            }
            State::HalfOpen(half_open) => {
                half_open.trials.successes = half_open.trials.successes.saturating_add(1);
                let (trips, due) = (half_open.trips, half_open.check_due);
                let enough = half_open.trials.suffice(&policy.half_open);
                enough.then(|| self.close_after_trials(policy, trips, due, now.monotonic))
            }
            State::Open(_) => None,
        }
    }

    fn fail(
        &mut self,
        policy: &Policy,
        slow: bool,
        retry_after: Option<Duration>,
        now: Now,
        random: u32,
    ) -> Option<Transition> {
        self.last_failure = Some(now.wall);
        self.ensure_window(policy);
        match &mut self.state {
            State::Closed(closed) => {
                closed.failures = closed.failures.saturating_add(1);
                closed.count(Counts::one(true, slow), now.monotonic);
                let limit = policy.trip.consecutive_failures;
                let reason = match limit.is_some_and(|limit| closed.failures >= limit.get()) {
                    true => Reason::ConsecutiveFailures,
                    false => self.rate_to_trip_on(policy, now)?,
                };
                Some(self.trip(policy, reason, retry_after, now, random))
            }
            State::HalfOpen(half_open) => {
                half_open.failures = half_open.failures.saturating_add(1);
                Some(self.trip(policy, Reason::TrialFailed, retry_after, now, random))
            }
            State::Open(_) => None,
        }
    }

    /// A trial was answered, and it is as open as before whether the service is well.
    fn decline(&mut self, policy: &Policy, retry_after: Option<Duration>, now: Timestamp) {
        if let State::HalfOpen(half_open) = &mut self.state {
            // No time at all, or a date that has passed, would have it asked as fast as calls come.
            let honored = |asked: &Duration| policy.open.honor_retry_after && !asked.is_zero();
            let asked = retry_after.filter(honored);
            let wait = asked.unwrap_or_else(|| policy.pause());
            half_open.pause(wait.min(policy.half_open.max_wait), now);
        }
    }

    /// The first rate that has been reached, if any has.
    fn rate_to_trip_on(&self, policy: &Policy, now: Now) -> Option<Reason> {
        match &self.state {
            State::Closed(closed) => {
                policy.trip.rates?.reason_to_trip(closed.window.counts(now.monotonic))
            }
            _ => None,
        }
    }

    /// Opens the breaker. From then on the check is made by this policy.
    fn trip(
        &mut self,
        policy: &Policy,
        reason: Reason,
        retry_after: Option<Duration>,
        now: Now,
        random: u32,
    ) -> Transition {
        let (failures, trips) = (self.state.failures(), self.state.trips().saturating_add(1));
        let interval = policy.health_check.as_ref().map_or(Duration::ZERO, |check| check.interval);
        let wait = backoff::open_wait(&policy.open, interval, trips, retry_after, random);
        // The interval holds over all states: what fails and succeeds in turn ends each row of trips.
        let left = self.state.check_due().since(now.monotonic).min(interval);
        let retry_at = now.monotonic.after(wait.max(left.min(policy.open.max_wait)));
        if let Some(check) = &policy.health_check {
            self.check_settings = check.settings;
        }
        let (opened_at, check) = (now.monotonic, Check::due_at(retry_at));
        let open = Open { failures, trips, reason, opened_at, retry_at, check, connection: 0 };
        let calls = self.counts(now.monotonic);
        Transition { calls, ..self.enter(State::Open(open), reason) }
    }

    fn half_open(&mut self, open: Open, check_due: Timestamp, reason: Reason) -> Transition {
        self.enter(
            State::HalfOpen(HalfOpen {
                failures: open.failures,
                trips: open.trips,
                reason: open.reason,
                opened_at: open.opened_at,
                retry_at: Timestamp::default(),
                check_due,
                trials: Trials::NONE,
            }),
            reason,
        )
    }

    /// Trials that succeeded end a row of trips, unless there is a ramp, which does.
    fn close_after_trials(
        &mut self,
        policy: &Policy,
        trips: u32,
        check_due: Timestamp,
        now: Timestamp,
    ) -> Transition {
        let trips = if policy.half_open.ramp.is_zero() { 0 } else { trips };
        self.close(policy, trips, check_due, Reason::TrialsSucceeded, now)
    }

    fn close(
        &mut self,
        policy: &Policy,
        trips: u32,
        check_due: Timestamp,
        reason: Reason,
        now: Timestamp,
    ) -> Transition {
        let window = Window::new(self.window);
        let ramp_began = if policy.half_open.ramp.is_zero() { Timestamp::default() } else { now };
        let closed = Closed { failures: 0, trips, remarkable: 0, window, ramp_began, check_due };
        self.enter(State::Closed(closed), reason)
    }

    fn enter(&mut self, state: State, reason: Reason) -> Transition {
        let from = self.state.name();
        self.generation = self.generation.next();
        self.state = state;
        Transition {
            from,
            to: self.state.name(),
            reason,
            failures: self.state.failures(),
            calls: Counts::NONE,
            generation: self.generation,
        }
    }
}

impl RatePolicy {
    /// Which share of these calls is too large, if any.
    fn reason_to_trip(&self, counts: Counts) -> Option<Reason> {
        if counts.calls < self.minimum_calls.get() {
            return None;
        }
        let reached = |share: Option<Percentage>, part| {
            share.is_some_and(|share| share.is_reached_by(part, counts.calls))
        };
        if reached(self.failures, counts.failures) {
            return Some(Reason::FailureRate);
        }
        reached(self.slow, counts.slow).then_some(Reason::SlowCallRate)
    }
}

/// Whether good calls may trip this breaker.
fn is_loaded(closed: &Closed, policy: &Policy) -> bool {
    let Some(rates) = policy.trip.rates else {
        return false;
    };
    closed.window.any_remainder(|left| {
        let calls = left.calls.saturating_add(1).max(rates.minimum_calls.get());
        rates.reason_to_trip(Counts { calls, ..left }).is_some()
    })
}
