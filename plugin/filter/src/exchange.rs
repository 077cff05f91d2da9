//! The life of one request: admitted or diverted, judged by its answer, settled once.
//!
//! An admitted call is settled when its head shows that it failed, or else when its stream has
//! ended, and it is known whether all of the answer came. Settling takes the permit out of the
//! exchange, so that there is no second time.

use std::cell::LazyCell;

use breaker::{Admission, DivertReason, Outcome, Permit, Settlement, StateName, Status};

use crate::classify::{self, Head, Origin};
use crate::config::{ExposeState, Service};
use crate::effects::Effects;
use crate::filter::Filter;
use crate::headers::Headers;
use crate::host::{Host, Property};
use crate::matching::Subject;
use crate::replay::Capture;
use crate::reply::{FALLBACK_HEADER, Reply, STATE_HEADER};
use crate::store::{Complaint, Lost, Record, Update};
use crate::telemetry::{FallbackKind, Metric, ServiceMetric};
use crate::{Callout, admin};

/// The request headers of the contract. Routes match on the first.
pub(crate) const CLUSTER_HEADER: &str = "x-circuit-breaker-cluster";
pub(crate) const SERVICE_HEADER: &str = "x-circuit-breaker-service";
pub(crate) const REASON_HEADER: &str = "x-circuit-breaker-reason";

const GRPC_STATUS: &str = "grpc-status";

const OWN_REQUEST_HEADERS: [&str; 4] =
    [CLUSTER_HEADER, SERVICE_HEADER, STATE_HEADER, REASON_HEADER];

/// What is remembered of one request.
#[derive(Debug, Default)]
pub struct Exchange {
    phase: Phase,
}

#[derive(Debug, Default)]
enum Phase {
    /// Nothing is left to be done: left alone, answered, or settled.
    #[default]
    Idle,
    /// The fallback cluster answers, through the route.
    Diverted { service: usize, state: StateName },
    /// The service answers, and its answer counts.
    Admitted(Call),
    /// The service failed, and the fallback cluster is asked in its stead.
    Replaying { service: usize, state: StateName },
}

/// An admitted call.
#[derive(Debug)]
pub(crate) struct Call {
    service: usize,
    permit: Permit,
    protocol: Protocol,
    /// What a replay needs of the request.
    capture: Option<Box<Capture>>,
    /// The status of the answer, once its head has come.
    status: Option<u16>,
}

/// What the request asks for, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
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
    pub remove: Vec<&'static str>,
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
    /// It goes on, with these headers added.
    Continue(Vec<(&'static str, &'static str)>),
    /// It is held back until this call is answered. If the call cannot be made, it goes on.
    Ask(Callout),
    /// It is replaced.
    Reply(Reply),
}

impl ResponseVerdict {
    const PASS: Self = Self::Continue(Vec::new());
}

impl Filter {
    /// Decides on a request when its headers have come.
    pub fn on_request(
        &self,
        headers: Headers,
        end_of_stream: bool,
        host: &impl Host,
        effects: &mut Effects,
    ) -> (Exchange, RequestVerdict) {
        let mut phase = Phase::Idle;
        let mut remove = Vec::new();
        for (name, _) in headers.iter() {
            let own = OWN_REQUEST_HEADERS.iter().find(|own| own.as_bytes() == name);
            if let Some(own) = own
                && !remove.contains(own)
            {
                remove.push(*own);
            }
        }
        if let Some(reply) = admin::answer(self, &headers, host, effects) {
            let verdict = RequestVerdict { remove, action: RequestAction::Reply(reply) };
            return (Exchange { phase }, verdict);
        }
        let steered = remove.contains(&CLUSTER_HEADER);
        let Some(record) = self.find_service(&headers, steered, host, effects) else {
            return (
                Exchange { phase },
                RequestVerdict { remove, action: RequestAction::Continue },
            );
        };
        let Record { number, service, .. } = record;
        let action = match Self::admit(&record, host, effects) {
            None => RequestAction::Continue,
            Some((Admission::Admitted(permit), _)) => {
                phase = Phase::Admitted(Call::new(number, service, permit, headers, end_of_stream));
                RequestAction::Continue
            }
            Some((Admission::Diverted(reason), status)) => {
                effects.count_of(number, ServiceMetric::NotPermitted(reason));
                if let Some(cluster) = &service.fallback.cluster {
                    phase = Phase::Diverted { service: number, state: status.state };
                    effects.count_of(number, ServiceMetric::Fallback(FallbackKind::Cluster));
                    RequestAction::Divert(vec![
                        (CLUSTER_HEADER, cluster.name.clone()),
                        (SERVICE_HEADER, service.name.clone()),
                        (STATE_HEADER, status.state.name().to_owned()),
                        (REASON_HEADER, reason.name().to_owned()),
                    ])
                } else {
                    effects.count_of(number, ServiceMetric::Fallback(FallbackKind::Response));
                    RequestAction::Reply(self.reply(service, reason, &status, host))
                }
            }
        };
        (Exchange { phase }, RequestVerdict { remove, action })
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
        if let Phase::Admitted(call) = &mut exchange.phase
            && let Some(capture) = &mut call.capture
            && !capture.take(len, end_of_stream, bytes)
        {
            call.capture = None;
        }
    }

