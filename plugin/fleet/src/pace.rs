//! When the store is looked at.

use core::time::Duration;

use breaker::Timestamp;

use crate::policy::FleetPolicy;

/// When the store is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// When the next look is due.
    pub(crate) next: Timestamp,
    /// Time from one to the next.
    pub(crate) interval: Duration,
    /// When the last one that went well was asked for.
    pub(crate) read: Option<Timestamp>,
    /// No change is asked for before: the last one failed.
    pub(crate) writes_from: Timestamp,
}

impl Pace {
    /// Processes that start together do not look together. `random` is uniform over all its values.
    pub(crate) fn new(policy: &FleetPolicy, now: Timestamp, random: u32) -> Self {
        let interval = policy.sync_interval;
        let share = interval.as_nanos().saturating_mul(random.into()) >> 32;
        let first = Duration::from_nanos(u64::try_from(share).unwrap_or(u64::MAX));
        Self { next: now.after(first), interval, read: None, writes_from: now }
    }

    /// A look begins. One that a report has brought forward moves no other.
    pub(crate) fn look(&mut self, now: Timestamp) {
        if now >= self.next {
            let planned = self.next.after(self.interval);
            // What was missed is not made up for.
            self.next = if planned > now { planned } else { now.after(self.interval) };
        }
    }

    /// The store wants to be asked less often.
    pub(crate) fn throttled(&mut self, policy: &FleetPolicy, now: Timestamp) {
        self.interval = self.interval.saturating_mul(2).min(policy.refresh());
        self.next = now.after(self.interval);
    }

    /// A look went well: after a throttled one the next interval is half as long again.
    pub(crate) fn went_well(&mut self, policy: &FleetPolicy, asked: Timestamp) {
        self.read = Some(asked);
        let shorter = self.interval.checked_div(2).unwrap_or_default();
        self.interval = shorter.max(policy.sync_interval);
    }

    /// Whether what was read counts no more.
    pub(crate) fn is_stale(&self, policy: &FleetPolicy, now: Timestamp) -> bool {
        self.read.is_none_or(|read| now.since(read) >= policy.max_staleness)
    }
}
