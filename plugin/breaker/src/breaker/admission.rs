//! Whether a call may be made.

use crate::adaptive::call::AdaptiveAdmission;
use crate::breaker::Breaker;
use crate::mode::Mode;
use crate::permit::{Generation, Permit};
use crate::policy::Policy;
use crate::reason::DivertReason;
use crate::state::{HalfOpen, Open, State};
use crate::state_name::StateName;
use crate::time::Timestamp;
use crate::transition::Transition;

/// Whether a call may be made.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may, and its outcome is to be settled.
    Admitted(Permit),
    /// It may not.
    Diverted(DivertReason),
    /// It may, though it would not if the breaker were [enabled](Mode::Enabled). Settling it
    /// changes nothing.
    Shadowed(DivertReason, Permit),
    /// It may, and the breaker has no part in it.
    Bypassed,
}

impl Mode {
    /// What becomes of a decision to admit or divert.
    fn applied(self, decision: Admission) -> Admission {
        match (self, decision) {
            (Self::Disabled, _) => Admission::Bypassed,
            (Self::ForcedOpen, _) => Admission::Diverted(DivertReason::ForcedOpen),
            (Self::MetricsOnly, Admission::Diverted(reason)) => {
                Admission::Shadowed(reason, Permit::UNCOUNTED)
            }
            (Self::Enabled | Self::MetricsOnly, decision) => decision,
        }
    }
}

/// A breaker that lets each call pass without being asked, as long as its record stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clean {
    pub(crate) generation: Generation,
    pub(crate) mode: Mode,
}

impl Clean {
    /// The permit of each call; `None`: it is bypassed.
    #[must_use]
    pub fn permit(self) -> Option<Permit> {
        self.mode.decides().then_some(Permit::closed(self.generation))
    }

    /// The mode in force.
    #[must_use]
    pub const fn mode(self) -> Mode {
        self.mode
    }

    /// The state that it shows.
    #[must_use]
    pub const fn state(self) -> StateName {
        self.mode.shown(StateName::Closed)
    }
}

impl Breaker {
    /// Admits a call without a look at the clock, which a closed breaker does not need, unless it has
    /// just closed. `None`: ask [`admit`](Self::admit).
    #[must_use]
    pub fn admit_closed(&self, policy: &Policy) -> Option<Admission> {
        let mode = self.mode(policy.mode);
        match &self.state {
            State::Closed(closed) if !closed.is_ramping() && !self.is_limiting(policy) => {
                Some(mode.applied(Admission::Admitted(Permit::closed(self.generation))))
            }
            _ => (!mode.decides()).then(|| mode.applied(Admission::Bypassed)),
        }
    }

    /// What to do with a call where [`admit`](Self::admit) needs a write that cannot be had: who
    /// could not acquire a trial slot has none, since a trial too many is worse than a diverted
    /// call.
    #[must_use]
    pub fn admit_unwritten(&self, policy: &Policy) -> Admission {
        self.admit_closed(policy).unwrap_or_else(|| {
            self.mode(policy.mode).applied(Admission::Diverted(match &self.state {
                State::Closed(closed) if closed.is_ramping() => DivertReason::Ramp,
                State::Closed(_) => DivertReason::Adaptive,
                State::Open(open) => open.divert_reason(),
                State::HalfOpen(_) => DivertReason::HalfOpen,
            }))
        })
    }

    /// That it is closed and has nothing to forget, or is disabled: as long as it is so, each call
    /// may be made with [its permit](Clean::permit), and of a good one no more need be written
    /// down than [this impact](Self::impact_where_clean) says. `None` as well if a good call might trip it, which happens when
    /// it makes the calls enough for a rate, or when the good calls before it have slid out.
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
                !closed.is_ramping() && closed.is_clean(&policy.trip) && !self.is_limiting(policy)
            }
            _ => false,
        }
    }

    /// Admits or diverts a call. An open breaker without a health check whose wait is over becomes
    /// half-open here, and the call is its first trial.
    ///
    /// `complete`: all of the request has come. A trial whose request has not is to
    /// [say when it has](Self::complete), within a second, or it loses its slot. `random` is
    /// uniform over all its values: it decides which calls are diverted on the ramp.
    pub fn admit(
        &mut self,
        policy: &Policy,
        complete: bool,
        now: Timestamp,
        random: u32,
    ) -> (Admission, Option<Transition>) {
        let mode = self.mode(policy.mode);
        if !mode.decides() {
            return (mode.applied(Admission::Bypassed), None);
        }
        let transition = self.leave_if_over(policy, now);
        let generation = self.generation;
        let mut rule = self.adaptive.as_mut().zip(policy.trip.adaptive.as_ref());
        let admission = match &mut self.state {
            State::Closed(closed) => match closed.ramp(policy.half_open.ramp, now, random) {
                true => match rule.map(|(rule, of)| rule.admit(of, now, random)) {
                    Some(AdaptiveAdmission::Diverted) => {
                        Admission::Diverted(DivertReason::Adaptive)
                    }
                    Some(AdaptiveAdmission::Passes | AdaptiveAdmission::Tries) | None => {
                        Admission::Admitted(Permit::closed(generation))
                    }
                },
                false => Admission::Diverted(DivertReason::Ramp),
            },
            State::Open(open) => {
                let is_due = rule.as_mut().is_some_and(|(rule, of)| rule.is_trial_due(of, now));
                let trials = Some(&mut open.trials).filter(|_| is_due);
                let slot = trials.and_then(|it| it.acquire(&policy.half_open, complete, now));
                match (slot, rule) {
                    (Some(slot), Some((rule, of))) => {
                        rule.admit(of, now, random);
                        Admission::Admitted(Permit { generation, slot: Some(slot) })
                    }
                    _ => Admission::Diverted(open.divert_reason()),
                }
            }
            State::HalfOpen(half_open) => match half_open.acquire(&policy.half_open, complete, now)
            {
                Some(slot) => Admission::Admitted(Permit { generation, slot: Some(slot) }),
                None => Admission::Diverted(DivertReason::HalfOpen),
            },
        };
        (mode.applied(admission), transition)
    }

    /// The request of a trial is complete: from now on its slot lasts as long as any. Once this
    /// breaker is stored, its permit [is to know](Permit::set_complete). `false`: nothing has
    /// changed. It is no trial of this period, or its slot was released before that.
    pub fn complete(&mut self, permit: &Permit, now: Timestamp) -> bool {
        match (&mut self.state, permit.slot) {
            _ if permit.generation != self.generation => false,
            (
                State::HalfOpen(HalfOpen { trials, .. }) | State::Open(Open { trials, .. }),
                Some(slot),
            ) => trials.complete(slot, now),
            _ => false,
        }
    }
}
