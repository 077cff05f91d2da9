//! Whether services take traffic, for a load balancer's health check.

use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::host::Host;
use crate::response::reply::Reply;
use crate::services::Services;

#[derive(serde::Serialize)]
struct Health {
    healthy: bool,
    services: usize,
    open: usize,
}

/// That of one service.
pub(super) fn of(handle: &ServiceHandle<'_>, host: &impl Host, effects: &mut Effects) -> Reply {
    reply(1, usize::from(!takes_traffic(handle, host, effects)))
}

/// That of all of them.
pub(super) fn of_all(services: &Services, host: &impl Host, effects: &mut Effects) -> Reply {
    let (mut count, mut open) = (0_usize, 0_usize);
    for handle in services.handles() {
        count = count.saturating_add(1);
        open = open.saturating_add(usize::from(!takes_traffic(&handle, host, effects)));
    }
    reply(count, open)
}

fn reply(services: usize, open: usize) -> Reply {
    let healthy = open == 0;
    Reply::json(if healthy { 200 } else { 503 }, &Health { healthy, services, open })
}

/// Whether calls reach the service, if only a few of them. A record that cannot be read stops no
/// call, and says nothing here either.
fn takes_traffic(handle: &ServiceHandle<'_>, host: &impl Host, effects: &mut Effects) -> bool {
    handle.state(host, effects).is_none_or(breaker::StateName::takes_traffic)
}
