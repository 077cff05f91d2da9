//! A rate of failures opens the breaker with the very call that reaches it, and not before.
//!
//! The naive model: a list of all calls of the period. When exactly a callback has looked at the
//! clock, and whether it counted what another was about at the same time, is not known, so that
//! the list gives bounds: what is in the window for certain, and what may be.
//!
//! Failures are in the record when their callback has ended. Good calls may be missing until the
//! next tick of the context that they went through, and no longer; those of a VM that died before are missing for good. That is all
//! that may lag, and it is what the bounds leave room for.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::rules::RateRules;

/// The longest time between two ticks of a context.
const TICK: Duration = Duration::from_millis(500);

/// The calls of the latest periods.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// In the order in which their callbacks began.
    latest: VecDeque<Call>,
    /// When workers have last given up to write what they knew, in a timer callback.
    gave_up: BTreeMap<usize, Duration>,
}

#[derive(Debug)]
struct Call {
    /// Whose it is; `None`: that VM has died.
    worker: Option<usize>,
    /// The period that admitted it, if that is certain.
    generation: Option<u64>,
    failed: bool,
    /// Between these times it was settled; `None`: it is being settled.
    began: Duration,
    ended: Option<Duration>,
    /// Whether it counts for certain, and has to be in the record by now.
    certain: bool,
}

/// What is known of the latest calls of a period.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Failures that are in the window, at least and at most.
    failures: (u32, u32),
    /// Good calls, likewise.
    good: (u32, u32),
}

impl Calls {
    /// A callback begins that settles a call with a success or a failure.
    pub(super) fn begin(
        &mut self,
        worker: usize,
        generation: Option<u64>,
        failed: bool,
        now: Duration,
    ) {
        let (worker, ended, certain) = (Some(worker), None, false);
        self.latest.push_back(Call { worker, generation, failed, began: now, ended, certain });
    }

    /// It has ended; `counts`: for certain, if it is a failure.
    pub(super) fn settled(&mut self, worker: usize, counts: bool, now: Duration) {
        for call in self.of(worker).filter(|call| call.ended.is_none()) {
            call.ended = Some(now);
            call.certain = call.failed && counts;
        }
    }

    /// A timer callback has ended that began then. Each context of the worker that did not tick now
    /// has done so in the last period: good calls from before that are in the record, unless a write
    /// was given up since.
    pub(super) fn ticked(&mut self, worker: usize, gave_up: bool, began: Duration) {
        if gave_up {
            self.gave_up.insert(worker, began);
        }
        let Some(before) = began.checked_sub(TICK) else {
            return;
        };
        if self.gave_up.get(&worker).is_some_and(|at| *at > before) {
            return;
        }
        let known = |call: &&mut Call| call.ended.is_some_and(|ended| ended <= before);
        self.of(worker).filter(known).for_each(|call| call.certain |= !call.failed);
    }

    /// A VM has died, and what it knew alone with it.
    pub(super) fn died(&mut self, worker: usize, now: Duration) {
        for call in self.of(worker) {
            call.worker = None;
            call.ended = call.ended.or(Some(now));
        }
    }

    /// What is wrong with a failure that was written down and has not opened the breaker.
    pub(super) fn stays_closed(
        &self,
        rules: RateRules,
        generation: u64,
        (began, now): (Duration, Duration),
    ) -> Result<(), &'static str> {
        let Bounds { failures, good } = self.bounds(rules, generation, (began, now));
        // The one at hand is written down, but its callback has not ended.
        let failures = failures.0 + 1;
        let enough = failures + good.0 >= rules.minimum;
        let reached = failures * 100 >= rules.percent * (failures + good.1);
        (!(enough && reached)).then_some(()).ok_or("a rate was reached, and nothing happened")
    }

    /// What is wrong with a breaker that opens by a rate.
    pub(super) fn opens(
        &self,
        rules: RateRules,
        generation: u64,
        (began, now): (Duration, Duration),
    ) -> Result<(), &'static str> {
        let Bounds { failures, good } = self.bounds(rules, generation, (began, now));
        let enough = failures.1 + good.1 >= rules.minimum;
        let reached = failures.1 * 100 >= rules.percent * (failures.1 + good.0);
        (enough && reached).then_some(()).ok_or("opened by a rate that was not reached")
    }

    /// Forgets what can matter no more.
    pub(super) fn forget(&mut self, rules: RateRules, now: Duration) {
        // A callback that stands still may look at the clock much later than it began.
        let gone = |call: &Call| call.ended.is_some_and(|ended| ended + rules.window * 20 < now);
        while self.latest.front().is_some_and(gone) {
            self.latest.pop_front();
        }
    }

    fn of(&mut self, worker: usize) -> impl Iterator<Item = &mut Call> {
        self.latest.iter_mut().filter(move |call| call.worker == Some(worker))
    }

    fn bounds(
        &self,
        rules: RateRules,
        generation: u64,
        (began, now): (Duration, Duration),
    ) -> Bounds {
        let mut bounds = Bounds { failures: (0, 0), good: (0, 0) };
        // The window slides by a tenth at a time.
        let surely = rules.window * 9 / 10;
        for call in &self.latest {
            if call.generation.is_some_and(|of| of != generation) {
                continue;
            }
            let possible = call.ended.is_none_or(|ended| ended + rules.window >= began);
            let certain = call.certain && call.generation.is_some() && call.began + surely > now;
            let (least, most) = match call.failed {
                true => &mut bounds.failures,
                false => &mut bounds.good,
            };
            *least += u32::from(certain);
            *most += u32::from(possible);
        }
        bounds
    }
}
