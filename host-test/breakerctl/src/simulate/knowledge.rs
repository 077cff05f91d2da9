//! What the adaptive rule knew in the course of a replay, from the records in the shared store.

use std::fmt;
use std::time::Duration;

use host_test_proxy_wasm::Process;
use rules::{AdaptiveReport, Watched};

use crate::trace::Call;

/// Of a plugin whose configuration names none.
const VM_ID: &str = "";
/// How often it is looked at in the time of all calls.
const LOOKS: u32 = 400;

/// What was seen of each service with the rule.
#[derive(Default)]
pub(super) struct Knowledge {
    pub(super) seen: Vec<Seen>,
    every: Duration,
    next: Duration,
}

/// What the rule went by at some times, in seconds.
pub(super) struct Seen {
    watched: Watched,
    pub(super) reports: Vec<(f64, AdaptiveReport)>,
}

impl Seen {
    pub(super) fn service(&self) -> &str {
        &self.watched.service
    }
}

impl Knowledge {
    /// Nothing yet, of the services of a configuration that the module has accepted.
    pub(super) fn of(configuration: &[u8], calls: &[Call]) -> Self {
        let watched = Watched::all(configuration).unwrap_or_default().into_iter();
        let seen = watched.map(|watched| Seen { watched, reports: Vec::new() }).collect();
        let last = calls.iter().map(|call| call.at + call.took).max().unwrap_or_default();
        Self { seen, every: last / LOOKS, next: Duration::ZERO }
    }

    /// Looks at the records, if it is time to.
    pub(super) fn update(&mut self, at: Duration, process: &Process) {
        if at < self.next {
            return;
        }
        self.next = at + self.every;
        let now = u64::try_from(process.monotonic().as_nanos()).unwrap_or(u64::MAX);
        for Seen { watched, reports } in &mut self.seen {
            let stored = process.shared_data(VM_ID, watched.key().as_bytes());
            let report = stored.and_then(|(record, _)| watched.report(&record, now));
            reports.extend(report.map(|report| (at.as_secs_f64(), report)));
        }
    }
}

impl fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.seen.iter().map(Seen::service)).finish()
    }
}
