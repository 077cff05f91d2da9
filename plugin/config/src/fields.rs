//! The fields of the configuration: one row each.
//!
//! A row has the field's name, the type that it is read as, what it may be and what is meant where it is
//! left out, and a text that says what it is. From the rows come the reader and its errors, the JSON
//! Schema, the tables of `docs/configuration.md`, and what the generator of scenarios makes up.
//! After a comma stand remarks for the schema, by its keywords, and for the page.
//!
//! A `struct` is read as a whole; of a `shape` the fields are read one by one.

#[macro_use]
mod macros;

use std::num::NonZeroU32;
use std::time::Duration;

use breaker::MAX_PERMITTED_CALLS;

use crate::about::{Described, DescribedWords};
use crate::error::ConfigError;
use crate::field::{
    Default, Field, Kind, Missing, Number, Remedy, Shape, Words, any, count, list, plain_name,
    span, span_to, text,
};
use crate::form::Form;
use crate::headers::Headers;
use crate::reader::{Read, Reader, Refused, needed, refuse};
use crate::status::{GrpcSet, StatusSet};
use crate::value::WindowSize;

/// The most calls that a bulkhead may let be under way.
const MOST_CALLS: u32 = 1_000_000;
/// The most answers that a service may keep.
pub const MOST_STALE_ENTRIES: u32 = 65_536;
/// A factor from 1 to 100, in thousandths.
static FACTOR: Number = Number {
    name: "factor",
    expected: "a factor from 1 to 100, such as 2.0",
    from: 1.0,
    to: 100.0,
    steps: 1_000.0,
};
/// A share from 0 to 100, in whole percent.
static PERCENT: Number = Number {
    name: "percentage",
    expected: "a percentage from 0 to 100",
    from: 0.0,
    to: 100.0,
    steps: 1.0,
};
/// A share over 0 and up to 100 percent, in thousandths of a percent.
static SHARE: Number = Number {
    name: "percentage",
    expected: "a percentage over 0 (at least 0.001) and up to 100",
    from: 0.001,
    to: 100.0,
    steps: 1_000.0,
};
const MIB: u32 = 1024 * 1024;

words! {
    /// When answers tell the breaker's state.
    pub enum ExposeState {
        /// In every answer of a guarded service.
        Always = "always",
        /// In an answer given in the service's stead.
        Fallback = "fallback",
        /// In none.
        Never = "never",
    }

    /// What is done with the breaker's decisions.
    pub(crate) enum Mode {
        /// Calls pass or are diverted, as the breaker decides.
        Enabled = "enabled",
        /// Calls are left alone, and nothing is counted.
        Disabled = "disabled",
        /// All calls are diverted.
        ForcedOpen = "forced_open",
        /// All calls pass; counts and transitions are as if it were enabled.
        MetricsOnly = "metrics_only",
    }

    /// Whether the latest calls are those of a time, or so many.
    pub(crate) enum WindowType {
        /// Those of a time.
        TimeBased = "time_based",
        /// So many.
        CountBased = "count_based",
    }

    /// What a call is that the proxy's own limits refused or ended.
    pub enum Overflow {
        /// A failure of the service.
        Failure = "failure",
        /// It says nothing about the service.
        Ignore = "ignore",
    }

    /// Where a passed health check leads.
    pub(crate) enum Then {
        /// Straight to closed.
        Close = "close",
        /// To trials.
        HalfOpen = "half_open",
    }

    /// What becomes of a call that finds the bulkhead full.
    pub enum OnFull {
        /// It is diverted as if the breaker were open.
        Fallback = "fallback",
        /// It gets 503 and why.
        Reject = "reject",
    }
}