    /// Whether the answer is of interest, and [`on_response`](Self::on_response) is to be called.
    #[must_use]
    pub const fn wants_response(&self, exchange: &Exchange) -> bool {
        !matches!(exchange.phase, Phase::Idle)
    }

    /// Judges an answer when its head has come. `status` is `None` if the proxy gave none.
    pub fn on_response(
        &self,
        exchange: &mut Exchange,
        status: Option<u16>,
        end_of_stream: bool,
        host: &impl Host,
        effects: &mut Effects,
    ) -> ResponseVerdict {
        match std::mem::take(&mut exchange.phase) {
            Phase::Idle => ResponseVerdict::PASS,
            Phase::Replaying { service, state } => {
                exchange.phase = Phase::Replaying { service, state };
                ResponseVerdict::PASS
            }
            Phase::Diverted { service, state } => {
                self.check_route(service, host, effects);
                match self.config.expose_state {
                    ExposeState::Never => ResponseVerdict::PASS,
                    ExposeState::Always | ExposeState::Fallback => ResponseVerdict::Continue(vec![
                        (STATE_HEADER, state.name()),
                        (FALLBACK_HEADER, FallbackKind::Cluster.name()),
                    ]),
                }
            }
            Phase::Admitted(call) => {
                let status = status.unwrap_or_default();
                self.on_service_response(exchange, call, status, end_of_stream, host, effects)
            }
        }
    }

    /// Settles whatever is not settled when the stream has ended. Call it as often as you like.
    pub fn on_stream_end(&self, exchange: &mut Exchange, host: &impl Host, effects: &mut Effects) {
        let Phase::Admitted(call) = std::mem::take(&mut exchange.phase) else {
            return;
        };
        let Some(record) = self.record(call.service) else {
            return;
        };
        let code = match call.protocol {
            Protocol::Grpc => {
                host.response_trailer(GRPC_STATUS).or_else(|| host.response_header(GRPC_STATUS))
            }
            Protocol::Connect | Protocol::Http | Protocol::Upgrade => None,
        };
        let head = call.head(code.as_deref());
        let trial = call.permit.is_trial();
        let outcome = record.service.classify.judge(head, Origin::ask(host), trial);
        self.settle(&record, call.permit, outcome, host, effects);
    }

    /// Leaves the replaying phase: which service, and the state to tell.
    pub(crate) fn end_replay(&self, exchange: &mut Exchange) -> Option<(usize, StateName)> {
        match std::mem::take(&mut exchange.phase) {
            Phase::Replaying { service, state } => Some((service, state)),
            phase => {
                exchange.phase = phase;
                None
            }
        }
    }

    fn find_service(
        &self,
        headers: &Headers,
        steered: bool,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<Record<'_>> {
        let mut cluster = None;
        if self.needs_cluster {
            if steered {
                // The route, and with it the cluster, was chosen by the client's own header, and
                // the proxy chooses another only after this callback.
                effects.count(Metric::Steered);
            } else {
                cluster = host.property(Property::ClusterName);
            }
        }
        let subject = Subject { headers, cluster: cluster.as_deref() };
        self.records().find(|record| record.service.matches.matches(&subject))
    }

    /// Asks the service's breaker. A closed one answers from its record alone. `None`: there is
    /// no record to be had, and the breaker must not be what stops traffic.
    fn admit(
        record: &Record<'_>,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<(Admission, Status)> {
        let policy = &record.service.policy;
        let now = LazyCell::new(|| host.now().monotonic);
        let admitted = record.update(host, effects, |breaker| {
            if let Some(permit) = breaker.admit_closed() {
                return Update::Unchanged((Admission::Admitted(permit), breaker.status()));
            }
            let (admission, transition) = breaker.admit(policy, *now);
            Update::Changed((admission, breaker.status()), transition)
        });
        match admitted {
            Ok(admitted) => Some(admitted),
            Err(Lost::Race) => {
                let Ok(breaker) = record.load(host, effects) else {
                    effects.count(Metric::Unprotected);
                    return None;
                };
                let admission = match (breaker.admit_closed(), breaker.state()) {
                    (Some(permit), _) => Admission::Admitted(permit),
                    (None, StateName::Open) => Admission::Diverted(DivertReason::Open),
                    // Who could not take a place has none: a trial too many is worse than a
                    // diverted call.
                    (None, _) => Admission::Diverted(DivertReason::HalfOpen),
                };
                Some((admission, breaker.status()))
            }
            Err(Lost::Store) => {
                effects.count(Metric::Unprotected);
                None
            }
        }
    }

