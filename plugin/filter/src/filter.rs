//! One configuration at work.

use std::cell::Cell;
use std::time::Duration;

use crate::config::{Config, Service};
use crate::effects::Effects;
use crate::host::Host;
use crate::store::{Memory, Record};

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
    /// What this worker keeps of each service.
    local: Vec<Local>,
}

/// What one worker keeps of a service.
#[derive(Debug)]
struct Local {
    memory: Memory,
    /// Whether it has answered well since the last tick.
    succeeded: Cell<bool>,
}

impl Local {
    fn new(service: &Service) -> Self {
        Self { memory: Memory::new(service), succeeded: Cell::default() }
    }
}

impl Filter {
    /// Puts a configuration to work, and creates the records that do not exist yet. Those that do
    /// are left as they are: every worker, and every update of the configuration, comes here.
    pub fn new(config: Config, host: &impl Host, effects: &mut Effects) -> Self {
        let filter = Self {
            needs_cluster: config.services.iter().any(Service::needs_cluster),
            local: config.services.iter().map(Local::new).collect(),
            config,
        };
        for record in filter.records() {
            record.ensure(host, effects);
        }
        filter
    }

    /// The records of all services, in the order of their numbers.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let services = self.config.services.iter().zip(&self.local).enumerate();
        services.map(|(number, (service, local))| Record { number, service, memory: &local.memory })
    }

    /// The record of a service.
    pub(crate) fn record(&self, number: usize) -> Option<Record<'_>> {
        let service = self.config.services.get(number)?;
        let memory = &self.local.get(number)?.memory;
        Some(Record { number, service, memory })
    }

    /// How often [`on_tick`](Self::on_tick) wants to be called.
    #[must_use]
    pub fn tick_period(&self) -> Duration {
        let checks = self.config.services.iter().filter_map(|s| s.policy.health_check.as_ref());
        let waits = checks.flat_map(|check| {
            [Some(check.interval), check.retry.as_ref().map(|retry| retry.interval)]
        });
        let shortest = waits.flatten().min();
        shortest.map_or(LONGEST_TICK, |wait| (wait / 4).clamp(SHORTEST_TICK, LONGEST_TICK))
    }

    pub(crate) fn note_success(&self, number: usize) {
        if let Some(local) = self.local.get(number) {
            local.succeeded.set(true);
        }
    }

    /// Whether a service has answered well since this was last asked.
    pub(crate) fn take_success(&self, number: usize) -> bool {
        self.local.get(number).is_some_and(|local| local.succeeded.replace(false))
    }
}
