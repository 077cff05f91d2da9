//! What there is to see.

use core::time::Duration;

use breaker::Timestamp;

use super::Fleet;
use crate::identity::ProcessId;
use crate::own::Standing;
use crate::row::LeaseState;
use crate::sorted::Sorted;
use crate::view::Reporter;

/// What the fleet says of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is to be open.
    pub open: bool,
    /// Whether the store was silent for so long that this counts no more.
    pub stale: bool,
    /// All who report it, those that do not count among them.
    pub reporters: Vec<Reporter>,
    /// How this process's breaker stands to it.
    pub standing: Standing,
    /// Who asks the service how it is.
    pub prober: Option<Prober>,
}

/// Who asks a service how it is, or was the last to do so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prober {
    /// The process.
    pub by: ProcessId,
    /// What has become of its lease.
    pub state: LeaseState,
    /// How long it has been so, as far as is known.
    pub age: Duration,
}

impl Fleet {
    /// What the fleet says of a service.
    #[must_use]
    pub fn verdict(&self, service: &str, now: Timestamp) -> Verdict {
        let stale = self.is_stale(now);
        let open = self.reporters_that_count(service, now) >= self.policy.quorum.max(1);
        let lease = self.view.lease(&self.policy.region, service);
        Verdict {
            open: open && !stale,
            stale,
            reporters: self.view.reporters(service, None, self.policy.max_staleness, now).collect(),
            standing: self.mine.get(service).map_or(Standing::Agrees, |mine| mine.standing),
            prober: lease.map(|(lease, seen)| Prober {
                by: lease.holder,
                state: lease.state,
                age: seen.quiet(now),
            }),
        }
    }

    /// How long ago the store was read; `None`: it never was.
    #[must_use]
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        self.pace.read.map(|read| now.since(read))
    }

    /// The time from one look at the store to the next, as long as it is throttling.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.pace.interval
    }

    /// The services that somebody reports, or whose breaker here is not simply closed.
    #[must_use]
    pub fn services(&self) -> Vec<&str> {
        let all = self.view.reported().chain(self.mine.keys().map(String::as_str));
        let all: Sorted<_, _> = all.map(|name| (name, ())).collect();
        all.into_entries().map(|(name, ())| name).collect()
    }
}