    fn on_service_response(
        &self,
        exchange: &mut Exchange,
        mut call: Call,
        status: u16,
        end_of_stream: bool,
        host: &impl Host,
        effects: &mut Effects,
    ) -> ResponseVerdict {
        let Some(record) = self.record(call.service) else {
            return ResponseVerdict::PASS;
        };
        let service = record.service;
        call.status = Some(status);
        match judge_head(&call, service, end_of_stream, host) {
            Some(outcome @ Outcome::Failure { .. }) => {
                let outcome = with_retry_after(outcome, service, host);
                let (protocol, capture) = (call.protocol, call.capture);
                let state = self.settle(&record, call.permit, outcome, host, effects);
                if let Some(state) = state
                    && protocol == Protocol::Http
                    && service.fallback.on_failure
                    && let Some(verdict) =
                        self.answer_failure(exchange, &record, state, capture, effects)
                {
                    return verdict;
                }
                self.told(|| state)
            }
            Some(outcome) => {
                let state = self.settle(&record, call.permit, outcome, host, effects);
                self.told(|| state)
            }
            None => {
                // The answer is there, and not a failure: the request will not be sent again.
                call.capture = None;
                exchange.phase = Phase::Admitted(call);
                self.told(|| record.load(host, effects).ok().map(|breaker| breaker.state()))
            }
        }
    }

    /// Answers a failed call by the fallback, if that can be done.
    fn answer_failure(
        &self,
        exchange: &mut Exchange,
        record: &Record<'_>,
        state: StateName,
        capture: Option<Box<Capture>>,
        effects: &mut Effects,
    ) -> Option<ResponseVerdict> {
        let (number, service) = (record.number, record.service);
        if let Some(cluster) = &service.fallback.cluster {
            let callout = capture?.callout(cluster, &service.name, state)?;
            exchange.phase = Phase::Replaying { service: number, state };
            return Some(ResponseVerdict::Ask(callout));
        }
        let response = service.fallback.response.as_ref()?;
        effects.count_of(number, ServiceMetric::Fallback(FallbackKind::Response));
        let reply = Reply::configured(response);
        let reply = reply.telling(self.config.expose_state, state, FallbackKind::Response);
        Some(ResponseVerdict::Reply(reply))
    }

    /// Lets an answer pass, with the breaker's state if all answers tell it.
    fn told(&self, state: impl FnOnce() -> Option<StateName>) -> ResponseVerdict {
        let told = self.config.expose_state == ExposeState::Always;
        let state = told.then(state).flatten();
        ResponseVerdict::Continue(state.map(|s| (STATE_HEADER, s.name())).into_iter().collect())
    }

    /// What answers a diverted call where there is no fallback cluster.
    fn reply(
        &self,
        service: &Service,
        reason: DivertReason,
        status: &Status,
        host: &impl Host,
    ) -> Reply {
        let reply = match &service.fallback.response {
            Some(response) => Reply::configured(response),
            None => Reply::unavailable(reason, status, host.now()),
        };
        reply.telling(self.config.expose_state, status.state, FallbackKind::Response)
    }

