//! One configuration at work.

use std::cell::Cell;
use std::time::Duration;

use crate::config::{Config, Service};
use crate::effects::Effects;
use crate::host::Host;
use crate::store;

/// The longest time between two ticks: half of what `last_success_time` may lag.
const LONGEST_TICK: Duration = Duration::from_millis(500);
const SHORTEST_TICK: Duration = Duration::from_millis(5);

/// One configuration at work on one worker.
///
/// All that workers have to agree on is in the shared store; what is kept here may be lost with
/// the worker at any time.
#[derive(Debug)]
pub struct Filter {
    pub(crate) config: Config,
    /// Whether matching needs the name of the upstream cluster.
    pub(crate) needs_cluster: bool,
    /// Which services have answered well since the last tick.
    pub(crate) succeeded: Vec<Cell<bool>>,
}

impl Filter {
    /// Puts a configuration to work, and creates the records that do not exist yet. Those that do
    /// are left as they are: every worker, and every update of the configuration, comes here.
    pub fn new(config: Config, host: &impl Host, effects: &mut Effects) -> Self {
        for service in &config.services {
            store::ensure(host, service, effects);
        }
        Self {
            needs_cluster: config.services.iter().any(|service| service.matches.needs_cluster()),
            succeeded: config.services.iter().map(|_| Cell::new(false)).collect(),
            config,
        }
    }

    /// The names of the services, in the order of their numbers.
    pub fn service_names(&self) -> impl Iterator<Item = &str> {
        self.config.services.iter().map(|service| service.name.as_str())
    }

    /// How often [`on_tick`](Self::on_tick) wants to be called.
    #[must_use]
    pub fn tick_period(&self) -> Duration {
        let checks = self.config.services.iter().filter_map(|s| s.policy.health_check.as_ref());
        let waits = checks.flat_map(|check| {
            [Some(check.interval), check.retry.as_ref().map(|retry| retry.interval)]
        });
        let shortest = waits.flatten().min().unwrap_or(LONGEST_TICK);
        (shortest / 4).clamp(SHORTEST_TICK, LONGEST_TICK)
    }

    pub(crate) fn service(&self, number: usize) -> Option<&Service> {
        self.config.services.get(number)
    }

    pub(crate) fn note_success(&self, service: usize) {
        if let Some(succeeded) = self.succeeded.get(service) {
            succeeded.set(true);
        }
    }
}
