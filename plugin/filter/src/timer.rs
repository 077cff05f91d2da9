//! Timer callbacks: which calls they make, and what is written down once in a while.
//!
//! Every worker ticks, and the main thread too. Who makes a call is settled in the shared store,
//! by a lease; who finds it taken has nothing to do.

use breaker::{Breaker, StateName, UnixTime};

use crate::CalloutRequest;
use crate::budget;
use crate::effects::Effects;
use crate::filter::Filter;
use crate::headers::Headers;
use crate::health::PendingCheck;
use crate::host::Host;
use crate::notify::PendingNotification;
use crate::random::scrambled;
use crate::store::{ServiceHandle, Update};
use crate::telemetry::Metric;

/// How far behind `last_success_time` may fall before it is written.
const SUCCESS_LAG_NANOS: u64 = 500_000_000;

/// A call to be made: a health check, or a notification.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that is taken is made, or reported as failed"]
pub struct Callout {
    kind: Kind,
    /// The call to make.
    pub callout: CalloutRequest,
}

impl Callout {
    /// Parts with the call, and keeps what is needed to report its answer.
    pub fn into_parts(self) -> (PendingCallout, CalloutRequest) {
        (PendingCallout(self.kind), self.callout)
    }
}

/// A call whose answer is not there yet.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that is taken is made, or reported as failed"]
pub struct PendingCallout(Kind);

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Check(PendingCheck),
    Notification(PendingNotification),
}

/// What a call brought.
#[derive(Debug)]
pub enum CalloutAnswer {
    /// An answer with these headers, `:status` among them.
    Answered(Headers),
    /// No answer: refused, timed out, or cut off.
    Failed,
    /// The call could not be made: the proxy has no such cluster.
    UnknownCluster,
}

impl CalloutAnswer {
    /// The HTTP status, if there is one.
    fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(headers) => headers.status(),
            Self::Failed | Self::UnknownCluster => None,
        }
    }
}

impl Filter {
    /// Takes the calls that are due, and writes down what may lag.
    pub fn on_tick(&self, host: &impl Host, effects: &mut Effects) -> Vec<Callout> {
        self.witness.tick();
        budget::count_skipped(effects);
        self.learn_names(host, effects);
        self.learn_names_of_clients(host, effects);
        let mut callouts = Vec::new();
        for record in self.records() {
            record.write_events(host, effects);
            record.adopt(host, effects);
            let Ok(breaker) = record.reload(host, effects) else {
                if !self.forget_if_gone(&record, host, effects) {
                    effects.count(Metric::LostUpdates);
                }
                continue;
            };
            // Whoever stored a record has set the gauges, but the last to set them need not be the
            // last to have stored. This is what makes them agree once all is at rest.
            record.gauges(&breaker, host, effects);
            if record.instance.succeeded.replace(false) {
                write_success(&record, &breaker, host, effects);
            }
            write_tally(&record, host, effects);
            if let Some(bulkhead) = &record.service.bulkhead {
                record.renew_places(bulkhead, host, effects);
            }
            bound_waits(&record, &breaker, host, effects);
            let check = record.take_check(&breaker, host, effects);
            let callout = |(pending, callout)| Callout { kind: Kind::Check(pending), callout };
            callouts.extend(check.map(callout));
        }
        let notifications = self.take_notifications(host, effects);
        let callout = |(pending, callout)| Callout { kind: Kind::Notification(pending), callout };
        callouts.extend(notifications.into_iter().map(callout));
        callouts
    }

    /// Writes down what a call brought.
    pub fn on_callout_answer(
        &self,
        pending: PendingCallout,
        answer: &CalloutAnswer,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        let status = answer.status();
        let is_unknown = matches!(answer, CalloutAnswer::UnknownCluster);
        match pending.0 {
            Kind::Check(check) if is_unknown => self.on_nobody_to_check(check, host, effects),
            Kind::Check(check) => self.on_checked(check, status, host, effects),
            Kind::Notification(notification) => {
                if let Some(notify) = self.config.notify.as_ref().filter(|_| is_unknown) {
                    self.on_unknown_cluster(&notify.cluster, host, effects);
                }
                let taken = status.is_some_and(|status| (200..300).contains(&status));
                self.on_notified(&notification, taken, host, effects);
            }
        }
    }
}

/// A success on the clean path is not written at once. Here it is, once for all workers.
fn write_success(
    record: &ServiceHandle<'_>,
    seen: &Breaker,
    host: &impl Host,
    effects: &mut Effects,
) {
    let now = host.now().wall;
    let last = seen.status(record.service.policy.mode).last_success.map_or(0, UnixTime::as_nanos);
    if now.as_nanos().saturating_sub(last) < SUCCESS_LAG_NANOS {
        return;
    }
    let _ = record.update(host, effects, |breaker| {
        breaker.note_success(now);
        Update::Changed((), None)
    });
}

/// Waits that are longer than any may be are cut short, though nobody calls.
fn bound_waits(
    record: &ServiceHandle<'_>,
    seen: &Breaker,
    host: &impl Host,
    effects: &mut Effects,
) {
    match seen.state() {
        // Its ramp is for calls alone.
        StateName::Closed => return,
        // Who looks whether a health check is due does the same.
        StateName::Open if record.service.probe.is_some() => return,
        _ => {}
    }
    let policy = &record.service.policy;
    let mut bounded = seen.clone();
    bounded.bound(policy, host.now().monotonic);
    if bounded != *seen {
        let _ = record.update(host, effects, |breaker| {
            breaker.bound(policy, host.now().monotonic);
            Update::Changed((), None)
        });
    }
}

/// Good calls that this worker has kept to itself.
fn write_tally(record: &ServiceHandle<'_>, host: &impl Host, effects: &mut Effects) {
    let tally = record.tally();
    if tally.is_empty() {
        return;
    }
    let policy = &record.service.policy;
    let written = record.update(host, effects, |breaker| {
        let now = host.now();
        breaker.merge(policy, &tally, now.monotonic);
        let transition = breaker.evaluate(policy, now, scrambled(now.monotonic.as_nanos()));
        Update::Changed(breaker.next_tally(&tally), transition)
    });
    if let Ok(next) = written {
        record.set_tally(next);
    }
}
