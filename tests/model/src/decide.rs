//! What a worker makes of a record: the real decisions, and the real swap.

use std::cell::RefCell;
use std::sync::Arc;

use breaker::{
    Admission, Breaker, CheckReport, CheckResult, Mode, Outcome, Permit, Settled, Settlement,
    Status,
};
use shared::{Cell, SwapError, Watch};

use crate::held::Held;
use crate::oracle::{Flaw, Written};
use crate::settings::{Settings, at};
use crate::store::{Nothing, RecordKind, Seen, read};
use crate::worker::{Call, Check, Ending, Job, Step, View, Worker};

/// What a decision comes to, but for the record.
enum Comes {
    Admitted(Permit),
    Taken(Held),
    Nothing,
}

/// A record that was written, and by what.
pub(crate) struct Swapped {
    pub(crate) record: Arc<[u8]>,
    job: Job,
    policy: u8,
    now: u8,
    before: Status,
    after: Status,
}

impl Swapped {
    pub(crate) fn as_written<'a>(&'a self, settings: &'a Settings) -> Written<'a> {
        let Self { job, now, before, after, .. } = self;
        let policy = settings.policy(self.policy);
        Written { job, policy, now: *now, before: *before, after: *after }
    }
}

impl Job {
    /// The policy that it goes by: a call's is the one it came with.
    fn policy(&self, worker: &Worker) -> u8 {
        match self {
            Self::Settle(call, _) => call.permit.policy,
            Self::FinishCheck(check, _) => check.ticket.policy,
            Self::Admit(_) | Self::TakeCheck(_) | Self::Sync(_) => worker.policy,
        }
    }

    fn change(
        &self,
        breaker: &mut Breaker,
        record: &Arc<[u8]>,
        (policy, now): (u8, u8),
        settings: &Settings,
    ) -> Result<Comes, Flaw> {
        let (rules, time) = (settings.policy(policy), at(now));
        match self {
            Self::Admit(_) => match breaker.admit(rules, true, time.monotonic, 0).0 {
                Admission::Admitted(permit) => return Ok(Comes::Admitted(permit)),
                Admission::Diverted(_) => {}
                Admission::Shadowed(..) | Admission::Bypassed => {
                    return Err("a breaker that is enabled does not decide");
                }
            },
            Self::Settle(call, ending) => {
                let before = breaker.clone();
                let outcome = match ending {
                    Ending::Success => Outcome::Success,
                    Ending::Failure => Outcome::FAILURE,
                    Ending::Aborted => Outcome::Aborted,
                };
                let ended: Settlement = call.permit.permit(settings).end(outcome);
                if breaker.settle(rules, &ended, time, 0) == Settled::Late && *breaker != before {
                    return Err("a late result changes the breaker");
                }
            }
            Self::TakeCheck(_) => {
                if let Some(ticket) = breaker.take_check(rules, time.monotonic) {
                    return Ok(Comes::Taken(Held::of_ticket(record, now, policy, &ticket)));
                }
            }
            Self::FinishCheck(check, well) => {
                let result = if *well { CheckResult::Healthy } else { CheckResult::Unhealthy };
                let report: CheckReport = check.ticket.ticket(settings).end(result);
                breaker.finish_check(rules, &report, time.monotonic);
            }
            Self::Sync(_) => breaker.sync(rules, time.monotonic),
        }
        Ok(Comes::Nothing)
    }
}

impl Worker {
    /// Decides, and is done if there is nothing to write.
    pub(crate) fn decide(&mut self, now: u8, settings: &Settings) -> Option<Flaw> {
        let Step::Loaded(job, view) = std::mem::take(&mut self.step) else {
            return None;
        };
        let policy = job.policy(self);
        let mut breaker = read(&view.record);
        match job.change(&mut breaker, &view.record, (policy, now), settings) {
            Err(flaw) => return Some(flaw),
            Ok(comes) if *breaker.encode() == *view.record => {
                self.receive(&job, comes, &view, (policy, now));
            }
            Ok(_) => self.step = Step::Decided(job, view, now),
        }
        None
    }

    /// Swaps what it has decided. `None` within: another was faster.
    pub(crate) fn swap(&mut self, settings: &Settings) -> Option<(Option<Swapped>, u8)> {
        let Step::Decided(job, view, now) = std::mem::take(&mut self.step) else {
            return None;
        };
        let (policy, service) = (job.policy(self), job.service());
        let written = RefCell::default();
        let current = view.current || !settings.compares;
        let seen = Seen { record: &view.record, current, now, written };
        let watch = Watch::default();
        let cell = Cell { key: "record", kind: RecordKind, watch: &watch, service: None };
        let mut value = None;
        let loaded = cell.load(&seen, &mut Nothing, &mut value).ok()?;
        let mut breaker = value?;
        let before = breaker.status(Mode::Enabled);
        let comes = job.change(&mut breaker, &view.record, (policy, now), settings).ok()?;
        match cell.swap(&breaker, &loaded, &seen) {
            Ok(_) => {}
            Err(SwapError::Conflict) => {
                self.step = Step::Lost(job);
                return Some((None, service));
            }
            Err(SwapError::Fault(_)) => return None,
        }
        let record = seen.written.into_inner()?.into();
        self.receive(&job, comes, &view, (policy, now));
        let after = breaker.status(Mode::Enabled);
        Some((Some(Swapped { record, job, policy, now, before, after }), service))
    }

    /// A decision is in force.
    fn receive(&mut self, job: &Job, comes: Comes, view: &View, (policy, now): (u8, u8)) {
        let service = job.service();
        match comes {
            Comes::Admitted(permit) => {
                let (generation, is_trial) = (permit.generation().number(), permit.is_trial());
                let permit = Held::of_permit(&view.record, now, policy, &permit);
                self.calls.push(Call { service, permit, generation, is_trial });
                self.calls.sort_unstable();
            }
            Comes::Taken(ticket) => self.checks.push(Check { service, ticket }),
            Comes::Nothing => {}
        }
    }
}
