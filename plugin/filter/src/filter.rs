//! One configuration at work.

use std::rc::Rc;
use std::time::Duration;

use crate::admin::warn_without_token;
use crate::clusters::Complaints;
use crate::config::{Config, Service};
use crate::effects::Effects;
use crate::host::Host;
use crate::instances::{Instances, Number, Shown};
use crate::matching::Index;
use crate::registry::Seen;
use crate::store::ServiceHandle;
use crate::subject::Subject;
use crate::unreadable::Watch;
use crate::warnings;
use crate::witness::Witness;

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
    /// `None`: there are few services.
    index: Option<Index>,
    pub(crate) instances: Instances,
    pub(crate) seen: Seen,
    /// The outbox of notifications, if it could not be read.
    pub(crate) outbox: Watch,
    pub(crate) unknown_clusters: Complaints,
    pub(crate) witness: Witness,
}

impl Filter {
    /// Puts a configuration to work, and creates the records that do not exist yet. Those that do
    /// are left as they are: every worker, and every update of the configuration, comes here.
    pub fn new(config: Config, host: &impl Host, effects: &mut Effects) -> Self {
        let filter = Self {
            needs_cluster: config.services.iter().any(Service::needs_cluster),
            index: Index::new(config.services.iter().map(|service| &service.matches)),
            instances: Instances::new(&config),
            seen: Seen::default(),
            outbox: Watch::default(),
            unknown_clusters: Complaints::default(),
            witness: Witness::new(host.now().monotonic),
            config,
        };
        for record in filter.records() {
            host.define(record.number, &record.instance.name);
        }
        filter.define_shared(host);
        for record in filter.records() {
            record.ensure(host, effects);
        }
        filter.learn_names(host, effects);
        filter.take_over(host, effects);
        filter.learn_names_of_clients(host, effects);
        filter.open_outbox(host);
        if let Some(admin) = &filter.config.admin {
            warn_without_token(admin, host, effects);
        }
        warnings::publish(&filter.config.warnings, host, effects);
        filter
    }

    /// The records of all breakers there are now.
    pub(crate) fn records(&self) -> impl Iterator<Item = ServiceHandle<'_>> {
        self.instances.all().filter_map(|instance| self.record_with(instance))
    }

    /// The record of a breaker; `None`: its name has made room.
    #[inline(always)]
    pub(crate) fn record(&self, number: Number) -> Option<ServiceHandle<'_>> {
        self.record_with(self.instances.get(number)?)
    }

    #[inline(always)]
    pub(crate) fn record_with<'a>(&'a self, instance: Shown<'a>) -> Option<ServiceHandle<'a>> {
        let service = self.config.services.get(instance.service)?;
        Some(ServiceHandle { number: instance.series.get(), instance, service })
    }

    /// The number of the first service that a request matches.
    pub(crate) fn service_of(&self, subject: &Subject<'_>) -> Option<usize> {
        let services = &self.config.services;
        let matches = |number: &usize| {
            services.get(*number).is_some_and(|service| service.matches.matches(subject))
        };
        match &self.index {
            Some(index) => index.candidates(subject).into_iter().find(matches),
            None => (0..services.len()).find(matches),
        }
    }

    /// The record of the breaker of this name.
    pub(crate) fn record_of(&self, name: &str) -> Option<ServiceHandle<'_>> {
        self.record(self.instances.named(name)?)
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
