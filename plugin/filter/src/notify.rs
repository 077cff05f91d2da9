//! Notifications: each transition is posted to the operator's endpoint as a CloudEvent.
//!
//! One worker at a time takes the events that are due, by a lease in the shared [outbox]; what
//! was not taken well is posted again, and given up after as many retries as are configured. A
//! worker that vanishes in between is followed by another, so that an event may be posted twice, and
//! its id tells.

mod outbox;

use shared::{Cell, Decision, Lost, Watch};

pub(crate) use self::outbox::OutboxKind;
use self::outbox::{Outbox, Taken};
use crate::calendar::rfc3339;
use crate::callout::CalloutRequest;
use crate::effects::Effects;
use crate::events::{self, Ring};
use crate::host::Host;
use crate::json::Fields;
use crate::telemetry::{ModuleMetric, NotificationResult};
use config::Notify;

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/events/outbox";

/// A notification whose answer is not there yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PendingNotification {
    epoch: u64,
    number: u64,
    attempt: u8,
}

/// What one worker keeps of the outbox.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    watch: Watch,
}

impl Notifier {
    fn outbox(&self) -> Cell<'_, OutboxKind> {
        Cell { key: KEY, kind: OutboxKind, watch: &self.watch, service: None }
    }

    /// Begins with what happens from now on, unless another worker has.
    pub(crate) fn open(&self, host: &dyn Host) {
        if matches!(host.load(KEY), Ok(None))
            && let Ok(ring) = events::latest(host)
        {
            // Another was faster; or it is lost, and begins with what there is.
            let _ = host.swap(KEY, &Outbox::after(ring.epoch(), ring.next()).encode(), None);
        }
    }

    /// Takes the notifications that are due.
    pub(crate) fn take(
        &self,
        notify: &Notify,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Vec<(PendingNotification, CalloutRequest)> {
        let taken = self.outbox().update(host, effects, |outbox, _| {
            let now = host.now().monotonic;
            if outbox.as_ref().is_some_and(|outbox| outbox.is_busy(notify, now)) {
                return Decision::Keep(Ok(None));
            }
            let ring = match events::latest(host) {
                Ok(ring) => ring,
                Err(fault) => return Decision::Keep(Err(fault)),
            };
            // Lost, it begins anew with what there is.
            let begun = || Outbox::after(ring.epoch(), ring.oldest());
            let outbox = outbox.get_or_insert_with(begun);
            match outbox.take(&ring, notify, now) {
                None => Decision::Keep(Ok(None)),
                Some(taken) => Decision::Store(Ok(Some((ring, outbox.attempt(), taken)))),
            }
        });
        match taken {
            Ok(Ok(Some((ring, attempt, taken)))) => calls(notify, &ring, attempt, taken, effects),
            Ok(Ok(None)) | Err(Lost::Newer) => Vec::new(),
            Ok(Err(_)) | Err(_) => {
                effects.count(ModuleMetric::LostUpdates);
                Vec::new()
            }
        }
    }

    /// Writes down whether a notification was taken.
    pub(crate) fn answered(
        &self,
        pending: &PendingNotification,
        taken: bool,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        if taken {
            effects.count(ModuleMetric::Notifications(NotificationResult::Delivered));
        }
        let PendingNotification { epoch, number, attempt } = *pending;
        let written = self.outbox().update(host, effects, |outbox, _| {
            let Some(outbox) = outbox else {
                return Decision::Keep(false);
            };
            let now = host.now().monotonic;
            match outbox.answered(epoch, number, attempt, taken, now) {
                true => Decision::Store(true),
                false => Decision::Keep(true),
            }
        });
        // It is posted again when the lease is over.
        if written != Ok(true) {
            effects.count(ModuleMetric::LostUpdates);
        }
    }
}

/// The calls to make.
fn calls(
    notify: &Notify,
    ring: &Ring,
    attempt: u8,
    taken: Taken,
    effects: &mut Effects,
) -> Vec<(PendingNotification, CalloutRequest)> {
    for _ in 0..taken.dropped {
        effects.count(ModuleMetric::Notifications(NotificationResult::Dropped));
    }
    for _ in 0..taken.given_up {
        effects.count(ModuleMetric::Notifications(NotificationResult::Failed));
    }
    if taken.dropped > 0 || taken.given_up > 0 {
        effects.warn(format!(
            "event=notifications_lost dropped={} given_up={} cluster={}",
            taken.dropped, taken.given_up, notify.cluster
        ));
    }
    let epoch = ring.epoch();
    let call = |number: u64| {
        let (id, event) = ring.identified(number)?;
        // CloudEvents 1.0, in structured mode.
        let mut body = Fields::new();
        body.text("specversion", "1.0");
        body.text("id", &id);
        body.text("source", "/edge-breaker");
        body.text("type", "edge-breaker.transition");
        body.text("subject", &event.service);
        body.text("time", &rfc3339(event.at));
        body.text("datacontenttype", "application/json");
        body.add("data", event.json(&id));
        let callout = CalloutRequest {
            cluster: notify.cluster.clone(),
            headers: notify.headers.clone(),
            body: body.end().written().into(),
            timeout: notify.timeout,
        };
        Some((PendingNotification { epoch, number, attempt }, callout))
    };
    taken.numbers.into_iter().filter_map(call).collect()
}
