//! Whether a breaker whose service is well closes again, from where it stands.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use breaker::{Admission, Breaker, CheckResult, Outcome, StateName};

use crate::settings::{Settings, at};

/// Within so many steps of time: the longest wait, a trial that was lost, and a check.
const STEPS: u8 = 6;

/// A record, when it is looked at, and which policies are in force.
type From = (Arc<[u8]>, u8, BTreeSet<u8>);

/// What was found so far: many states of a model have the same records.
#[derive(Debug, Default)]
pub(crate) struct WaysBack(Mutex<HashMap<From, bool>>);

impl WaysBack {
    /// Whether there is one for this record. What other workers are about is left out: who is in
    /// mid-step and goes on leads to a state that is looked at by itself, and who does not is lost.
    pub(crate) fn exist(
        &self,
        record: &Arc<[u8]>,
        now: u8,
        policies: impl Iterator<Item = u8>,
        settings: &Settings,
    ) -> bool {
        let policies: BTreeSet<u8> = policies.collect();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (Arc::clone(record), now, policies);
        if let Some(found) = known.get(&from) {
            return *found;
        }
        let found = is_back(record, now, &from.2, settings);
        known.insert(from, found);
        found
    }
}

fn is_back(record: &[u8], now: u8, policies: &BTreeSet<u8>, settings: &Settings) -> bool {
    let Ok(mut breaker) = Breaker::decode(record) else {
        return false;
    };
    for step in 0..=STEPS {
        let time = at(now.saturating_add(step));
        for policy in policies.iter().map(|policy| settings.policy(*policy)) {
            if let Some(ticket) = breaker.take_check(policy, time.monotonic) {
                breaker.finish_check(policy, &ticket.end(CheckResult::Healthy), time.monotonic);
            }
            // As many calls as trials may be needed.
            for _ in 0..policy.half_open.success_threshold.get() {
                if let (Admission::Admitted(permit), _) =
                    breaker.admit(policy, true, time.monotonic, 0)
                {
                    breaker.settle(policy, &permit.end(Outcome::Success), time, 0);
                }
            }
        }
        if breaker.state() == StateName::Closed {
            return true;
        }
    }
    false
}
