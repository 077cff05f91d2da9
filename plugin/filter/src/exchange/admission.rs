//! Whether a request goes to its service: its breaker is asked first, then its bulkhead.

use breaker::{
    Admission, Breaker, Clean, DivertReason, Mode, Outcome, Permit, StateName, Timestamp,
};

use crate::bulkhead::{Place, Taken, Wanted};
use crate::effects::Effects;
use crate::health::claim_check;
use crate::host::Host;
use crate::random::scrambled;
use crate::store::{Lost, ServiceHandle, Update};
use crate::telemetry::{Metric, ServiceMetric};

/// What becomes of a request.
pub(super) enum Entry {
    /// It goes on, and is none of the breaker's business.
    Unguarded,
    /// It goes on, with its place if there is a bulkhead.
    Admitted(Permit, Option<Place>),
    /// It does not.
    Diverted(DivertReason, Standing),
    /// The name of its breaker has made room: there is none to be asked.
    Gone,
}

/// A request that asks for entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arriving {
    /// The class of its bulkhead.
    pub(super) class: usize,
    /// Whether all of it has come.
    pub(super) complete: bool,
}

/// How a breaker stands when it is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// What it shows.
    pub(super) state: StateName,
    /// When it may leave the open state.
    pub(super) retry_at: Option<Timestamp>,
    pub(super) mode: Mode,
}

impl Standing {
    const fn of_clean(clean: Clean) -> Self {
        Self { state: clean.state(), retry_at: None, mode: clean.mode() }
    }

    fn of(breaker: &Breaker, configured: Mode) -> Self {
        let status = breaker.status(configured);
        Self { state: status.state, retry_at: status.retry_at, mode: status.mode }
    }
}

impl ServiceHandle<'_> {
    /// Decides on a call of a class, whose request is complete or not. Where the breaker is closed
    /// and clean, and no place has to be found, that is all there is to it.
    pub(super) fn enter(
        &self,
        arriving: Arriving,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Entry {
        match self.clean(host) {
            Some(clean) if self.service.bulkhead.is_none() => match clean.permit() {
                Some(permit) => Entry::Admitted(permit, None),
                None => Entry::Unguarded,
            },
            clean => self.ask_for_entry(clean, arriving, host, effects),
        }
    }

    #[inline(never)]
    fn ask_for_entry(
        &self,
        clean: Option<Clean>,
        Arriving { class, complete }: Arriving,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Entry {
        let not_permitted = |reason, effects: &mut Effects| {
            effects.count_of(self.number, ServiceMetric::NotPermitted(reason));
        };
        let Some((admission, standing)) = self.ask(clean, complete, host, effects) else {
            if self.instance.is_gone() {
                return Entry::Gone;
            }
            effects.count(Metric::Unprotected);
            return Entry::Unguarded;
        };
        let (permit, excused) = match admission {
            Admission::Bypassed => return Entry::Unguarded,
            Admission::Diverted(reason) => {
                not_permitted(reason, effects);
                return Entry::Diverted(reason, standing);
            }
            Admission::Shadowed(reason, permit) => {
                not_permitted(reason, effects);
                (permit, true)
            }
            Admission::Admitted(permit) => (permit, false),
        };
        let Some(bulkhead) = &self.service.bulkhead else {
            return Entry::Admitted(permit, None);
        };
        let heeded = standing.mode == Mode::Enabled;
        match self.take_place(bulkhead, Wanted { class, complete, heeded }, host, effects) {
            Taken::Place(place) => Entry::Admitted(permit, Some(place)),
            Taken::Unknown => Entry::Admitted(permit, None),
            Taken::Full(place) => {
                // Who would have been diverted already would not have come here.
                if !excused {
                    not_permitted(DivertReason::Bulkhead, effects);
                }
                match place {
                    Some(place) => Entry::Admitted(permit, Some(place)),
                    None => {
                        self.give_permit_back(permit, host, effects);
                        Entry::Diverted(DivertReason::Bulkhead, standing)
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
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<(Admission, Standing)> {
        let policy = &self.service.policy;
        if let Some(clean) = clean {
            let admission = clean.permit().map_or(Admission::Bypassed, Admission::Admitted);
            return Some((admission, Standing::of_clean(clean)));
        }
        let asked = self.update(host, effects, |breaker| {
            if let Some(admission) = breaker.admit_closed(policy) {
                return Update::Unchanged((admission, Standing::of(breaker, policy.mode)));
            }
            let now = host.now().monotonic;
            let random = scrambled(now.as_nanos());
            let (admission, transition) = breaker.admit(policy, complete, now, random);
            claim_check(breaker, policy, transition, host);
            Update::Changed((admission, Standing::of(breaker, policy.mode)), transition)
        });
        match asked {
            Ok(asked) => Some(asked),
            Err(Lost::Store | Lost::Newer | Lost::Gone) => None,
            Err(Lost::Race) => {
                let breaker = self.load(host, effects).ok()?;
                Some((breaker.admit_unwritten(policy), Standing::of(&breaker, policy.mode)))
            }
        }
    }

    /// How the breaker stands; `None`: there is no record to be had.
    pub(super) fn standing(&self, host: &impl Host, effects: &mut Effects) -> Option<Standing> {
        match self.clean(host) {
            Some(clean) => Some(Standing::of_clean(clean)),
            None => {
                let breaker = self.load(host, effects).ok()?;
                Some(Standing::of(&breaker, self.service.policy.mode))
            }
        }
    }

    /// A call that found no place was none: it is not counted, and a trial's place returns at once.
    pub(super) fn give_permit_back(&self, permit: Permit, host: &impl Host, effects: &mut Effects) {
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
