//! What holds in every story, however workers, callers and the operator interleave. Each property
//! is checked after each step against a model that is too simple to be wrong.

use std::time::Duration;

use breaker::{
    AfterCheck, CheckResult, DivertReason, Impact, Outcome, Policy, Reason, Settled, StateName,
    Timestamp,
};
use proptest::prelude::*;

use crate::operations::{
    Event, LONG_ENOUGH, Operation, SECOND, Seen, Step, Story, deadline, deadline_to_complete,
    operations, operations_on_any_clock, operations_to_the_end_of_time, policy,
};
use crate::world::at;

type Verdict = Result<(), TestCaseError>;

fn in_each_step(
    policy: Policy,
    operations: Vec<Operation>,
    mut check: impl FnMut(&Step) -> Verdict,
) -> Result<Story, TestCaseError> {
    let mut story = Story::new(policy);
    for operation in operations {
        check(&story.play(operation))?;
    }
    Ok(story)
}

proptest! {
    /// Row 1.
    #[test]
    fn each_transition_begins_the_next_generation_and_nothing_else_does(
        policy in policy(),
        operations in operations_on_any_clock(),
    ) {
        in_each_step(policy, operations, |step| {
            let (before, after) = (step.status_before(), step.status());
            let Some(transition) = step.transition else {
                prop_assert_eq!(after.state, before.state);
                prop_assert_eq!(after.generation, before.generation);
                return Ok(());
            };
            prop_assert_eq!((transition.from, transition.to), (before.state, after.state));
            prop_assert_ne!(transition.from, transition.to);
            prop_assert_eq!(transition.generation, after.generation);
            prop_assert_eq!(after.generation.number(), before.generation.number() + 1);
            Ok(())
        })?;
    }

    /// Rows 1, 2, 12.
    #[test]
    fn a_permit_of_an_older_generation_changes_no_bit_of_the_record(
        policy in policy(),
        operations in operations_on_any_clock(),
    ) {
        in_each_step(policy, operations, |step| {
            if let Event::Settled { permit, settled, impact, .. } = &step.event
                && permit.generation != step.generation_before()
            {
                prop_assert_eq!(*settled, Settled::Late);
                prop_assert_eq!(*impact, Impact::None);
                let [before, after] = step.records();
                prop_assert_eq!(before, after);
            }
            if let Event::Completed { by: None, .. } = &step.event {
                let [before, after] = step.records();
                prop_assert_eq!(before, after);
            }
            Ok(())
        })?;
    }

    /// Rows 2, 3, 4: at most as many as are permitted, and no fewer either.
    #[test]
    fn trials_in_flight_and_successes_together_are_at_most_those_permitted(
        policy in policy(),
        operations in operations_to_the_end_of_time(),
    ) {
        let mut trials = Trials::default();
        in_each_step(policy, operations, |step| trials.check(step))?;
    }

    /// Rows 11, 15, and each case of a closed breaker in which no clock is read.
    #[test]
    fn an_outcome_that_is_said_to_change_nothing_changes_nothing(
        policy in policy(),
        operations in operations_on_any_clock(),
    ) {
        in_each_step(policy, operations, |step| {
            if let Event::Settled { impact: Impact::None | Impact::TallyOnly, .. } = step.event {
                prop_assert_eq!(step.transition, None);
                // That it succeeded may be noted later, and be counted in a tally until then.
                let [mut before, mut after] = [step.before.clone(), step.after.clone()];
                before.note_success(breaker::UnixTime::from_nanos(u64::MAX));
                after.note_success(breaker::UnixTime::from_nanos(u64::MAX));
                prop_assert_eq!(before.status(step.policy.mode), after.status(step.policy.mode));
                let [record, _] = step.records();
                if step.policy.trip.rates.is_none() && record[88..96] == [0; 8] {
                    prop_assert_eq!(before, after);
                }
            }
            Ok(())
        })?;
    }

    /// Rows 13, 19: without a health check the wait decides, with one only the check.
    #[test]
    fn an_open_breaker_lets_nothing_pass_before_the_wait_or_the_check_is_over(
        policy in policy(),
        operations in operations_to_the_end_of_time(),
    ) {
        in_each_step(policy, operations, |step| {
            let before = step.status_before();
            if before.state != StateName::Open {
                return Ok(());
            }
            let policy = &step.policy;
            let wait_is_over = before.retry_at.is_some_and(|at| {
                step.now >= at.min(step.now.after(policy.open.max_wait))
            });
            match (&step.event, step.transition, &policy.health_check) {
                (Event::Admitted { permit, .. }, Some(left), None) => {
                    prop_assert!(wait_is_over && permit.is_trial);
                    prop_assert_eq!(left.reason, Reason::WaitElapsed);
                }
                (Event::Checked(_, CheckResult::Healthy), Some(left), Some(health_check)) => {
                    prop_assert!(wait_is_over);
                    let to = match health_check.then {
                        AfterCheck::Close => StateName::Closed,
                        AfterCheck::HalfOpen => StateName::HalfOpen,
                    };
                    prop_assert_eq!((left.to, left.reason), (to, Reason::HealthCheck));
                }
                (Event::Diverted { reason: DivertReason::Open, .. }, None, health_check) => {
                    prop_assert!(health_check.is_some() || !wait_is_over);
                }
                (_, None, _) => {
                    let admitted = matches!(step.event, Event::Admitted { .. });
                    prop_assert!(!admitted);
                }
                (event, transition, _) => prop_assert!(false, "{event:?}: {transition:?}"),
            }
            Ok(())
        })?;
    }

    /// Rows 5, 6, 7, 9, 11, 15: a list of the present period's outcomes is all there is to know.
    #[test]
    fn a_closed_breaker_trips_on_a_run_just_when_the_list_of_outcomes_says_so(
        policy in policy(),
        operations in operations_on_any_clock(),
    ) {
        let mut outcomes = Vec::new();
        in_each_step(policy, operations, |step| {
            let closed = step.status_before().state == StateName::Closed;
            if let Event::Settled { ended, settled: Settled::Counted(_), .. } = step.event
                && closed
            {
                outcomes.push(ended.outcome);
                let failed = matches!(ended.outcome, Outcome::Failure { .. });
                let limit = step.policy.trip.consecutive_failures;
                let trips = failed && limit.is_some_and(|limit| run_of(&outcomes) >= limit.get());
                let tripped = step.transition.is_some_and(|to| to.reason == Reason::ConsecutiveFailures);
                prop_assert_eq!(tripped, trips);
            }
            if closed {
                prop_assert_eq!(step.status().failures, run_of(&outcomes));
            }
            if step.transition.is_some() {
                outcomes.clear();
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_health_check_has_one_holder_at_a_time_and_only_its_result_counts(
        policy in policy(),
        operations in operations_to_the_end_of_time(),
    ) {
        let mut lease = CheckLease::default();
        in_each_step(policy, operations, |step| lease.check(step))?;
    }

    #[test]
    fn who_looks_for_a_check_before_its_time_changes_nothing_and_at_its_time_takes_it(
        policy in policy(),
        operations in operations_to_the_end_of_time(),
    ) {
        in_each_step(policy, operations, |step| {
            let mut bounded = step.after.clone();
            bounded.bound(&step.policy, step.now);
            let next = bounded.next_check(&step.policy);
            let before = next.map_or(u64::MAX, |next| next.as_nanos().saturating_sub(1));
            let mut looked = bounded.clone();
            if before >= step.now.as_nanos() {
                let before = Timestamp::from_nanos(before);
                prop_assert_eq!(looked.take_check(&step.policy, before), None);
                prop_assert_eq!(&looked, &bounded);
            }
            if let Some(next) = next {
                let taken = looked.take_check(&step.policy, next.max(step.now));
                // Nobody's check is put in force first.
                prop_assert!(taken.is_some() || looked != bounded);
            }
            Ok(())
        })?;
    }

    /// Row 13.
    #[test]
    fn every_wait_that_begins_is_at_most_the_longest(
        policy in policy(),
        operations in operations_on_any_clock(),
    ) {
        in_each_step(policy, operations, |step| {
            let after = step.status();
            if step.transition.is_some()
                && let (Some(opened_at), Some(retry_at)) = (after.opened_at, after.retry_at)
            {
                prop_assert_eq!(opened_at, step.now);
                prop_assert!(retry_at.since(opened_at) <= step.policy.open.max_wait);
            }
            Ok(())
        })?;
    }

    /// Row 3: whatever happened, was lost or was changed.
    #[test]
    fn a_service_that_is_well_again_gets_its_traffic_back(
        policy in policy(),
        operations in operations(),
        complete in any::<bool>(),
    ) {
        let story = in_each_step(policy, operations, |_| Ok(()))?;
        closes_in_a_few_steps(story, complete)?;
    }

    /// Row 13: the clock may have jumped as it liked.
    #[test]
    fn a_service_that_is_well_again_gets_its_traffic_back_on_any_clock(
        policy in policy(),
        operations in operations_on_any_clock(),
    ) {
        let mut story = in_each_step(policy, operations, |_| Ok(()))?;
        // There is time left to pass.
        let half = Timestamp::from_nanos(u64::MAX / 2);
        story.world.now = at(story.world.now.monotonic.min(half));
        closes_in_a_few_steps(story, true)?;
    }
}

/// Failures since the last success.
fn run_of(outcomes: &[Outcome]) -> u32 {
    let said =
        outcomes.iter().rev().filter(|it| matches!(it, Outcome::Success | Outcome::Failure { .. }));
    said.take_while(|it| matches!(it, Outcome::Failure { .. })).count() as u32
}

/// By requests that are complete from the start, or a moment later.
fn closes_in_a_few_steps(mut story: Story, complete: bool) -> Verdict {
    let world = &mut story.world;
    let checks = world.policy.health_check.as_ref().map_or(0, |it| it.healthy_threshold.get());
    let trials = world.policy.half_open.success_threshold.get();
    // The first step may do no more than cut short a wait from before the clock stepped back.
    for _ in 0..=checks + trials + 1 {
        if let Some(ticket) = world.try_check() {
            world.answer(ticket, CheckResult::Healthy);
        }
        if let Ok(mut permit) = world.try_request(complete) {
            world.complete(&mut permit);
            world.settle(permit, Outcome::Success);
        }
        if world.state() == StateName::Closed {
            return Ok(());
        }
        world.advance_by(LONG_ENOUGH);
    }
    prop_assert!(false, "still {:?}", world.breaker());
    Ok(())
}

/// How long no trial is made after one that the service has answered without a word on how it is.
fn pause(policy: &Policy, asked: Option<Duration>) -> Duration {
    let asked = asked.filter(|asked| policy.open.honor_retry_after && !asked.is_zero());
    let interval = policy.health_check.as_ref().map_or(SECOND, |check| check.interval);
    asked.unwrap_or(interval).min(policy.half_open.max_wait)
}

/// The trials of one half-open period: leases, and successes.
#[derive(Default)]
struct Trials {
    leases: Vec<Lease>,
    /// When places were lost by requests that were not complete.
    lost: Vec<Timestamp>,
    successes: u32,
    /// From when on the next one may be made.
    paused_until: Timestamp,
}

struct Lease {
    permit: Seen,
    /// Until when the place is its own, at the earliest and at the latest.
    until: [Timestamp; 2],
    /// The same, once its request is complete.
    whole: Timestamp,
    /// Whether another policy, or a clock that stepped back, has cut it short.
    cut: bool,
}

impl Trials {
    fn check(&mut self, step: &Step) -> Verdict {
        let (now, policy) = (step.now, &step.policy);
        self.lose(now);
        match &step.event {
            Event::Settled { permit, ended, settled, .. } if self.knows(permit, step) => {
                let held = self.leases.iter().position(|lease| lease.permit.id == permit.id);
                let counted = matches!(settled, Settled::Counted(_));
                let cut = held.is_some_and(|at| self.leases[at].cut);
                let sure = held.is_none_or(|at| now < self.leases[at].until[0]);
                prop_assert!(!sure || counted == (held.is_some() && !cut));
                // The place of one that was cut short stays taken until then.
                if let Some(held) = held
                    && !cut
                {
                    self.leases.swap_remove(held);
                }
                if counted && ended.outcome == Outcome::Success && !ended.slow {
                    self.successes += 1;
                }
                if counted && let Outcome::Declined { retry_after } = ended.outcome {
                    let pause = now.after(pause(policy, retry_after));
                    self.paused_until = self.paused_until.max(pause);
                }
            }
            Event::Completed { permit, by } if self.knows(permit, step) => {
                let held = self.leases.iter_mut().find(|lease| lease.permit.id == permit.id);
                // Within the one nanosecond that is not known it may be either.
                let sure = held.as_ref().is_none_or(|lease| now < lease.until[0]);
                let known = held.as_ref().is_some_and(|lease| !lease.cut);
                prop_assert!(!sure || by.is_some() == known);
                if let (Some(held), Some(by)) = (held, by) {
                    prop_assert!(!by.awaits_request);
                    (held.permit, held.until) = (by.clone(), [held.whole; 2]);
                }
            }
            _ => {}
        }
        if step.transition.is_some() {
            *self = Self::default();
        }
        // Whoever looks cuts short what lasts longer than it may; for a check, too, if there is one.
        let looked = match step.event {
            Event::Admitted { .. } | Event::Diverted { .. } => true,
            Event::TookCheck(_) => policy.health_check.is_some(),
            _ => false,
        };
        if looked {
            let latest = deadline(policy, now);
            // Another policy may shorten a pause.
            self.paused_until = self.paused_until.min(now.after(policy.half_open.max_wait));
            for lease in self.leases.iter_mut().filter(|lease| lease.until[0] > latest) {
                let odd = Timestamp::from_nanos(latest.as_nanos() | 1);
                let complete = lease.until[0] == lease.until[1];
                lease.until = [latest, if complete { latest } else { odd }];
                lease.cut = true;
            }
        }
        let permitted = policy.half_open.permitted_calls.get();
        let [fewest, most] = [0, 1].map(|bound| {
            let held = self.leases.iter().filter(|lease| lease.until[bound] > now).count();
            held as u32 + self.successes
        });
        match &step.event {
            Event::Admitted { permit, complete } if permit.is_trial => {
                prop_assert!(fewest < permitted, "one too many");
                prop_assert!(now >= self.paused_until, "too early");
                let whole = deadline(policy, now);
                let until = if *complete { [whole; 2] } else { deadline_to_complete(policy, now) };
                self.leases.push(Lease { permit: permit.clone(), until, whole, cut: false });
            }
            Event::Diverted { reason: DivertReason::HalfOpen, complete } => {
                let reserved = if *complete { 0 } else { self.lost.len() as u32 };
                let taken = most + reserved >= permitted;
                prop_assert!(taken || now < self.paused_until, "there is a place left");
            }
            _ => {}
        }
        let in_flight = self.leases.iter().filter(|lease| lease.until[0] > now).count();
        prop_assert!(in_flight <= step.status().trials_in_flight as usize, "one is forgotten");
        Ok(())
    }

    fn knows(&self, permit: &Seen, step: &Step) -> bool {
        permit.is_trial && permit.generation == step.generation_before()
    }

    /// Forgets leases that are over, and those lost long ago.
    fn lose(&mut self, now: Timestamp) {
        let over = self.leases.extract_if(.., |lease| lease.until[1] <= now);
        let by_incomplete = over.filter(|lease| lease.permit.awaits_request);
        self.lost.extend(by_incomplete.map(|lease| lease.until[1]));
        self.lost.retain(|at| now < at.after(SECOND));
    }
}

/// Who holds the health check of one open period, and until when.
#[derive(Default)]
struct CheckLease {
    holder: Option<String>,
    until: Timestamp,
}

impl CheckLease {
    fn check(&mut self, step: &Step) -> Verdict {
        let lease = |check: &breaker::HealthCheckPolicy| check.timeout + check.interval / 2;
        // Whoever looks by a new policy may shorten a lease.
        if let Some(check) = &step.policy.health_check
            && let Event::TookCheck(_) | Event::Admitted { .. } | Event::Diverted { .. } =
                step.event
        {
            self.until = self.until.min(step.now.after(lease(check)));
        }
        match (&step.event, &step.policy.health_check) {
            (Event::TookCheck(taken), Some(health_check)) => {
                let lease = lease(health_check);
                prop_assert!(lease < health_check.interval * 2);
                if let Some(ticket) = taken {
                    prop_assert!(step.now >= self.until, "it is another's");
                    self.until = step.now.after(lease);
                    self.holder = Some(ticket.clone());
                }
            }
            (Event::TookCheck(taken), None) => prop_assert_eq!(taken, &None),
            (Event::Checked(ticket, _), health_check) => {
                if health_check.is_some() && self.holder.as_ref() == Some(ticket) {
                    *self = Self::default();
                } else {
                    let [before, after] = step.records();
                    prop_assert_eq!(before, after);
                }
            }
            _ => {}
        }
        if step.transition.is_some() {
            *self = Self::default();
        }
        prop_assert!(self.until.since(step.now) < Duration::from_secs(30));
        Ok(())
    }
}
