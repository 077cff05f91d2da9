//! The three states, each with the data that exists only there.

use core::time::Duration;

use crate::check::Check;
use crate::permit::TrialSlot;
use crate::policy::HalfOpenPolicy;
use crate::reason::Reason;
use crate::state_name::StateName;
use crate::time::Timestamp;
use crate::trials::Trials;
use crate::trip::{Measured, TripPolicy};

#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "one lives on the stack for the length of a call; a box would need an allocator"
)]
pub(crate) enum State {
    Closed(Closed),
    Open(Open),
    HalfOpen(HalfOpen),
}

/// Calls pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Closed {
    /// By what the rules may be reached.
    pub(crate) measured: Measured,
    /// Trips since the last success: what the next wait grows from.
    pub(crate) trips: u32,
    /// Since when its traffic comes back little by little; zero if it has all of it.
    pub(crate) ramp_began: Timestamp,
    /// When the next health check may be made; zero if none led here.
    pub(crate) check_due: Timestamp,
}

impl Closed {
    /// Whether some calls are diverted still.
    pub(crate) fn is_ramping(&self) -> bool {
        self.ramp_began != Timestamp::default()
    }

    /// No ramp is longer than its length, even one from before the clock stepped back.
    pub(crate) fn bound(&mut self, now: Timestamp) {
        self.ramp_began = self.ramp_began.min(now);
    }

    /// Goes on with the ramp, if there is one: whether this call is admitted. `random` is uniform.
    pub(crate) fn ramp(&mut self, length: Duration, now: Timestamp, random: u32) -> bool {
        if !self.is_ramping() {
            return true;
        }
        let passed = now.since(self.ramp_began);
        if passed >= length {
            self.ramp_began = Timestamp::default();
            return true;
        }
        // Of 2^32 calls, as many as the time that has passed is of the whole.
        let share = passed.as_nanos().saturating_mul(1 << 32).checked_div(length.as_nanos());
        u128::from(random) < share.unwrap_or(u128::MAX)
    }

    /// Whether a good call would change nothing besides the window, and trip nothing by that.
    pub(crate) fn is_clean(&self, policy: &TripPolicy) -> bool {
        self.trips == 0 && self.measured.is_clean(policy)
    }
}

/// Calls are diverted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) failures: u32,
    pub(crate) trips: u32,
    pub(crate) reason: Reason,
    pub(crate) opened_at: Timestamp,
    /// The earliest moment the breaker may leave this state.
    pub(crate) retry_at: Timestamp,
    pub(crate) check: Check,
    /// The latest connection by whose call the check in force is known to be that of the
    /// configuration at work; zero: none.
    pub(crate) connection: u64,
    /// Trials of a breaker that the adaptive rule opened: no others are made while it is open.
    pub(crate) trials: Trials,
}

/// A few trial calls pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HalfOpen {
    pub(crate) failures: u32,
    pub(crate) trips: u32,
    /// Why the breaker was open.
    pub(crate) reason: Reason,
    pub(crate) opened_at: Timestamp,
    /// From when on the next trial may be made; zero if nothing is waited for.
    pub(crate) retry_at: Timestamp,
    /// When the next health check may be made; zero if none led here.
    pub(crate) check_due: Timestamp,
    pub(crate) trials: Trials,
}

impl HalfOpen {
    /// Waits before the next trial is made: the service does not want to be asked yet.
    pub(crate) fn pause(&mut self, wait: Duration, now: Timestamp) {
        self.retry_at = self.retry_at.max(now.after(wait));
    }

    /// Acquires a slot for a request, complete or not, unless one is to wait, or none is left.
    pub(crate) fn acquire(
        &mut self,
        policy: &HalfOpenPolicy,
        complete: bool,
        now: Timestamp,
    ) -> Option<TrialSlot> {
        if now < self.retry_at {
            return None;
        }
        self.retry_at = Timestamp::default();
        self.trials.acquire(policy, complete, now)
    }

    /// No wait is longer than the longest, even one from before the clock stepped back or the policy
    /// changed.
    pub(crate) fn bound(&mut self, policy: &HalfOpenPolicy, now: Timestamp) {
        self.retry_at = self.retry_at.min(now.after(policy.max_wait));
        self.trials.bound(policy, now);
    }
}

impl State {
    pub(crate) const fn name(&self) -> StateName {
        match self {
            Self::Closed(_) => StateName::Closed,
            Self::Open(_) => StateName::Open,
            Self::HalfOpen(_) => StateName::HalfOpen,
        }
    }

    pub(crate) const fn trips(&self) -> u32 {
        match self {
            Self::Closed(closed) => closed.trips,
            Self::Open(open) => open.trips,
            Self::HalfOpen(half_open) => half_open.trips,
        }
    }

    pub(crate) const fn check_due(&self) -> Timestamp {
        match self {
            Self::Closed(closed) => closed.check_due,
            Self::Open(open) => open.check.due,
            Self::HalfOpen(half_open) => half_open.check_due,
        }
    }

    pub(crate) const fn failures(&self) -> u32 {
        match self {
            Self::Closed(closed) => closed.measured.failures,
            Self::Open(open) => open.failures,
            Self::HalfOpen(half_open) => half_open.failures,
        }
    }
}
