//! The services of one configuration, and their breakers.

use crate::clusters::UnknownClusters;
use crate::dynamic::ClientNamed;
use crate::dynamic::listed::{Listed, Nameless, Seen};
use crate::effects::Effects;
use crate::fleet::Member;
use crate::handle::ServiceHandle;
use crate::history::Historian;
use crate::host::{Host, define};
use crate::instances::{Instances, Number, Shown};
use crate::notify::Notifier;
use crate::recent::Audience;
use crate::request::subject::Subject;
use crate::rounds::Rounds;
use crate::telemetry::ModuleMetric;
use crate::watched::Watched;
use config::matching::Index;
use config::{Config, Service};

/// The services of one configuration on one worker.
///
/// All that workers have to agree on is in the shared store; what is kept here may be lost with
/// the worker at any time.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) config: Config,
    /// Whether matching needs the name of the upstream cluster.
    pub(crate) needs_cluster: bool,
    /// Whether the host can run a request again.
    pub(crate) can_rerun: bool,
    /// `None`: there are few services.
    index: Option<Index>,
    pub(crate) instances: Instances,
    pub(crate) rounds: Rounds,
    /// Its calls that are under way.
    pub(crate) watched: Watched,
    seen: Seen,
    pub(crate) notifier: Notifier,
    pub(crate) historian: Historian,
    pub(crate) audience: Audience,
    /// Its part in the fleet; `None`: there is none.
    pub(crate) member: Option<Member>,
    unknown_clusters: UnknownClusters,
}

impl Services {
    /// Puts a configuration to work, and creates the records that do not exist yet. Those that do
    /// are left as they are: every worker, and every update of the configuration, comes here.
    pub(crate) fn new(config: Config, host: &dyn Host, effects: &mut Effects) -> Self {
        let services = Self {
            needs_cluster: config.services.iter().any(Service::needs_cluster),
            can_rerun: host.can_rerun(),
            index: Index::new(config.services.iter().map(|service| &service.matches)),
            instances: Instances::new(&config),
            rounds: Rounds::new(&config, host),
            watched: Watched::default(),
            seen: Seen::default(),
            notifier: Notifier::default(),
            historian: Historian::new(&config),
            audience: Audience::default(),
            member: Member::new(&config),
            unknown_clusters: UnknownClusters::default(),
            config,
        };
        for handle in services.handles() {
            define(handle.number, &handle.instance.name, host);
        }
        services.client_named().for_each(|named| named.define_shared(host));
        if services.config.admin.is_some() {
            services.audience.announce(host);
        }
        let is_shown = services.audience.is_there(true, host);
        for handle in services.handles() {
            handle.instance.recent.is_shown.set(is_shown);
            handle.ensure(host, effects);
        }
        services.listed().learn(host, effects);
        services.client_named().for_each(|named| named.take_over(host, effects));
        services.learn_client_named(host, effects);
        if services.config.notify.is_some() {
            services.notifier.open(host);
        }
        services
    }

    /// The dynamic services named by the proxy's own words.
    pub(crate) fn listed(&self) -> Listed<'_> {
        Listed { config: &self.config, instances: &self.instances, seen: &self.seen }
    }

    /// The client-named services, by their templates.
    fn client_named(&self) -> impl Iterator<Item = ClientNamed<'_>> {
        (0..self.config.services.len()).filter_map(|service| self.client_named_by(service))
    }

    fn client_named_by(&self, service: usize) -> Option<ClientNamed<'_>> {
        ClientNamed::of(&self.config, &self.instances, service)
    }

    /// Learns which of them there are now. It costs nothing where there are none.
    pub(crate) fn learn_client_named(&self, host: &dyn Host, effects: &mut Effects) {
        for named in self.client_named() {
            if named.learn(host, effects).is_err() {
                effects.count(ModuleMetric::LostUpdates);
            }
        }
    }

    /// Drops a breaker if its name is known to have made room; whether it has.
    pub(crate) fn forget_if_gone(
        &self,
        record: &ServiceHandle<'_>,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> bool {
        if let Shown::Slot(instance) = &record.instance
            && instance.is_gone()
            && let Some(named) = self.client_named_by(instance.service)
        {
            named.forget(instance, host, effects);
        }
        record.instance.is_gone()
    }

    /// The breaker of a dynamic service, which may be new.
    pub(crate) fn register(
        &self,
        service: usize,
        name: &str,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<Number, Nameless> {
        match self.client_named_by(service) {
            Some(named) => named.register(name, host, effects),
            None => self.listed().register(service, name, host, effects),
        }
    }

    /// The proxy has no such cluster, though this configuration names it.
    pub(crate) fn on_unknown_cluster(&self, cluster: &str, host: &dyn Host, effects: &mut Effects) {
        self.unknown_clusters.note(cluster, &self.config, host, effects);
    }

    /// The handles of all services there are now.
    pub(crate) fn handles(&self) -> impl Iterator<Item = ServiceHandle<'_>> {
        self.instances.all().filter_map(|instance| self.handle_of(instance))
    }

    /// The handle of a service; `None`: it was evicted.
    #[inline(always)]
    pub(crate) fn handle(&self, number: Number) -> Option<ServiceHandle<'_>> {
        self.handle_of(self.instances.get(number)?)
    }

    #[inline(always)]
    pub(crate) fn handle_of<'a>(&'a self, instance: Shown<'a>) -> Option<ServiceHandle<'a>> {
        ServiceHandle::of(&self.config.services, instance)
    }

    /// The number of the first service that a request matches.
    #[inline]
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

    /// The handle of the service of this name.
    pub(crate) fn named(&self, name: &str) -> Option<ServiceHandle<'_>> {
        self.handle(self.instances.named(name)?)
    }
}
