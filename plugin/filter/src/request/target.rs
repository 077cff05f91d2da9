//! Which breaker a request belongs to.

use crate::dynamic::listed::Nameless;
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::headers::{Facts, Headers};
use crate::host::Host;
use crate::instances::Number;
use crate::request::subject::Subject;
use crate::services::Services;
use crate::telemetry::{ModuleMetric, Unprotected};
use config::matching::name_of;
use config::naming::Placeholder;
use shared::Lost;

/// Where a request belongs.
pub(crate) struct Target<'a> {
    pub(crate) handle: ServiceHandle<'a>,
    /// The partition of its bulkhead, counted from one; zero: none.
    pub(crate) partition: usize,
}

/// Whether the route, and with it the cluster, was chosen by the client's own header: the proxy
/// chooses another only after this callback.
#[inline]
fn has_clients_route(facts: &Facts<'_>) -> bool {
    facts.reserved.has_cluster()
}

impl Services {
    /// The breaker of a request; `None`: it has none, which is counted if it should have one.
    #[inline]
    pub(crate) fn target(
        &self,
        headers: &Headers,
        facts: &Facts<'_>,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<Target<'_>> {
        let mut cluster = None;
        if self.needs_cluster {
            if has_clients_route(facts) {
                effects.count(ModuleMetric::Unprotected(Unprotected::ClientHeader));
            } else {
                cluster = host.cluster();
            }
        }
        let subject = Subject { headers, facts, cluster: cluster.as_deref() };
        let service = self.service_of(&subject)?;
        let bulkhead = self.config.services.get(service)?.bulkhead.as_ref();
        let partition = bulkhead.map_or(0, |it| it.class_of(&subject));
        let number = match self.instances.of_service(service) {
            Some(number) => number,
            None => self.dynamic(service, facts, cluster, host, effects)?,
        };
        Some(Target { handle: self.handle(number)?, partition })
    }

    /// The breaker of a dynamic service, whose name is made of what is known of the request.
    #[inline(never)]
    fn dynamic(
        &self,
        service: usize,
        facts: &Facts<'_>,
        mut cluster: Option<Vec<u8>>,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<Number> {
        let template = &self.config.services.get(service)?.name;
        let name = template.make(|part| match part {
            Placeholder::Host => facts.authority.map(|it| name_of(it).to_ascii_lowercase()),
            Placeholder::Cluster | Placeholder::Route if has_clients_route(facts) => None,
            Placeholder::Cluster => cluster.take().or_else(|| host.cluster()),
            Placeholder::Route => host.route(),
        });
        let Some(name) = name else {
            effects.count(ModuleMetric::Unprotected(Unprotected::Unnamed));
            return None;
        };
        match self.register(service, &name, host, effects) {
            Ok(number) => return Some(number),
            Err(Nameless::Full) => {
                effects.count(ModuleMetric::Unprotected(Unprotected::MaxServices));
            }
            Err(Nameless::Lost(lost)) => {
                if lost == Lost::Race {
                    effects.count(ModuleMetric::LostUpdates);
                }
                effects.count(ModuleMetric::Unprotected(Unprotected::Store));
            }
        }
        None
    }
}
