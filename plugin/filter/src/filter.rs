//! One configuration at work: what a shell calls, composed of what each feature does.

use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use crate::admin::warn_without_token;
use crate::config::Config;
use crate::doubts;
use crate::effects::Effects;
use crate::host::Host;
use crate::services::Services;
use crate::witness::Witness;

/// The longest time between two ticks: half of what `last_success_time` may lag.
const LONGEST_TICK: Duration = Duration::from_millis(500);
const SHORTEST_TICK: Duration = Duration::from_millis(5);

/// One configuration at work on one worker.
#[derive(Debug)]
pub struct Filter {
    services: Services,
    pub(crate) witness: Witness,
}

impl Deref for Filter {
    type Target = Services;

    #[inline(always)]
    fn deref(&self) -> &Services {
        &self.services
    }
}

impl Filter {
    /// Puts a configuration to work, and creates the records that do not exist yet. Those that do
    /// are left as they are: every worker, and every update of the configuration, comes here.
    pub fn new(config: Config, host: &impl Host, effects: &mut Effects) -> Self {
        let witness = Witness::new(host.now().monotonic);
        let services = Services::new(config, host, effects);
        if let Some(admin) = &services.config.admin {
            warn_without_token(admin, host, effects);
        }
        doubts::warn(&services.config.doubts, host, effects);
        Self { services, witness }
    }

    /// The names of the breakers there are, in the order in which they came to be; then those that clients
    /// have a say in. More may follow, and these make room for each other.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.instances.all().map(|instance| instance.name.clone())
    }

    /// What the metrics of this number are named after: a breaker, or the template of those that have no
    /// metrics of their own.
    #[must_use]
    pub fn series_name(&self, series: usize) -> Option<Rc<str>> {
        self.instances.series_name(series)
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
}
