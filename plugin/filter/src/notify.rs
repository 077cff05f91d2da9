//! Notifications: each transition is posted to the operator's endpoint as a CloudEvent.
//!
//! One worker at a time takes the events that are due, by a lease in the shared [outbox]; what
//! was not taken well is posted again, and given up after as many retries as are configured. A
//! worker that vanishes in between is followed by another, so that an event may be posted twice, and
//! its id tells.

mod outbox;

use self::outbox::{FORMAT, Outbox, Taken};
use crate::CalloutRequest;
use crate::config::Notify;
use crate::effects::Effects;
use crate::events::{Ring, View};
use crate::filter::Filter;
use crate::host::{Host, SwapError};
use crate::store::ATTEMPTS;
use crate::telemetry::{Metric, NotificationResult};
use crate::unreadable::Unreadable;

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/events/outbox";

/// A notification whose answer is not there yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PendingNotification {
    epoch: u64,
    number: u64,
    attempt: u8,
}

/// CloudEvents 1.0, in structured mode.
#[derive(serde::Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'static str,
    r#type: &'static str,
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'static str,
    data: &'a View<'a>,
}

impl Filter {
    /// Begins with what happens from now on, unless another worker has.
    pub(crate) fn open_outbox(&self, host: &impl Host) {
        if self.config.notify.is_none() || !matches!(host.load(KEY), Ok(None)) {
            return;
        }
        if let Ok(ring) = self.events(host) {
            // Another was faster; or it is lost, and begins with what there is.
            let _ = host.swap(KEY, &Outbox::after(ring.epoch(), ring.next()).encode(), None);
        }
    }

    /// Takes the notifications that are due.
    pub(crate) fn take_notifications(
        &self,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Vec<(PendingNotification, CalloutRequest)> {
        let Some(notify) = &self.config.notify else {
            return Vec::new();
        };
        for _ in 0..ATTEMPTS {
            let Ok(stored) = host.load(KEY) else {
                break;
            };
            let now = host.now().monotonic;
            let version = stored.as_ref().map(|(_, version)| *version);
            let outbox = stored.as_ref().and_then(|(bytes, _)| Outbox::decode(bytes));
            if let (Some((bytes, version)), None) = (&stored, &outbox) {
                let problem = &"outbox";
                let value =
                    Unreadable { bytes, version: *version, known: FORMAT, service: None, problem };
                if !self.outbox.may_replace(&value, host, effects) {
                    return Vec::new();
                }
            }
            if outbox.as_ref().is_some_and(|outbox| outbox.is_busy(notify, now)) {
                return Vec::new();
            }
            let Ok(ring) = self.events(host) else {
                break;
            };
            // Lost, it begins anew with what there is.
            let begun = || Outbox::after(ring.epoch(), ring.oldest());
            let mut outbox = outbox.unwrap_or_else(begun);
            let Some(taken) = outbox.take(&ring, notify, now) else {
                return Vec::new();
            };
            match host.swap(KEY, &outbox.encode(), version) {
                Ok(()) => return calls(notify, &ring, &outbox, taken, effects),
                Err(SwapError::Conflict) => {}
                Err(SwapError::Fault(_)) => break,
            }
        }
        effects.count(Metric::LostUpdates);
        Vec::new()
    }

    /// Writes down whether a notification was taken.
    pub(crate) fn on_notified(
        &self,
        pending: &PendingNotification,
        taken: bool,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        if taken {
            effects.count(Metric::Notifications(NotificationResult::Delivered));
        }
        let PendingNotification { epoch, number, attempt } = *pending;
        for _ in 0..ATTEMPTS {
            let Ok(Some((bytes, version))) = host.load(KEY) else {
                break;
            };
            let Some(mut outbox) = Outbox::decode(&bytes) else {
                break;
            };
            let now = host.now().monotonic;
            if !outbox.answered(epoch, number, attempt, taken, now) {
                return;
            }
            match host.swap(KEY, &outbox.encode(), Some(version)) {
                Ok(()) => return,
                Err(SwapError::Conflict) => {}
                Err(SwapError::Fault(_)) => break,
            }
        }
        // It is posted again when the lease is over.
        effects.count(Metric::LostUpdates);
    }
}

/// The calls to make.
fn calls(
    notify: &Notify,
    ring: &Ring,
    outbox: &Outbox,
    taken: Taken,
    effects: &mut Effects,
) -> Vec<(PendingNotification, CalloutRequest)> {
    for _ in 0..taken.dropped {
        effects.count(Metric::Notifications(NotificationResult::Dropped));
    }
    for _ in 0..taken.given_up {
        effects.count(Metric::Notifications(NotificationResult::Failed));
    }
    if taken.dropped > 0 || taken.given_up > 0 {
        effects.warn(format!(
            "event=notifications_lost dropped={} given_up={} cluster={}",
            taken.dropped, taken.given_up, notify.cluster
        ));
    }
    let (epoch, attempt) = (ring.epoch(), outbox.attempt());
    let call = |number: u64| {
        let event = ring.view(number)?;
        let body = CloudEvent {
            specversion: "1.0",
            id: &event.id,
            source: "/edge-breaker",
            r#type: "edge-breaker.transition",
            subject: event.service_name,
            time: &event.time,
            datacontenttype: "application/json",
            data: &event,
        };
        let callout = CalloutRequest {
            cluster: notify.cluster.clone(),
            headers: notify.headers.clone(),
            // Nothing in it can fail to serialise.
            body: serde_json::to_vec(&body).unwrap_or_default(),
            timeout: notify.timeout,
        };
        Some((PendingNotification { epoch, number, attempt }, callout))
    };
    taken.numbers.into_iter().filter_map(call).collect()
}
