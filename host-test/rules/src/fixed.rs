//! The product's fixed rules, in the breaker that a policy makes.

use std::collections::HashMap;
use std::time::Duration;

use breaker::{
    Admission, Breaker, Ended as BreakerEnded, Now, Outcome, Permit, Policy, Timestamp, UnixTime,
};

use crate::rule::{Ended, Rule};

/// Failures in a row, and shares of the latest calls.
pub struct FixedRule {
    breaker: Breaker,
    policy: Policy,
    slow_from: u64,
    permits: HashMap<u64, Permit>,
    calls: u64,
}

impl FixedRule {
    /// A closed breaker with this policy. `slow_from`: how long a call takes at least to be slow.
    pub fn new(policy: Policy, slow_from: Option<Duration>) -> Self {
        let slow_from = slow_from.and_then(|it| u64::try_from(it.as_nanos()).ok());
        let slow_from = slow_from.unwrap_or(u64::MAX);
        Self { breaker: Breaker::new(), policy, slow_from, permits: HashMap::new(), calls: 0 }
    }
}

impl Rule for FixedRule {
    fn admit(&mut self, now: u64, random: u32) -> Option<u64> {
        let now = Timestamp::from_nanos(now);
        let admission = match self.breaker.admit_closed(&self.policy) {
            Some(admission) => admission,
            None => self.breaker.admit(&self.policy, true, now, random).0,
        };
        let Admission::Admitted(permit) = admission else { return None };
        self.calls += 1;
        self.permits.insert(self.calls, permit);
        Some(self.calls)
    }

    fn settle(&mut self, call: Ended, now: u64, random: u32) {
        let Some(permit) = self.permits.remove(&call.ticket) else { return };
        let outcome = if call.ok { Outcome::Success } else { Outcome::FAILURE };
        let settlement =
            permit.end(BreakerEnded { slow: call.took >= self.slow_from, ..outcome.into() });
        let monotonic = Timestamp::from_nanos(now);
        let now = Now { monotonic, wall: UnixTime::from_nanos(now) };
        let _ = self.breaker.settle(&self.policy, &settlement, now, random);
    }
}
