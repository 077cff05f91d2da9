//! The life of one request: admitted or diverted here, judged by its [answer] and settled once.
//!
//! An admitted call is settled when the answer's head shows that it failed, or else when all of the
//! answer has come, or its stream has ended without. Settling takes the permit out of the exchange,
//! so that there is no second time.

mod admission;
mod answer;
mod completion;
mod diverted;
mod head;
mod passing;
mod replace;

use breaker::{DivertReason, Permit, StateName, Timestamp};

use self::admission::{Arriving, Entry, Standing};
pub use self::answer::Piece;
use self::diverted::Diverted;
pub use self::head::AnswerHead;
use self::passing::Passing;
pub(crate) use self::replace::Failed;
use self::replace::Pending;
pub use self::replace::{REPLACED_STATUS, Replacement, Substitute, TrailersVerdict, Way};
use crate::bulkhead::Place;
use crate::classify::{Course, Head};
use crate::config::{ExposeState, OnFull, Service};
use crate::effects::Effects;
use crate::filter::Filter;
use crate::headers::{
    self, CLUSTER_HEADER, Facts, Headers, OwnHeaders, OwnResponseHeaders, REASON_HEADER,
    SERVICE_HEADER, STATE_HEADER,
};
use crate::host::{Host, Property};
use crate::instances::Number;
use crate::matching::name_of;
use crate::naming::Placeholder;
use crate::registry::Nameless;
use crate::replay::{Bounds, Capture};
use crate::reply::{Reply, ResponseAnnotations};
use crate::stale::{Copy, Wanted};
use crate::store::{Lost, ServiceHandle};
use crate::subject::Subject;
use crate::telemetry::{FallbackKind, Metric, ServiceMetric};
use crate::{CalloutRequest, admin};

const GRPC_STATUS: &str = "grpc-status";

/// What is remembered of one request.
#[derive(Debug, Default)]
pub struct Exchange {
    phase: Phase,
    /// What is given back when the answer or the stream has ended, however the call was settled.
    held: Option<Held>,
}

/// A place of a service's bulkhead.
#[derive(Debug)]
struct Held {
    breaker: Number,
    place: Place,
}

/// A request.
struct Asked<'a> {
    headers: &'a Headers,
    facts: &'a Facts<'a>,
    /// Whether its head is all of it.
    complete: bool,
}

/// Where a request belongs.
struct Found<'a> {
    record: ServiceHandle<'a>,
    /// The class of its bulkhead.
    class: usize,
}

/// Told by a byte of its own: one that lies within a call takes each callback longer to look at.
#[derive(Debug, Default)]
#[repr(u8)]
enum Phase {
    /// Nothing is left to be done: left alone, answered, or settled.
    #[default]
    Idle,
    /// The fallback cluster answers, through the route.
    Diverted(Diverted),
    /// The service answers, and its answer counts.
    Admitted(Call),
    /// The service failed, and the fallback cluster is asked in its stead.
    Replaying(Replaying),
    /// Another answer takes the place of the failed one. Its body, until it is there.
    Replaced(Option<Box<Pending>>),
}

/// A failed answer that is held back while the fallback cluster is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replaying {
    /// The metrics that it is counted in.
    pub(crate) service: usize,
    /// The state to tell.
    pub(crate) state: StateName,
    /// What the answer itself says of the breaker, and may not.
    pub(crate) foreign: OwnResponseHeaders,
    pub(crate) failed: Failed,
}

/// An admitted call.
#[derive(Debug)]
pub(crate) struct Call {
    breaker: Number,
    permit: Permit,
    protocol: Protocol,
    /// What a replay needs of the request.
    capture: Option<Capture>,
    /// By what an answer would be kept, or one that was kept given.
    wanted: Option<Box<Wanted>>,
    /// The answer, as it is being kept.
    copy: Option<Box<Copy>>,
    /// Whether all of the request has come.
    complete: bool,
    /// Whether the client set terms of its own that can be why a time was over.
    own_terms: bool,
    /// Since when the service has all of the request, if it matters how long it takes.
    began: Option<Timestamp>,
    /// The head of the answer, once it has come.
    head: Option<AnswerHead>,
    /// What has passed of its body.
    passing: Passing,
    /// Whether its head was long in coming, once it has come. What follows may take its time: it
    /// is a stream, perhaps.
    slow: Option<bool>,
    /// Whether its head makes it what most calls are: good, and settled by an end alone.
    plain: bool,
}

/// Whether the route, and with it the cluster, was chosen by the client's own header: the proxy
/// chooses another only after this callback.
fn is_steered(facts: &Facts<'_>) -> bool {
    facts.own.has_cluster()
}

