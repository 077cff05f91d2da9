//! Whether a request goes to its service: its breaker is asked first, then its bulkhead.

use breaker::{
    Admission, Breaker, Clean, DivertReason, Mode, Outcome, Permit, StateName, Timestamp,
};

use crate::bulkhead::{Acquired, BulkheadPermit, Wanted};
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::health::claim_check;
use crate::host::Host;
use crate::random::scrambled;
use crate::store::Update;
use crate::telemetry::{ModuleMetric, ServiceMetric, Unprotected};
use shared::Lost;

/// Whether a request goes to its service.
pub(crate) enum Decision {
    /// It goes on, and is none of the breaker's business.
    Bypassed,
    /// It goes on, with its bulkhead permit if there is a bulkhead.
    Admitted(Permit, Option<BulkheadPermit>),
    /// It does not.
    Diverted(DivertReason, Snapshot),
    /// The service's name was evicted: there is no breaker to be asked.
    Evicted,
}

/// A request that asks for admission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The partition of its bulkhead.
    pub(crate) partition: usize,
    /// Whether all of it has come.
    pub(crate) complete: bool,
}

/// How a breaker stands at the moment when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// What it shows.
    pub(crate) state: StateName,
    /// When it may leave the open state.
    pub(crate) retry_at: Option<Timestamp>,
    pub(crate) mode: Mode,
}

impl Snapshot {
    #[inline]
    const fn of_clean(clean: Clean) -> Self {
        Self { state: clean.state(), retry_at: None, mode: clean.mode() }
    }

    fn of(breaker: &Breaker, configured: Mode) -> Self {
        let status = breaker.status(configured);
        Self { state: status.state, retry_at: status.retry_at, mode: status.mode }
    }
}

impl ServiceHandle<'_> {
    /// Decides on a request. Where the breaker is closed
    /// and clean, and no place has to be found, that is all there is to it.
    #[inline]
    pub(crate) fn admit(
        &self,
        arrival: Arrival,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Decision {
        match self.clean(host) {
            Some(clean) if self.service.bulkhead.is_none() => match clean.permit() {
                Some(permit) => Decision::Admitted(permit, None),
                None => Decision::Bypassed,
            },
            clean => self.admit_unclean(clean, arrival, host, effects),
        }
    }

    #[inline(never)]
    fn admit_unclean(
        &self,
        clean: Option<Clean>,
        Arrival { partition, complete }: Arrival,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Decision {
        let not_permitted = |reason, effects: &mut Effects| {
            effects.count_of(self.number, ServiceMetric::NotPermitted(reason));
        };
        let Some((admission, snapshot)) = self.ask(clean, complete, host, effects) else {
            if self.instance.is_gone() {
                return Decision::Evicted;
            }
            effects.count(ModuleMetric::Unprotected(Unprotected::Store));
            return Decision::Bypassed;
        };
        let (permit, shadowed) = match admission {
            Admission::Bypassed => return Decision::Bypassed,
            Admission::Diverted(reason) => {
                not_permitted(reason, effects);
                return Decision::Diverted(reason, snapshot);
            }
            Admission::Shadowed(reason, permit) => {
                not_permitted(reason, effects);
                (permit, true)
            }
            Admission::Admitted(permit) => (permit, false),
        };
        let Some(permits) = self.permits() else {
            return Decision::Admitted(permit, None);
        };
        let heeded = snapshot.mode == Mode::Enabled;
        let wanted = Wanted { class: partition, complete, heeded };
        match permits.acquire(wanted, host, effects) {
            Acquired::Permit(held) => Decision::Admitted(permit, Some(held)),
            Acquired::Unknown => Decision::Admitted(permit, None),
            Acquired::Full(held) => {
                // Who would have been diverted already would not have come here.
                if !shadowed {
                    not_permitted(DivertReason::Bulkhead, effects);
                }
                match held {
                    Some(held) => Decision::Admitted(permit, Some(held)),
                    None => {
                        self.give_permit_back(permit, host, effects);
                        Decision::Diverted(DivertReason::Bulkhead, snapshot)
                    }
                }
            }
        }
    }

    /// Asks the breaker. A closed one answers from its record alone. `None`: there is no record to be
    /// had, and the breaker must not be what stops traffic.
    fn ask(
        &self,
        clean: Option<Clean>,
        complete: bool,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<(Admission, Snapshot)> {
        let policy = &self.service.policy;
        if let Some(clean) = clean {
            let admission = clean.permit().map_or(Admission::Bypassed, Admission::Admitted);
            return Some((admission, Snapshot::of_clean(clean)));
        }
        let asked = self.update(host, effects, |breaker| {
            if let Some(admission) = breaker.admit_closed(policy) {
                return Update::Unchanged((admission, Snapshot::of(breaker, policy.mode)));
            }
            let now = host.now().monotonic;
            let random = scrambled(now.as_nanos());
            let (admission, transition) = breaker.admit(policy, complete, now, random);
            claim_check(breaker, policy, transition, host);
            Update::Changed((admission, Snapshot::of(breaker, policy.mode)), transition)
        });
        match asked {
            Ok(asked) => Some(asked),
            Err(Lost::Store | Lost::Newer | Lost::Gone) => None,
            Err(Lost::Race) => {
                let breaker = self.load(host, effects).ok()?;
                Some((breaker.admit_unwritten(policy), Snapshot::of(&breaker, policy.mode)))
            }
        }
    }

    /// How the breaker stands; `None`: there is no record to be had.
    pub(crate) fn snapshot(&self, host: &dyn Host, effects: &mut Effects) -> Option<Snapshot> {
        match self.clean(host) {
            Some(clean) => Some(Snapshot::of_clean(clean)),
            None => {
                let breaker = self.load(host, effects).ok()?;
                Some(Snapshot::of(&breaker, self.service.policy.mode))
            }
        }
    }

    /// A call that found no place was none: it is not counted, and a trial slot is free again at once.
    pub(crate) fn give_permit_back(&self, permit: Permit, host: &dyn Host, effects: &mut Effects) {
        if !permit.is_trial() {
            return;
        }
        let (policy, call) = (&self.service.policy, permit.end(Outcome::Aborted));
        // Lost, its lease ends by itself.
        let _ = self.update(host, effects, |breaker| {
            breaker.settle(policy, &call, host.now(), 0);
            Update::Changed((), None)
        });
    }
}
