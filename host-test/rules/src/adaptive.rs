//! The product's adaptive rule, by one worker or several.

use std::time::Duration;

use breaker::{
    Adaptive, AdaptiveAdmission, AdaptiveCall, AdaptiveChange, AdaptivePolicy, AdaptiveTally,
    Overdue, Timestamp,
};

use crate::rule::{Ended, Rule};

/// The adaptive rule.
pub struct AdaptiveRule {
    rule: Adaptive,
    policy: AdaptivePolicy,
    period: u64,
    /// One worker tells of each call at once.
    workers: Vec<Worker>,
}

/// Calls that a worker has not told of.
#[derive(Clone, Default)]
struct Worker {
    tally: AdaptiveTally,
    period: u64,
    told: u64,
}

impl AdaptiveRule {
    /// A rule that has seen nothing, over so many workers, at least one.
    pub fn new(policy: AdaptivePolicy, workers: usize) -> Self {
        let workers = vec![Worker::default(); workers.max(1)];
        Self { rule: Adaptive::new(), policy, period: 1, workers }
    }

    fn turn(&mut self, change: Option<AdaptiveChange>) {
        let is_same = |it| matches!(it, AdaptiveChange::Closed | AdaptiveChange::Stays(_));
        if change.is_some_and(|it| !is_same(it)) {
            self.period += 1;
        }
    }

    /// Tells the rule of the good calls that a worker has kept to itself.
    fn tell(&mut self, worker: usize, now: u64) {
        let worker = &mut self.workers[worker];
        worker.told = now;
        let tally = std::mem::take(&mut worker.tally);
        if worker.period == self.period {
            let change = self.rule.merge(&self.policy, &tally, Timestamp::from_nanos(now));
            self.turn(change);
        }
    }
}

impl Rule for AdaptiveRule {
    fn admit(&mut self, now: u64, random: u32) -> Option<u64> {
        match self.rule.admit(&self.policy, Timestamp::from_nanos(now), random) {
            AdaptiveAdmission::Passes | AdaptiveAdmission::Tries => Some(self.period),
            AdaptiveAdmission::Diverted => None,
        }
    }

    fn settle(&mut self, call: Ended, now: u64, random: u32) {
        let at = Timestamp::from_nanos(now);
        let ended = AdaptiveCall {
            failed: !call.ok,
            took: Duration::from_nanos(call.took),
            told: [None, Some(Overdue::Slow), Some(Overdue::Hung)][usize::from(call.told)],
        };
        if call.ticket != self.period {
            return self.rule.settle_late(&ended, at);
        }
        let worker = random as usize % self.workers.len();
        let wait = self.rule.may_wait(&self.policy, &ended).filter(|_| self.workers.len() > 1);
        if let Some(wait) = wait {
            let held = &mut self.workers[worker];
            if held.period != self.period {
                *held = Worker { period: self.period, told: held.told, ..Worker::default() };
            }
            held.tally.add(self.rule.usual(&self.policy), ended.took, at);
            if Duration::from_nanos(now - held.told) >= wait {
                self.tell(worker, now);
            }
            return;
        }
        self.tell(worker, now);
        if call.ticket == self.period {
            let change = self.rule.settle(&self.policy, &ended, at);
            self.turn(change);
        }
    }

    fn patience(&self, stage: u8) -> Option<u64> {
        let of = [Overdue::Slow, Overdue::Hung].get(usize::from(stage))?;
        let patience = self.rule.patience(&self.policy, *of)?;
        u64::try_from(patience.as_nanos()).ok()
    }

    fn overdue(&mut self, ticket: u64, stage: u8, now: u64) {
        if ticket == self.period {
            let of = if stage == 0 { Overdue::Slow } else { Overdue::Hung };
            let change = self.rule.overdue(&self.policy, of, Timestamp::from_nanos(now));
            self.turn(change);
        }
    }
}
