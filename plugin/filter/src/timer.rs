//! Timer callbacks: which calls they make, and what is written down once in a while.
//!
//! Every worker ticks, and the main thread too. Who makes a call is settled in the shared store,
//! by a lease; who finds it taken has nothing to do.

use breaker::{Breaker, CheckTicket, StateName, UnixTime};

use crate::callout::CalloutRequest;
use crate::effects::Effects;
use crate::fleet::Asked;
use crate::handle::ServiceHandle;
use crate::headers::Headers;
use crate::host::Host;
use crate::instances::Number;
use crate::notify::PendingNotification;
use crate::random::scrambled;
use crate::services::Services;
use crate::store::Update;
use crate::telemetry::ModuleMetric;

/// How far behind `last_success_time` may fall before it is written.
const SUCCESS_LAG_NANOS: u64 = 500_000_000;

/// A longer answer of a fleet's store is refused: one byte more shows that it is.
const MOST_WANTED: usize = ::fleet::dialect::MAX_BODY + 1;

/// A call to be made: a health check, a notification, or a question to the store of a fleet.
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

impl PendingCallout {
    /// How much of the body of the answer matters, in bytes.
    #[must_use]
    pub const fn wanted_body(&self) -> usize {
        match self.0 {
            Kind::Store(_) => MOST_WANTED,
            Kind::Check(..) | Kind::Notification(_) => 0,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// Of this breaker.
    Check(Number, CheckTicket),
    Notification(PendingNotification),
    /// To the store of the fleet.
    Store(Asked),
}

/// What a call brought.
#[derive(Debug)]
pub enum CalloutAnswer {
    /// An answer with these headers, `:status` among them, and as much of its body as
    /// [matters](PendingCallout::wanted_body).
    Answered(Headers, Vec<u8>),
    /// No answer: refused, timed out, or cut off.
    Failed,
    /// The call could not be made: the proxy has no such cluster.
    UnknownCluster,
}

impl CalloutAnswer {
    /// The HTTP status, if there is one.
    fn status(&self) -> Option<u16> {
        match self {
            Self::Answered(headers, _) => headers.status(),
            Self::Failed | Self::UnknownCluster => None,
        }
    }

    fn body(&self) -> &[u8] {
        match self {
            Self::Answered(_, body) => body,
            Self::Failed | Self::UnknownCluster => &[],
        }
    }
}

impl Services {
    /// Takes the calls that are due, and writes down what may lag.
    pub(crate) fn on_tick(&self, host: &dyn Host, effects: &mut Effects) -> Vec<Callout> {
        self.tell_overdue(host, effects);
        let mut callouts = Vec::new();
        if self.member.is_some() {
            self.sync_fleet(&mut callouts, host, effects);
        }
        self.attend_all(&mut callouts, host, effects);
        callouts
    }

    /// Takes this worker's part in the fleet, if it is the one that does.
    #[inline(never)]
    fn sync_fleet(&self, callouts: &mut Vec<Callout>, host: &dyn Host, effects: &mut Effects) {
        for handle in self.watched(host, effects) {
            callouts.extend(self.look(&handle, host, effects));
        }
        let asked = self.ask_store(host, effects);
        callouts
            .extend(asked.map(|(asked, callout)| Callout { kind: Kind::Store(asked), callout }));
    }

    fn attend_all(&self, callouts: &mut Vec<Callout>, host: &dyn Host, effects: &mut Effects) {
        if !self.rounds.begins(host) {
            let open = self.rounds.take_open();
            for handle in open.iter().filter_map(|number| self.handle(*number)) {
                callouts.extend(self.attend(&handle, false, host, effects));
            }
            self.rounds.set_open(open);
            return;
        }
        self.listed().learn(host, effects);
        self.learn_client_named(host, effects);
        let mut open = Vec::new();
        let is_shown = self.audience.is_there(self.rounds.asks_again(), host);
        for (place, handle) in self.handles().enumerate() {
            handle.instance.recent.is_shown.set(is_shown);
            callouts.extend(self.attend(&handle, self.rounds.reads(place), host, effects));
            if handle.instance.local.is_checked() {
                open.push(handle.instance.number);
            }
        }
        self.rounds.set_open(open);
        self.keep_histories(host, effects);
        if let Some(notify) = &self.config.notify {
            for (pending, callout) in self.notifier.take(notify, host, effects) {
                callouts.push(Callout { kind: Kind::Notification(pending), callout });
            }
        }
    }

    /// Does for a breaker what is due. `read`: its record is read in any case.
    fn attend(
        &self,
        handle: &ServiceHandle<'_>,
        read: bool,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<Callout> {
        let instance = &handle.instance;
        instance.warned.reset();
        instance.unwritten.write(host, effects);
        if let Some(recent) = handle.recent() {
            recent.write(host, effects);
        }
        handle.sync(host, effects);
        if let Some(permits) = handle.permits() {
            permits.renew(read, host, effects);
        }
        if let Some(answers) = handle.answers() {
            answers.bound_again(host, effects);
        }
        let kept = instance.succeeded.get() || handle.has_tally();
        if !read && !kept && handle.is_at_rest(host) {
            return None;
        }
        self.look(handle, host, effects)
    }

    /// Reads a breaker's record, and does what is due by it.
    #[inline(never)]
    fn look(
        &self,
        handle: &ServiceHandle<'_>,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<Callout> {
        let instance = &handle.instance;
        let Ok(breaker) = handle.reload(host, effects) else {
            instance.local.look_again();
            if !self.forget_if_gone(handle, host, effects) {
                effects.count(ModuleMetric::LostUpdates);
            }
            return None;
        };
        let version = instance.local.version();
        // Whoever stored a record has set the gauges, but the last to set them need not be the
        // last to have stored. This is what makes them agree once all is at rest.
        let still = handle.gauges(&breaker, host, effects);
        instance.local.rest(version.filter(|_| still), breaker.next_check(&handle.service.policy));
        if instance.succeeded.replace(false) {
            write_success(handle, &breaker, host, effects);
        }
        write_tally(handle, host, effects);
        let may_check = self.follow(handle, &breaker, host, effects);
        bound_waits(handle, &breaker, may_check, host, effects);
        if !may_check {
            return None;
        }
        let (ticket, callout) = handle.take_check(&breaker, host, effects)?;
        Some(Callout { kind: Kind::Check(instance.number, ticket), callout })
    }

    /// Writes down what a call brought.
    pub(crate) fn on_callout_answer(
        &self,
        pending: PendingCallout,
        answer: &CalloutAnswer,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        let status = answer.status();
        let is_unknown = matches!(answer, CalloutAnswer::UnknownCluster);
        match pending.0 {
            Kind::Check(number, ticket) => {
                let Some(handle) = self.handle(number) else {
                    return;
                };
                if !is_unknown {
                    let said = handle.finish_check(ticket, status, host, effects);
                    return self.tell_of_check(&handle, said, host);
                }
                if let Some(probe) = &handle.service.probe {
                    self.on_unknown_cluster(&probe.cluster, host, effects);
                }
                handle.skip_check(ticket, host, effects);
            }
            Kind::Notification(notification) => {
                if let Some(notify) = self.config.notify.as_ref().filter(|_| is_unknown) {
                    self.on_unknown_cluster(&notify.cluster, host, effects);
                }
                let taken = status.is_some_and(|status| (200..300).contains(&status));
                self.notifier.answered(&notification, taken, host, effects);
            }
            Kind::Store(asked) => {
                if let Some(fleet) = self.config.fleet.as_ref().filter(|_| is_unknown) {
                    self.on_unknown_cluster(&fleet.cluster, host, effects);
                }
                self.on_store_answer(&asked, status, answer.body(), host, effects);
            }
        }
    }
}

/// A success on the clean path is not written at once. Here it is, once for all workers.
fn write_success(
    handle: &ServiceHandle<'_>,
    seen: &Breaker,
    host: &dyn Host,
    effects: &mut Effects,
) {
    let now = host.now().wall;
    let last = seen.status(handle.service.policy.mode).last_success.map_or(0, UnixTime::as_nanos);
    if now.as_nanos().saturating_sub(last) < SUCCESS_LAG_NANOS {
        return;
    }
    let _ = handle.update(host, effects, |breaker| {
        breaker.note_success(now);
        Update::Changed((), None)
    });
}

/// Waits that are longer than any may be are cut short, though nobody calls.
fn bound_waits(
    handle: &ServiceHandle<'_>,
    seen: &Breaker,
    may_check: bool,
    host: &dyn Host,
    effects: &mut Effects,
) {
    match seen.state() {
        // Its ramp is for calls alone.
        StateName::Closed => return,
        // Who looks whether a health check is due does the same.
        StateName::Open if may_check && handle.service.probe.is_some() => return,
        _ => {}
    }
    let policy = &handle.service.policy;
    let mut bounded = seen.clone();
    bounded.bound(policy, host.now().monotonic);
    if bounded != *seen {
        let _ = handle.update(host, effects, |breaker| {
            breaker.bound(policy, host.now().monotonic);
            Update::Changed((), None)
        });
    }
}

/// Good calls that this worker has kept to itself.
fn write_tally(handle: &ServiceHandle<'_>, host: &dyn Host, effects: &mut Effects) {
    if !handle.has_tally() {
        return;
    }
    let (policy, tally) = (&handle.service.policy, handle.instance.local.tally());
    let written = handle.update(host, effects, |breaker| {
        let now = host.now();
        let random = scrambled(now.monotonic.as_nanos());
        let merged = breaker.merge(policy, &tally, now, random);
        let transition = breaker.evaluate(policy, now, random).or(merged);
        Update::Changed(breaker.next_tally(&tally), transition)
    });
    if let Ok(next) = written {
        handle.instance.local.set_tally(next);
    }
}
