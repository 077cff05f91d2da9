//! The services of one configuration, and their breakers.

use crate::clusters::Complaints;
use crate::config::{Config, Service};
use crate::effects::Effects;
use crate::host::{Host, define};
use crate::instances::{Instances, Number, Shown};
use crate::matching::Index;
use crate::registry::Seen;
use crate::request::subject::Subject;
use crate::store::ServiceHandle;
use crate::unreadable::Watch;

/// The services of one configuration on one worker.
///
/// All that workers have to agree on is in the shared store; what is kept here may be lost with
/// the worker at any time.
#[derive(Debug)]
pub(crate) struct Services {
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
}

impl Services {
    /// Puts a configuration to work, and creates the records that do not exist yet. Those that do
    /// are left as they are: every worker, and every update of the configuration, comes here.
    pub(crate) fn new(config: Config, host: &impl Host, effects: &mut Effects) -> Self {
        let services = Self {
            needs_cluster: config.services.iter().any(Service::needs_cluster),
            index: Index::new(config.services.iter().map(|service| &service.matches)),
            instances: Instances::new(&config),
            seen: Seen::default(),
            outbox: Watch::default(),
            unknown_clusters: Complaints::default(),
            config,
        };
        for record in services.records() {
            define(record.number, &record.instance.name, host);
        }
        services.define_shared(host);
        for record in services.records() {
            record.ensure(host, effects);
        }
        services.learn_names(host, effects);
        services.take_over(host, effects);
        services.learn_names_of_clients(host, effects);
        services.open_outbox(host);
        services
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
}