objects! {
    /// The configuration of Edge Breaker. Every field may be left out.
    shape Config CONFIG {
        /// What services have in common: see [defaults](#defaults).
        defaults: any(Kind::Object(&DEFAULTS));
        /// Which answers tell the breaker's state.
        expose_state: any(Kind::Word(&ExposeState::WORDS)).default(Default::Word(1));
        /// The [services](#services) to guard: the first whose `match` fits a request guards it. Left
        /// out, each upstream cluster is one.
        services: list(&Kind::Object(&SERVICE), 1024),
            &[
                ("minItems", "1"), ("default", r#"[{"name": "{cluster}"}]"#),
                ("page default", "one, `{cluster}`"),
            ];
        /// How many breakers [dynamic services](#dynamic-services) may have: all that `{cluster}` and
        /// `{route}` name together, and each service with `{host}`.
        max_services: count(1, 4096).number(1024).remedy(Remedy::Both(&"give "));
        /// How much a worker may [copy](#limits).
        limits: any(Kind::Object(&LIMITS)), &[("page default", "see there")];
        /// Where [transitions are posted](#notify), as CloudEvents. Left out, nowhere.
        notify: any(Kind::Object(&NOTIFY));
        /// Where the [admin API](#admin) answers. Left out, there is none.
        admin: any(Kind::Object(&ADMIN));
    }

    /// How much a worker may hold.
    pub(crate) struct Limits LIMITS {
        /// How many bytes a worker may hold of copies: requests that may have to be sent to a
        /// [fallback](#fallback) cluster, with their headers, answers until they are [kept](#stale), and
        /// those that wait to be [written into a failed one](envoy.md#an-answer-in-a-failed-ones-place).
        /// 0: none. Beyond it calls pass without a copy.
        pub max_copied_bytes: usize = count(0, 256 * MIB).number(32 * MIB).remedy(
            Remedy::Above(&("give at most ", ": a worker's memory has to do for all else, too"))),
            &[("page type", "size"), ("examples", "[33554432]")];
    }

    /// One guarded service.
    shape Service SERVICE {
        /// Names the service in headers, metrics, logs and the admin API, and is the key of its state.
        /// `{cluster}`, `{host}` and `{route}` make it a [dynamic service](#dynamic-services); `{host}` takes
        /// `match.hosts`.
        name: text(Form::Any).missing(Missing::Never),
            &[
                ("minLength", "1"), ("maxLength", "128"),
                ("pattern", r"^([A-Za-z0-9._~-]|\{(cluster|host|route)\})+$"),
                ("examples", r#"["payment-service", "{cluster}"]"#),
                ("page type", "1 to 128 letters, digits, `-`, `_`, `.`, `~`, and `{cluster}`, `{host}`, `{route}`"),
            ];
        /// Which requests belong to it: [match](#match). Left out, every request does.
        r#match: any(Kind::Object(&MATCH)), &[("page default", "every request")];
        /// What is done with the breaker's decisions: [mode](#mode).
        mode: any(Kind::Word(&Mode::WORDS)).default(Default::Word(0));
        /// What opens the breaker: [trip](#trip). A service's own takes the place of the defaults' as a
        /// whole.
        trip: any(Kind::Object(&TRIP)),
            &[
                ("default", r#"{"consecutive_failures": 3}"#),
                ("page default", "3 failures in a row"),
            ];
        /// What counts as a failure: [classify](#classify).
        classify: any(Kind::Object(&CLASSIFY)).missing(Missing::NotNull);
        /// How long it stays open: [open](#open).
        open: any(Kind::Object(&OPEN)).missing(Missing::NotNull);
        /// Which trials close it: [half_open](#half_open).
        half_open: any(Kind::Object(&HALF_OPEN)).missing(Missing::NotNull);
        /// What is asked before it may leave the open state: [health_check](#health_check). Left out, the
        /// wait alone ends it.
        health_check: any(Kind::Object(&HEALTH_CHECK));
        /// Who answers in its stead: [fallback](#fallback). Left out, a diverted call gets 503.
        fallback: any(Kind::Object(&FALLBACK));
        /// How many of its calls may be under way at a time: [bulkhead](#bulkhead).
        bulkhead: any(Kind::Object(&BULKHEAD));
    }

    /// Which requests belong to it: of each kind given one entry must fit, and all kinds given must.
    shape Match MATCH {
        /// `"payments.example.com"` fits that host on any port, `"payments.example.com:8443"` on that one;
        /// `"*.pay.internal"` fits every host below it, not `pay.internal` itself; `"*"` fits any host; both
        /// may have a port, too.
        hosts: list(&Kind::Text(Form::Any), u32::MAX),
            &[
                ("minItems", "1"), ("page type", "list of host names"),
                ("items.pattern", r"^(\*|(\*\.)?[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+)*\.?|\[[0-9A-Fa-f:.]+\]\.?)(:[0-9]+)?$"),
                ("examples", r#"[["payments.example.com", "*.pay.internal", "*.shop.example:8443"]]"#),
            ];
        /// Each begins with a slash; `"/pay"` fits `/pay`, `/pay/7?x=1` and also `/payments`, `"/pay/"` only
        /// what is below. No patterns.
        path_prefixes: list(&Kind::Text(Form::Any), u32::MAX),
            &[
                ("minItems", "1"), ("page type", "list of paths"),
                ("items.pattern", r"^/[A-Za-z0-9/._~!$&'()+,;=:@%-]*$"),
                ("examples", r#"[["/payments"]]"#),
            ];
        /// In capitals, compared to the letter: `["GET", "HEAD"]`.
        methods: list(&Kind::Text(Form::Any), u32::MAX),
            &[
                ("minItems", "1"), ("page type", "list of methods"),
                ("items.pattern", "^[A-Z0-9_-]+$"), ("examples", r#"[["GET", "HEAD"]]"#),
            ];
        /// Headers, one of which has to fit: each has a name and exactly one of `exact`, `prefix` and
        /// `present`.
        headers: list(&Kind::Object(&HEADER_MATCH), u32::MAX), &[("minItems", "1")];
        /// The cluster that the route chose for the request, by the proxy's own name for it; `*` stands
        /// for any characters: `"outbound|80||payments.*"`.
        clusters: list(&Kind::Text(Form::Any), u32::MAX),
            &[
                ("minItems", "1"), ("page type", "list of names with `*`"),
                ("examples", r#"[["payment*"]]"#),
            ];
    }

    /// A header: its name and exactly one of `exact`, `prefix` and `present`.
    shape HeaderMatch HEADER_MATCH {
        /// The name, in upper or lower case.
        name: text(Form::Any).missing(Missing::Never),
            &[("minLength", "1"), ("examples", r#"["x-tenant"]"#)];
        /// A value is this.
        exact: text(Form::Any);
        /// A value begins with this.
        prefix: text(Form::Any);
        /// `true`: the header is there; `false`: it is not.
        present: any(Kind::Flag);
    }

    /// What opens the breaker: any rule that is given does.
    pub(crate) struct TripFields TRIP as "Trip" {
        /// Opens on so many failures with no success between them.
        pub consecutive_failures: Option<NonZeroU32> = count(1, u32::MAX),
            &[("page default", "3, only if `trip` is left out"), ("examples", "[3]")];
        /// Percent. Opens when this share of the latest calls failed, or more.
        pub failure_rate_threshold: Option<u32> = any(Kind::Number(&SHARE)),
            &[
                ("examples", "[50]"),
            ];
        /// Percent. Opens when this share of the latest calls was slow, or more.
        pub slow_call_rate_threshold: Option<u32> = any(Kind::Number(&SHARE)),
            &[
                ("examples", "[80]"),
            ];
        /// A call is slow if its answer took this long to begin, from when the request was complete. Above
        /// zero.
        pub slow_call_duration_threshold: Option<Duration> = span(0),
            &[("page default", "required with the rate"), ("page bounds", "above zero")];
        /// With fewer calls in the window no rate opens. At most what a window over calls holds.
        pub minimum_number_of_calls: Option<NonZeroU32> = count(1, u32::MAX),
            &[
                ("default", "20"),
                ("page default", "20, or the size of a smaller window over calls"),
                ("page bounds", "at least 1, at most what a window over calls holds"),
            ];
        /// Whether the latest calls are those of a time, or so many.
        pub sliding_window_type: Option<WindowType> = any(Kind::Word(&WindowType::WORDS)),
            &[("page default", "as the size tells; `time_based`")];
        /// How far back the latest calls reach: a duration from `1s`, or a number of calls.
        pub sliding_window_size: Option<WindowSize> = any(Kind::Window),
            &[
                ("default", "\"10s\""), ("page default", "`\"10s\"`; 100 if `count_based`"),
                ("page bounds", "1 s to a day; 1 to 1024 calls"), ("minimum", "1"),
                ("maximum", "1024"),
            ];
    }

    /// What counts as a failure. What is neither a failure nor ignored is a success.
    pub struct Classify CLASSIFY {
        /// Answers of the service that are failures.
        pub failure_status: StatusSet =
            any(Kind::Statuses).default(Default::Statuses(&StatusSet::range(500, 599))),
            &[
                ("default", r#"["500", "502-504", "506-599"]"#),
                ("page default", "`[\"500\", \"502-504\", \"506-599\"]`"),
            ];
        /// Answers that say nothing about it; beats `failure_status`.
        pub ignore_status: StatusSet = any(Kind::Statuses).default(Default::Statuses(&StatusSet::NONE)),
            &[("default", r#"["501", "505"]"#), ("page default", "`[\"501\", \"505\"]`")];
        /// gRPC statuses that are failures.
        pub failure_grpc_status: GrpcSet = any(Kind::GrpcStatuses)
            // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS
            .default(Default::GrpcStatuses(GrpcSet::of([2, 4, 13, 14, 15])));
        /// gRPC statuses that say nothing; beats `failure_grpc_status`.
        pub ignore_grpc_status: GrpcSet =
            any(Kind::GrpcStatuses).default(Default::GrpcStatuses(GrpcSet::of([])));
        /// A call that was too late by a deadline of its client's own is a failure only if that deadline
        /// is at least this long. Give more than the slowest good answer of the service takes.
        pub min_client_deadline: Duration = span(0).seconds(5);
        /// What a call is that the proxy's own limits refused or ended: its circuit breaker (`UO`), its
        /// overload manager (`OM`), a drop of overload (`DO`).
        pub overflow: Overflow = any(Kind::Word(&Overflow::WORDS)).default(Default::Word(1));
    }

    /// How long the breaker stays open.
    pub(crate) struct OpenFields OPEN as "Open" {
        /// The earliest end of the open state. Above zero without a health check.
        pub wait_duration: Option<Duration> = span(0),
            &[
                ("default", "\"30s\""), ("page default", "`\"30s\"`; `\"0s\"` with a health check"),
                ("page bounds", "at most a day; above zero without a health check"),
            ];
        /// What each further trip in a row multiplies the wait by, or the health check's `interval` if that
        /// is longer.
        pub backoff_rate: u32 = any(Kind::Number(&FACTOR)).number(2_000);
        /// The longest wait, whatever lengthens it: at least `wait_duration`.
        pub max_wait_duration: Option<Duration> = span(0),
            &[
                ("default", "\"5m\""),
                ("page default", "`\"5m\"`, or `wait_duration` if that is longer"),
                ("page bounds", "at least `wait_duration`, at most a day"),
            ];
        /// Percent. How far each wait is spread to either side, so that many proxies do not come back at
        /// once.
        pub jitter: u8 = any(Kind::Number(&PERCENT)).number(20);
        /// Whether the `Retry-After` of the answer that trips lengthens the wait, or a gRPC answer's
        /// `grpc-retry-pushback-ms`; likewise that of a trial that is turned away.
        pub honor_retry_after: bool = any(Kind::Flag).default(Default::Flag(true));
    }

    /// Which trials close the breaker.
    pub(crate) struct HalfOpenFields HALF_OPEN as "HalfOpen" {
        /// Trials in flight or done in one half-open period, over all workers.
        pub permitted_calls: NonZeroU32 = count(1, MAX_PERMITTED_CALLS).number(1)
            .remedy(Remedy::Above(&("permit at most ", " trials")));
        /// Successful trials that close the breaker: at most `permitted_calls`.
        pub success_threshold: NonZeroU32 = count(1, u32::MAX).number(1),
            &[("maximum", "32"), ("page bounds", "1 to `permitted_calls`")];
        /// After this long a trial without a result gives its slot back, and one that was turned away is
        /// followed by the next.
        pub max_wait_duration: Duration = span(10).seconds(30);
        /// After closing, the share of diverted calls falls steadily from all to none in this time. Zero: no
        /// ramp.
        pub ramp_duration: Duration = span(0).seconds(0);
    }

    /// What is asked before the breaker may leave the open state.
    pub(crate) struct HealthCheckFields HEALTH_CHECK as "HealthCheck" {
        /// Where the check is sent: a cluster of the proxy.
        pub cluster: String = text(Form::Cluster).missing(
            Missing::Refused(&("absent", "a health check needs it, such as \"payment\"")));
        /// The `:authority` of the check. Left out, the cluster's name.
        pub host: Option<String> = text(Form::Host), &[("page default", "the cluster's name")];
        /// The method of the check.
        pub method: String = text(Form::Method).default(Default::Text("GET"));
        /// The path of the check.
        pub path: String = text(Form::Path).missing(
            Missing::Refused(&("absent", "a health check needs it, such as \"/health\""))),
            &[("examples", r#"["/health"]"#)];
        /// Further headers, such as a credential.
        pub headers: Headers = any(Kind::Pairs).default(Default::Empty),
            &[
                ("page bounds", "not `host`, `connection`, `content-length`, `transfer-encoding` or `x-circuit-breaker-…`"),
            ];
        /// From one check's answer to the next check, though the breaker has closed and tripped again
        /// meanwhile.
        pub interval: Duration = span(10).seconds(5);
        /// A check without an answer by then has failed.
        pub timeout: Option<Duration> = span(0),
            &[
                ("default", "\"1s\""),
                ("page default", "`\"1s\"`, or `interval` if that is shorter"),
                ("page bounds", "at least `\"1ms\"`, at most `interval`"),
            ];
        /// Checks in a row that must pass.
        pub healthy_threshold: NonZeroU32 = count(1, u32::MAX).number(1);
        /// Which answers pass.
        pub expected_status: StatusSet =
            any(Kind::Statuses).default(Default::Statuses(&StatusSet::range(200, 299)));
        /// Where passing leads: to trials, or straight to closed, as in the recipe.
        pub then: Then = any(Kind::Word(&Then::WORDS)).default(Default::Word(1));
        /// How a failed check is tried again before it counts as failed.
        pub retry: Option<RetryFields> = any(Kind::Object(&RETRY));
    }

    /// How a failed check is tried again before it counts as failed.
    pub(crate) struct RetryFields RETRY as "Retry" {
        /// Further attempts.
        pub num_retries: u32 = count(0, u32::MAX).number(3);
        /// The wait before the first of them.
        pub interval: Duration = span(10).seconds(2);
        /// What each further wait is multiplied by.
        pub backoff_rate: u32 = any(Kind::Number(&FACTOR)).number(2_000);
    }

    /// Who answers in the service's stead.
    pub(crate) struct FallbackFields FALLBACK as "Fallback" {
        /// A cluster of the proxy: who answers while calls are diverted, and for a failed call. Not the
        /// protected one.
        pub cluster: Option<String> = text(Form::Cluster);
        /// The `:authority` with which a failed call is sent to the cluster. Left out, the request's.
        pub host: Option<String> = text(Form::Host), &[("page default", "the request's")];
        /// Whether a call that failed is answered by the fallback too.
        pub on_failure: Option<bool> = any(Kind::Flag),
            &[("page default", "`true` if there is a `cluster`, `stale` or a `response`")];
        /// How long the cluster may take for a failed call.
        pub timeout: Duration = span(1).seconds(5);
        /// Bytes. A failed call with a longer body passes unchanged.
        pub max_request_bytes: usize = count(0, 16 * MIB).number(64 * 1024)
            .remedy(Remedy::Above(&("keep at most ", " bytes of a request"))),
            &[("page type", "size")];
        /// Good answers that are given again where there is no `cluster`: [stale](#stale).
        pub stale: Option<Stale> = any(Kind::Object(&STALE));
        /// What is answered where there is no `cluster`, and nothing `stale`.
        pub response: Option<StaticResponse> = any(Kind::Object(&RESPONSE));
    }

    /// Good answers that are given again while the service is down.
    pub struct Stale STALE {
        /// How long an answer may have been kept when it is given: as old as your users would rather have
        /// than none.
        pub max_age: Duration = span(1_000).seconds(300).remedy(Remedy::Both(&"give from ")),
            &[("examples", r#"["5m", "1h"]"#)];
        /// Bytes. Longer bodies are not kept.
        pub max_response_bytes: usize = count(1, 16 * MIB).number(64 * 1024)
            .remedy(Remedy::Above(&("keep at most ", " bytes of an answer"))),
            &[("page type", "size")];
        /// How many answers are kept for the service: as many as there are addresses that matter.
        pub max_entries: u32 = count(1, MOST_STALE_ENTRIES).number(256)
            .remedy(Remedy::Above(&("keep at most ", " answers"))),
            &[("page type", "number of answers")];
    }

    /// A static answer.
    pub struct StaticResponse RESPONSE as "Response" {
        /// The status.
        pub status: u16 = count(200, 599).number(503).remedy(Remedy::Both(&"give a status from ")),
            &[("page type", "status")];
        /// The headers.
        pub headers: Headers = any(Kind::Pairs).default(Default::Empty),
            &[("page bounds", "as `health_check.headers`")];
        /// The body.
        pub body: String = text(Form::Any).default(Default::Text(""));
    }

    /// How many calls may be under way at a time, over all workers.
    shape Bulkhead BULKHEAD {
        /// How many calls may be under way: the rate of calls times how long they take, when all is well,
        /// and half as many again.
        max_concurrent_calls: count(1, MOST_CALLS).missing(
            Missing::Refused(&(
                "nothing",
                "say how many calls may be under way at a time, such as 100",
            ))),
            &[("page type", "number of calls")];
        /// A request that takes longer to complete gives its permit back until it has: as long as your
        /// clients take to send a body.
        max_request_duration: span(10).seconds(1);
        /// What becomes of a call that finds the bulkhead full: it is diverted as if the breaker were open,
        /// with the reason `bulkhead`; or it gets 503 and why, for callers who should come again.
        on_full: any(Kind::Word(&OnFull::WORDS)).default(Default::Word(0));
        /// Classes of calls that may take only a part of the permits; the first that matches has a call.
        partitions: list(&Kind::Object(&PARTITION), 16).default(Default::Empty),
            &[("page type", "list of partitions")];
    }

    /// A class of calls that may take only a part of the bulkhead's permits.
    shape Partition PARTITION {
        /// Names it, over all configurations.
        name: text(Form::Any).missing(Missing::Never),
            &[
                ("minLength", "1"), ("maxLength", "128"), ("pattern", "^[A-Za-z0-9._~-]+$"),
                ("examples", r#"["batch"]"#), ("page type", "as a service's"),
                ("page bounds", "each once"),
            ];
        /// Which calls belong to it, as a service's [match](#match); the first partition that matches has a
        /// call.
        r#match: any(Kind::Object(&MATCH)).missing(Missing::Refused(&(
            "nothing",
            "say which calls belong to it, such as {\"path_prefixes\": [\"/batch\"]}",
        )));
        /// How many of its calls may be under way: at most the service's own.
        max_concurrent_calls: count(1, MOST_CALLS).missing(Missing::Refused(&(
            "nothing",
            "say how many of its calls may be under way at a time, such as 10",
        ))),
            &[("page type", "number of calls"), ("page bounds", "1 to the service's own")];
    }

    /// Where each transition is posted, once for all workers.
    pub(crate) struct NotifyFields NOTIFY as "Notify" {
        /// Where it is sent: a cluster of the proxy.
        pub cluster: String = text(Form::Cluster).missing(
            Missing::Refused(&("absent", "name the cluster to post to, such as \"ops\"")));
        /// The `:authority` of the call. Left out, the cluster's name.
        pub host: Option<String> = text(Form::Host), &[("page default", "the `cluster`")];
        /// What is posted to.
        pub path: String = text(Form::Path).default(Default::Text("/"));
        /// Further headers, such as a credential; `content-type` is `application/cloudevents+json`.
        pub headers: Headers = any(Kind::Pairs);
        /// How long the answer may take.
        pub timeout: Duration = span_to(1, Duration::from_secs(60)).seconds(2)
            .remedy(Remedy::Both(&"give from ")),
            &[("examples", r#"["500ms", "2s"]"#)];
        /// How often to try again, after 1 s, 2 s, 4 s and so on, up to a minute, when it does not answer or
        /// not with a 2xx.
        pub num_retries: u32 = count(0, 10).number(3).remedy(Remedy::Both(&"give "));
    }

    /// Where the admin API answers.
    pub(crate) struct AdminFields ADMIN as "Admin" {
        /// What the paths of the API begin with. Change it if the application has such a path.
        pub path_prefix: String = text(Form::PathPrefix).default(Default::Text("/circuit-breaker"));
        /// Where given, every request needs `authorization: Bearer <token>`, else 401; and nothing else. A
        /// secret.
        pub token: Option<String> = text(Form::Token);
        /// Without a token: names of this machine by which it may be asked, beside `localhost`,
        /// `127.0.0.0/8` and `[::1]`. `"breaker.internal"` is that host on any port,
        /// `"breaker.internal:10001"` on that one; upper and lower case are the same, and there are no
        /// patterns.
        pub hosts: Vec<String> = list(&Kind::Text(Form::Any), u32::MAX).default(Default::Empty),
            &[
                ("page type", "list of hosts"),
                ("items.pattern", r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]+)?$"),
                ("examples", r#"[["breaker.internal"]]"#),
            ];
    }
}

/// What services have in common: what a service has but for its name and its match.
pub(crate) static DEFAULTS: Shape =
    Shape { name: "Defaults", fields: SERVICE.fields.split_at(2).1 };