/// What the request asks for, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    /// The same, and no more than a head is asked for.
    Head,
    Grpc,
    /// A tunnel, in the stream of this request.
    Connect,
    /// Another protocol, in the stream of this request, if the service agrees.
    Upgrade,
}

/// What becomes of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RequestVerdict {
    /// Headers to remove before all else: a client's own copies of the filter's.
    pub remove: OwnHeaders,
    /// What is done then.
    pub action: RequestAction,
}

/// What is done with a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum RequestAction {
    /// It goes on.
    #[default]
    Continue,
    /// It goes on with these headers, and its route is chosen anew.
    Divert(Vec<(&'static str, String)>),
    /// It is answered.
    Reply(Reply),
}

/// What becomes of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum ResponseVerdict {
    /// It goes on, and tells this.
    Continue(ResponseAnnotations),
    /// It is held back until this call is answered. If the call cannot be made, it goes on.
    Ask(CalloutRequest),
    /// This takes its place.
    Replace(Substitute),
}

impl Filter {
    /// Decides on a request when its headers have come, and begins its exchange.
    pub fn on_request(
        &self,
        exchange: &mut Exchange,
        headers: Headers,
        end_of_stream: bool,
        host: &impl Host,
        effects: &mut Effects,
    ) -> RequestVerdict {
        self.witness.meet();
        let facts = headers.facts();
        let remove = facts.own;
        let verdict = |action| RequestVerdict { remove, action };
        if let Some(reply) = admin::answer(self, &headers, &facts, host, effects) {
            return verdict(RequestAction::Reply(reply));
        }
        let Some(Found { mut record, class }) = self.find_service(&headers, &facts, host, effects)
        else {
            return verdict(RequestAction::Continue);
        };
        let protocol = Protocol::of(&facts);
        let complete = end_of_stream || protocol.is_of_both_sides(&headers);
        let arriving = Arriving { class, complete };
        let mut entry = record.enter(arriving, host, effects);
        if let Entry::Gone = entry {
            let Some(anew) = self.enter_anew(arriving, &headers, &facts, host, effects) else {
                return verdict(RequestAction::Continue);
            };
            (record, entry) = anew;
        }
        let service = record.service;
        match entry {
            Entry::Gone | Entry::Unguarded => verdict(RequestAction::Continue),
            Entry::Admitted(permit, place) => {
                let shortest = service.classify.min_client_deadline;
                let own_terms = protocol.terms(&headers, &facts).may_end_early(shortest);
                let timed = complete && service.slow_after.is_some();
                let breaker = record.instance.number;
                exchange.held = place.map(|place| Held { breaker, place });
                exchange.phase = Phase::Admitted(Call {
                    breaker,
                    permit,
                    protocol,
                    wanted: self.held(service, protocol, &headers, &facts, end_of_stream),
                    capture: self.capture(service, protocol, headers, end_of_stream),
                    copy: None,
                    complete,
                    own_terms,
                    began: timed.then(|| host.now().monotonic),
                    head: None,
                    passing: Passing::default(),
                    slow: None,
                    plain: false,
                });
                verdict(RequestAction::Continue)
            }
            Entry::Diverted(reason, standing) => {
                let asked = Asked { headers: &headers, facts: &facts, complete: end_of_stream };
                verdict(self.divert(exchange, &record, (reason, standing), &asked, host, effects))
            }
        }
    }

    /// What becomes of a request that does not go to its service.
    #[inline(never)]
    fn divert(
        &self,
        exchange: &mut Exchange,
        record: &ServiceHandle<'_>,
        (reason, standing): (DivertReason, Standing),
        Asked { headers, facts, complete }: &Asked<'_>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> RequestAction {
        self.watch_timer(host, effects);
        let (number, service) = (record.number, record.service);
        if rejects(service, reason) {
            return RequestAction::Reply(self.rejection(reason, standing, host));
        }
        let Some(cluster) = &service.fallback.cluster else {
            let wanted = wanted(service, Protocol::of(facts), headers, facts, *complete);
            let (reply, kind) = match self.stale(record, wanted.as_ref(), host) {
                Some(stale) => (stale, FallbackKind::Stale),
                None => (reply(service, reason, standing, host), FallbackKind::Response),
            };
            effects.count_of(number, ServiceMetric::Fallback(kind));
            let reply = reply.telling(self.config.expose_state, standing.state, kind);
            return RequestAction::Reply(reply);
        };
        effects.count_of(number, ServiceMetric::Fallback(FallbackKind::Cluster));
        let breaker = record.instance.number;
        exchange.phase = Phase::Diverted(Diverted { breaker, reason, standing });
        RequestAction::Divert(vec![
            (CLUSTER_HEADER, cluster.name.clone()),
            (SERVICE_HEADER, record.instance.name.clone()),
            (STATE_HEADER, standing.state.name().to_owned()),
            (REASON_HEADER, reason.name().to_owned()),
        ])
    }

