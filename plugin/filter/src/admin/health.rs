//! Whether services take traffic, for a load balancer's health check.

use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::host::Host;
use crate::json::Fields;
use crate::response::reply::Reply;
use crate::services::Services;

/// That of one service.
pub(super) fn of(handle: &ServiceHandle<'_>, host: &dyn Host, effects: &mut Effects) -> Reply {
    reply(1, u32::from(!takes_traffic(handle, host, effects)))
}

/// That of all of them.
pub(super) fn of_all(services: &Services, host: &dyn Host, effects: &mut Effects) -> Reply {
    let (mut count, mut open) = (0_u32, 0_u32);
    for handle in services.handles() {
        count = count.saturating_add(1);
        open = open.saturating_add(u32::from(!takes_traffic(&handle, host, effects)));
    }
    reply(count, open)
}

fn reply(services: u32, open: u32) -> Reply {
    let healthy = open == 0;
    let mut body = Fields::new();
    body.flag("healthy", healthy);
    body.number("services", services.into());
    body.number("open", open.into());
    Reply::json(if healthy { 200 } else { 503 }, &body.end())
}

/// Whether calls reach the service, if only a few of them. A record that cannot be read stops no
/// call, and says nothing here either.
fn takes_traffic(handle: &ServiceHandle<'_>, host: &dyn Host, effects: &mut Effects) -> bool {
    handle.state(host, effects).is_none_or(breaker::StateName::takes_traffic)
}
