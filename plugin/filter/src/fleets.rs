//! What a fleet has breakers do, and what they tell it: by the timer, and never on the way of a request.

use std::time::Duration;

use breaker::{Breaker, Now, Reason, StateName};

use ::fleet::{Advice, By, CheckSaid, NextCheck, Opened, Own};

use crate::callout::CalloutRequest;
use crate::effects::Effects;
use crate::fleet::{Asked, Heard, Member};
use crate::handle::ServiceHandle;
use crate::host::Host;
use crate::random::scrambled;
use crate::services::Services;
use crate::store::Update;

/// How far what a record says of the last success may lag behind it.
const SUCCESS_LAG: Duration = Duration::from_secs(1);

impl Services {
    /// This worker's part in the fleet of a service; `None`: it takes no part. A name that is made of
    /// requests would let a client write to the store.
    fn member_of(&self, handle: &ServiceHandle<'_>) -> Option<&Member> {
        let takes_part = handle.service.in_fleet && handle.service.name.is_plain();
        self.member.as_ref().filter(|_| takes_part)
    }

    /// The breakers that are to be looked at, if this worker has the fleet's lease.
    pub(crate) fn watched(&self, host: &dyn Host, effects: &mut Effects) -> Vec<ServiceHandle<'_>> {
        let Some(member) = &self.member else {
            return Vec::new();
        };
        if member.take_part(host, effects) {
            // What it had left to do as one among others is not all there is now.
            self.handles().for_each(|handle| handle.instance.local.look_again());
        }
        member.watched().iter().filter_map(|name| self.named(name)).collect()
    }

    /// Tells a breaker's fleet how it is, and does what it says. `false`: its health check is not to be made
    /// here and now.
    pub(crate) fn follow(
        &self,
        handle: &ServiceHandle<'_>,
        breaker: &Breaker,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> bool {
        let Some(member) = self.member_of(handle) else {
            return true;
        };
        let now = host.now();
        let own = own_of(handle, breaker, now);
        let Heard { advice, may_check } = member.observe(&handle.instance.name, own, now.monotonic);
        let Some(advice) = advice else {
            return may_check;
        };
        let policy = &handle.service.policy;
        let random = scrambled(now.monotonic.as_nanos());
        let moved = handle.update(host, effects, |breaker| {
            let transition = match advice {
                Advice::Open { .. } => breaker.open_by_fleet(policy, now, random),
                Advice::HalfOpen => breaker.half_open_by_fleet(policy, now.monotonic),
            };
            let own = own_of(handle, breaker, now);
            match transition {
                None => Update::Unchanged(own),
                Some(_) => Update::Changed(own, transition),
            }
        });
        if let Ok(own) = moved {
            let _ = member.observe(&handle.instance.name, own, now.monotonic);
        }
        false
    }

    /// Tells a service's fleet what its health check said.
    pub(crate) fn tell_of_check(
        &self,
        handle: &ServiceHandle<'_>,
        said: Option<CheckSaid>,
        host: &dyn Host,
    ) {
        if let Some((member, said)) = self.member_of(handle).zip(said) {
            member.checked(&handle.instance.name, said, host.now().monotonic);
        }
    }

    /// What is to be asked of the store now.
    pub(crate) fn ask_store(
        &self,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<(Asked, CalloutRequest)> {
        let member = self.member.as_ref()?;
        let now = host.now();
        member.show_age(now.monotonic, effects);
        if self.config.admin.is_some() {
            member.show(now, host, effects);
        }
        member.ask(now.monotonic)
    }

    /// The store has answered, or not.
    pub(crate) fn on_store_answer(
        &self,
        asked: &Asked,
        status: Option<u16>,
        body: &[u8],
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        if let Some(member) = &self.member {
            member.answered(asked, status, body, host.now(), effects);
        }
    }
}

/// What a breaker tells its fleet.
fn own_of(handle: &ServiceHandle<'_>, breaker: &Breaker, now: Now) -> Own {
    let policy = &handle.service.policy;
    if !breaker.takes_part(policy, now.monotonic) {
        return Own::Aside;
    }
    let status = breaker.status(policy.mode);
    match status.state {
        StateName::Closed => {
            let ago = |at: breaker::UnixTime| {
                let ago = now.wall.as_nanos().saturating_sub(at.as_nanos());
                let ago = Duration::from_nanos(ago).saturating_sub(SUCCESS_LAG);
                before(now, ago)
            };
            Own::Closed { succeeded: status.last_success.map(ago) }
        }
        StateName::HalfOpen => Own::HalfOpen,
        StateName::Open => Own::Open(Opened {
            generation: status.generation,
            by: match status.trip_reason {
                Some(Reason::Fleet) => By::Fleet,
                _ => By::Itself,
            },
            check: policy.health_check.as_ref().map(|check| NextCheck {
                interval: check.interval,
                due: breaker.next_check(policy).unwrap_or_default(),
            }),
            until: status.opened_at.unwrap_or_default().after(policy.open.max_wait),
        }),
        StateName::ForcedOpen | StateName::Disabled | StateName::MetricsOnly => Own::Aside,
    }
}

fn before(now: Now, ago: Duration) -> breaker::Timestamp {
    let nanos = u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX);
    breaker::Timestamp::from_nanos(now.monotonic.as_nanos().saturating_sub(nanos))
}