    /// Takes a piece of the request's body, `len` bytes long. `bytes` are asked for only if the
    /// exchange wants them; `None`: they cannot be had.
    pub fn on_request_body(
        &self,
        exchange: &mut Exchange,
        len: usize,
        end_of_stream: bool,
        bytes: impl FnOnce() -> Option<Vec<u8>>,
    ) {
        if let Phase::Admitted(call) = &mut exchange.phase {
            if let Some(wanted) = &mut call.wanted
                && !wanted.go_on(len, end_of_stream)
            {
                call.wanted = None;
            }
            if let Some(capture) = call.capture.take()
                && let Some(bounds) = self.bounds(call.breaker)
            {
                call.capture = capture.take(len, end_of_stream, bounds, bytes);
            }
        }
    }

    /// All of the request has come: the last piece of its body, or its trailers. An answer replaces
    /// whatever would have come of it.
    pub fn on_request_end(
        &self,
        exchange: &mut Exchange,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<Reply> {
        if let Phase::Admitted(call) = &mut exchange.phase
            && !call.complete
        {
            call.complete = true;
            let service = self.config.services.get(self.record(call.breaker)?.instance.service)?;
            call.began = service.slow_after.map(|_| host.now().monotonic);
        }
        self.complete_places(exchange, host, effects)
    }

    /// What a replay needs of a request, where failed calls are sent again.
    #[inline(always)]
    fn capture(
        &self,
        service: &Service,
        protocol: Protocol,
        headers: Headers,
        complete: bool,
    ) -> Option<Capture> {
        let wanted = service.fallback.cluster.is_some()
            && service.fallback.on_failure
            && protocol.is_plain();
        wanted.then(|| Capture::begin(headers, complete, self.config.max_copied_bytes)).flatten()
    }

    fn bounds(&self, number: Number) -> Option<Bounds> {
        let cluster = self.record(number)?.service.fallback.cluster.as_ref()?;
        Some(Bounds { body: cluster.max_request_bytes, all: self.config.max_copied_bytes })
    }

    /// What a request asks for, where answers are kept, until it is answered.
    #[inline(always)]
    fn held(
        &self,
        service: &Service,
        protocol: Protocol,
        headers: &Headers,
        facts: &Facts<'_>,
        complete: bool,
    ) -> Option<Box<Wanted>> {
        let wanted = wanted(service, protocol, headers, facts, complete)?;
        wanted.held(self.config.max_copied_bytes).map(Box::new)
    }

    /// Asks once more for a request whose name had made room: it has a breaker again.
    #[cold]
    #[inline(never)]
    fn enter_anew(
        &self,
        arriving: Arriving,
        headers: &Headers,
        facts: &Facts<'_>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<(ServiceHandle<'_>, Entry)> {
        let Found { record, .. } = self.find_service(headers, facts, host, effects)?;
        let entry = record.enter(arriving, host, effects);
        if let Entry::Gone = entry {
            // Names make room so fast that it has already.
            effects.count(Metric::Unprotected);
        }
        Some((record, entry))
    }

    fn find_service(
        &self,
        headers: &Headers,
        facts: &Facts<'_>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<Found<'_>> {
        let mut cluster = None;
        if self.needs_cluster {
            if is_steered(facts) {
                effects.count(Metric::Steered);
            } else {
                cluster = host.property(Property::ClusterName);
            }
        }
        let subject = Subject { headers, facts, cluster: cluster.as_deref() };
        let service = self.service_of(&subject)?;
        let bulkhead = self.config.services.get(service)?.bulkhead.as_ref();
        let class = bulkhead.map_or(0, |it| it.class_of(&subject));
        let number = match self.instances.of_service(service) {
            Some(number) => number,
            None => self.find_made(service, facts, cluster, host, effects)?,
        };
        Some(Found { record: self.record(number)?, class })
    }

    /// The number of the breaker whose name is made of what is known of the request. One that has
    /// no breaker is left alone, and counted.
    #[inline(never)]
    fn find_made(
        &self,
        service: usize,
        facts: &Facts<'_>,
        mut cluster: Option<Vec<u8>>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<Number> {
        let template = &self.config.services.get(service)?.name;
        let name = template.make(|part| match part {
            Placeholder::Host => facts.authority.map(|it| name_of(it).to_ascii_lowercase()),
            Placeholder::Cluster | Placeholder::Route if is_steered(facts) => None,
            Placeholder::Cluster => cluster.take().or_else(|| host.property(Property::ClusterName)),
            Placeholder::Route => host.property(Property::RouteName),
        });
        let Some(name) = name else {
            effects.count(Metric::Unnamed);
            return None;
        };
        let met = match template.is_of_clients() {
            true => self.meet_client(service, &name, host, effects),
            false => self.meet(service, &name, host, effects),
        };
        match met {
            Ok(number) => return Some(number),
            Err(Nameless::Full) => effects.count(Metric::BeyondBound),
            Err(Nameless::Lost(lost)) => {
                if lost == Lost::Race {
                    effects.count(Metric::LostUpdates);
                }
                effects.count(Metric::Unprotected);
            }
        }
        None
    }

    /// An answer that was kept for this request, if there is one.
    fn stale(
        &self,
        record: &ServiceHandle<'_>,
        wanted: Option<&Wanted>,
        host: &impl Host,
    ) -> Option<Reply> {
        let wanted = wanted.filter(|wanted| wanted.is_whole())?;
        record.stale_answer(record.service.fallback.stale.as_ref()?, wanted, host)
    }

    /// What a call is told that gets no fallback either.
    fn rejection(&self, reason: DivertReason, standing: Standing, host: &impl Host) -> Reply {
        let reply = Reply::unavailable(reason, standing.retry_at, host.now());
        match self.config.expose_state {
            ExposeState::Always => reply.with(STATE_HEADER, standing.state.name()),
            ExposeState::Fallback | ExposeState::Never => reply,
        }
    }
}

/// What a request asks for, where answers are kept.
#[inline(always)]
fn wanted(
    service: &Service,
    protocol: Protocol,
    headers: &Headers,
    facts: &Facts<'_>,
    complete: bool,
) -> Option<Wanted> {
    let kept = service.fallback.stale.is_some() && protocol.is_plain();
    kept.then(|| Wanted::of(headers, facts, complete)).flatten()
}

/// What answers a diverted call where nothing else does.
fn reply(service: &Service, reason: DivertReason, standing: Standing, host: &impl Host) -> Reply {
    match &service.fallback.response {
        Some(response) => Reply::configured(response),
        None => Reply::unavailable(reason, standing.retry_at, host.now()),
    }
}

/// Whether calls that are diverted for a reason get no fallback.
fn rejects(service: &Service, reason: DivertReason) -> bool {
    let on_full = service.bulkhead.as_ref().map(|bulkhead| bulkhead.on_full);
    reason == DivertReason::Bulkhead && on_full == Some(OnFull::Reject)
}

impl Call {
    /// Whether an answer that begins now is slow.
    fn is_slow(&self, service: &Service, host: &impl Host) -> bool {
        match (self.began, service.slow_after) {
            (Some(began), Some(limit)) => host.now().monotonic.since(began) >= limit,
            _ => false,
        }
    }

    /// What the answer's head says, given gRPC's status in its trailers, if there is one.
    fn judged_head(&self, trailer: Option<u8>) -> Head {
        let Some(head) = self.head else {
            return Head::None;
        };
        let grpc = (self.protocol == Protocol::Grpc).then(|| head.grpc(trailer)).flatten();
        grpc.map_or(Head::Http(head.status), |code| Head::Grpc(head.status, code))
    }

    fn course(&self, host: &impl Host) -> Course {
        Course {
            complete: self.complete,
            own_terms: self.own_terms,
            answered: self.head.is_some(),
            trial: self.permit.is_trial(),
            tunnel: matches!(self.protocol, Protocol::Connect | Protocol::Upgrade),
            endless: self.head.is_some_and(|head| head.is_endless()),
            flow: self.passing.flow(host),
        }
    }
}

impl Protocol {
    /// Whether what follows the head is no request any more, but a stream of both sides. What
    /// announces a body has one, whatever it would like to become.
    fn is_of_both_sides(self, headers: &Headers) -> bool {
        let has = |name: &[u8]| headers.get(name).is_some();
        matches!(self, Self::Connect | Self::Upgrade)
            && !has(b"content-length")
            && !has(b"transfer-encoding")
    }

    #[inline(always)]
    fn of(facts: &Facts<'_>) -> Self {
        if facts.content_type.and_then(headers::grpc_flavour).is_some() {
            Self::Grpc
        } else if facts.method == Some(b"CONNECT") {
            Self::Connect
        } else if facts.upgrade {
            Self::Upgrade
        } else if facts.method == Some(b"HEAD") {
            Self::Head
        } else {
            Self::Http
        }
    }

    /// Whether a request has one answer, which another may take the place of.
    const fn is_plain(self) -> bool {
        matches!(self, Self::Head | Self::Http)
    }

    /// The terms that a request sets for itself.
    #[inline(always)]
    fn terms(self, headers: &Headers, facts: &Facts<'_>) -> headers::Terms {
        let mut terms = facts.terms;
        if self == Self::Grpc
            && let Some(timeout) = headers.get(b"grpc-timeout")
        {
            terms.note_grpc_timeout(timeout);
        }
        terms
    }
}