    /// Writes down what became of a call, and tells the state the breaker is in now. What changes
    /// nothing is only counted.
    fn settle(
        &self,
        record: &Record<'_>,
        permit: Permit,
        outcome: Outcome,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<StateName> {
        effects.count_of(record.number, ServiceMetric::Calls(outcome));
        if outcome == Outcome::Success {
            self.note_success(record.number);
        }
        let policy = &record.service.policy;
        let now = LazyCell::new(|| host.now());
        let settled = record.update(host, effects, |breaker| {
            if breaker.is_unmoved_by(&permit, outcome) {
                return Update::Unchanged(breaker.state());
            }
            let random = scrambled(now.monotonic.as_nanos());
            let transition = match breaker.settle(policy, permit.for_retry(), outcome, *now, random)
            {
                Settlement::Counted(transition) => transition,
                Settlement::Late => None,
            };
            Update::Changed(breaker.state(), transition)
        });
        // What could not be written down has happened all the same, and is told and answered so.
        settled.ok().or_else(|| record.load(host, effects).ok().map(|breaker| breaker.state()))
    }

    /// Says so when a diverted call went to another cluster than it was diverted to: then no
    /// route matches on the header, and the failing service gets the traffic that was to be kept
    /// away from it.
    fn check_route(&self, number: usize, host: &impl Host, effects: &mut Effects) {
        let Some(record) = self.record(number) else {
            return;
        };
        let service = record.service;
        let Some(fallback) = &service.fallback.cluster else {
            return;
        };
        let cluster = host.property(Property::ClusterName);
        if let Some(cluster) = cluster
            && cluster != fallback.name.as_bytes()
        {
            effects.count(Metric::Misrouted);
            if !record.is_news(Complaint::Misrouted) {
                return;
            }
            effects.warn(format!(
                "service={} event=misrouted fallback={} cluster={} remedy=\"add a route that \
                 matches on the header {CLUSTER_HEADER}\"",
                service.name,
                fallback.name,
                String::from_utf8_lossy(&cluster),
            ));
        }
    }
}

impl Call {
    fn new(
        number: usize,
        service: &Service,
        permit: Permit,
        headers: Headers,
        end_of_stream: bool,
    ) -> Self {
        let protocol = Protocol::of(&headers);
        let fallback = &service.fallback;
        let capture = match &fallback.cluster {
            Some(cluster) if fallback.on_failure && protocol == Protocol::Http => {
                let limit = cluster.max_request_bytes;
                Some(Box::new(Capture::new(headers, end_of_stream, limit)))
            }
            _ => None,
        };
        Self { service: number, permit, protocol, capture, status: None }
    }

    fn head<'a>(&self, grpc_status: Option<&'a [u8]>) -> Head<'a> {
        match (self.status, self.protocol) {
            (None, _) => Head::None,
            (Some(status), Protocol::Grpc) => Head::Grpc(status, grpc_status),
            (Some(status), _) => Head::Http(status),
        }
    }
}

impl Protocol {
    fn of(headers: &Headers) -> Self {
        let grpc = headers.get(b"content-type").is_some_and(|value| {
            let rest = value.strip_prefix(b"application/grpc");
            rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
        });
        if grpc {
            Self::Grpc
        } else if headers.method() == Some(b"CONNECT") {
            Self::Connect
        } else if headers.get(b"upgrade").is_some() {
            Self::Upgrade
        } else {
            Self::Http
        }
    }
}

/// What the head of an answer says, if that is all that is waited for: a failure, since the
/// fallback may answer in its stead, and a good answer that has no end of its own. The rest is
/// judged when the stream has ended.
fn judge_head(
    call: &Call,
    service: &Service,
    end_of_stream: bool,
    host: &impl Host,
) -> Option<Outcome> {
    let status = call.status?;
    // Envoy's own replies to gRPC calls are gRPC, too: 200, and a head that is all there is.
    let whole_grpc = call.protocol == Protocol::Grpc && end_of_stream;
    let endless = is_endless(call, status, host);
    if !whole_grpc && !endless && !service.classify.may_have_failed(status) {
        return None;
    }
    let code = whole_grpc.then(|| host.response_header(GRPC_STATUS)).flatten();
    let head = call.head(code.as_deref());
    let outcome = service.classify.judge(head, Origin::ask(host), call.permit.is_trial());
    let settled = endless || whole_grpc || matches!(outcome, Outcome::Failure { .. });
    settled.then_some(outcome)
}

/// Whether a good answer is of a kind that goes on for as long as both sides like: its head is
/// all that says whether the service works. Asked only for trials, whose places others wait for.
fn is_endless(call: &Call, status: u16, host: &impl Host) -> bool {
    const SWITCHING_PROTOCOLS: u16 = 101;
    match (call.protocol, status) {
        (Protocol::Connect, 200..300) | (Protocol::Upgrade, SWITCHING_PROTOCOLS) => true,
        (Protocol::Grpc, _) => false,
        _ => {
            call.permit.is_trial()
                && host
                    .response_header("content-type")
                    .is_some_and(|value| value.starts_with(b"text/event-stream"))
        }
    }
}

fn with_retry_after(outcome: Outcome, service: &Service, host: &impl Host) -> Outcome {
    match outcome {
        Outcome::Failure { .. } if service.policy.open.honor_retry_after => {
            let value = host.response_header("retry-after");
            let asked = value.and_then(|value| classify::retry_after(&value, host.now().wall));
            Outcome::Failure { retry_after: asked }
        }
        outcome => outcome,
    }
}

/// Spreads the bits of a clock reading (the finaliser of SplitMix64): enough for jitter, which
/// must differ between proxies, not be secret.
fn scrambled(nanos: u64) -> u32 {
    let mut bits = nanos.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 32) as u32
}
