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
use crate::field::{
    Default, Field, Kind, Missing, Number, Remedy, Shape, Words, any, count, hours, list,
    plain_name, span, span_to, text,
};
use crate::form::Form;
use crate::headers::Headers;
use crate::reader::{Read, Reader, Refused, needed};
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
/// A share that may be tolerated, in thousandths of a percent: an outage has at least twice as much.
static TOLERATED: Number = Number {
    name: "percentage",
    expected: "a percentage from 0.1 to 30",
    from: 0.1,
    to: 30.0,
    steps: 1_000.0,
};
const MIB: u32 = 1024 * 1024;

words! {
    /// Which answers tell clients the breaker's state, by the response headers
    /// `x-circuit-breaker-…`.
    pub enum ExposeState {
        /// Every answer of a guarded service.
        Always = "always",
        /// Only answers that are given in place of the service's.
        Fallback = "fallback",
        /// None.
        Never = "never",
    }

    /// What is done with the breaker's decisions.
    pub(crate) enum Mode {
        /// They take effect: calls pass or are diverted.
        Enabled = "enabled",
        /// The breaker decides nothing: all calls pass, and are not counted.
        Disabled = "disabled",
        /// They are overruled: all calls are diverted.
        ForcedOpen = "forced_open",
        /// They are only reported, by metrics and the log: all calls pass.
        MetricsOnly = "metrics_only",
    }

    /// Whether the rates are about the calls of the last seconds, or about the last so many calls.
    pub(crate) enum WindowType {
        /// The calls that ended in the last `sliding_window_size`, such as `"10s"`.
        TimeBased = "time_based",
        /// The last `sliding_window_size` calls, such as `100`, however old they are.
        CountBased = "count_based",
    }

    /// What a call counts as that Envoy's own limits refused or ended.
    pub enum Overflow {
        /// As a failure of the service.
        Failure = "failure",
        /// As neither a failure nor a success.
        Ignore = "ignore",
    }

    /// What the breaker does when the service has passed its health check.
    pub(crate) enum Then {
        /// It closes at once.
        Close = "close",
        /// It becomes half-open: trial calls decide.
        HalfOpen = "half_open",
    }

    /// Which store the proxies of a fleet share.
    pub(crate) enum FleetStore {
        /// A table of Amazon DynamoDB. Its cluster signs the requests, by `aws_request_signing`.
        DynamoDb = "dynamodb",
        /// etcd, 3.4 or newer, by its JSON gateway.
        Etcd = "etcd",
    }

    /// Whose reports count.
    pub enum FleetScope {
        /// Those of the own region. Those of others are shown.
        Region = "region",
        /// Those of all `regions`.
        Global = "global",
    }

    /// Which process makes the health checks of a service that is open.
    pub enum FleetProbe {
        /// One of the fleet, by a lease in the store.
        One = "one",
        /// Each for itself.
        Each = "each",
    }

    /// What happens to a call that finds the bulkhead full.
    pub enum OnFull {
        /// It is diverted to the fallback, as if the breaker were open.
        Fallback = "fallback",
        /// It gets 503 with the reason, even if there is a fallback.
        Reject = "reject",
    }
}

objects! {
    /// The configuration of Edge Breaker. Every field may be left out.
    shape Config CONFIG {
        /// [Fields for all services at once](#defaults). A service's own come first.
        defaults: any(Kind::Object(&DEFAULTS));
        /// Which answers tell clients the breaker's state, by the response headers
        /// `x-circuit-breaker-…`: every answer of a guarded service, only those that are given in
        /// place of the service's, or none.
        expose_state: any(Kind::Word(&ExposeState::WORDS)).default(Default::Word(1));
        /// The [services](#services) to guard, each with a breaker of its own. The first whose
        /// `match` fits a request guards it. Left out, every upstream cluster is a service.
        services: list(&Kind::Object(&SERVICE), 1024),
            &[
                ("minItems", "1"), ("default", r#"[{"name": "{cluster}"}]"#),
                ("page default", "one, `{cluster}`"),
            ];
        /// How many [dynamic services](#dynamic-services) there may be, over all workers: of all
        /// names with `{cluster}` and `{route}` together, and of each name with `{host}`.
        max_services: count(1, 4096).number(1024).remedy(Remedy::Both(&"give "));
        /// [Bounds on the memory of a worker](#limits).
        limits: any(Kind::Object(&LIMITS)), &[("page default", "see there")];
        /// Where [transitions are posted](#notify), as CloudEvents. Left out, they are not posted.
        notify: any(Kind::Object(&NOTIFY));
        /// On which path the [admin API](#admin) answers. Left out, there is no such API.
        admin: any(Kind::Object(&ADMIN));
        /// The store through which [proxies agree](#fleet) on which services are down. Left out,
        /// each proxy finds out for itself.
        fleet: any(Kind::Object(&FLEET));
    }

    /// Bounds on the memory of a worker.
    pub(crate) struct Limits LIMITS {
        /// The most bytes that one worker may use for copies of requests and answers: requests that
        /// may have to be sent again to the [fallback](#fallback) cluster, answers until they are
        /// [kept](#stale), and answers that are about to be [written into a failed
        /// one](envoy.md#an-answer-in-a-failed-ones-place). Once they are used up, calls pass
        /// without a copy. 0: nothing is copied.
        pub max_copied_bytes: usize = count(0, 256 * MIB).number(32 * MIB).remedy(
            Remedy::Above(&("give at most ", ": a worker's memory has to do for all else, too"))),
            &[("page type", "size"), ("examples", "[33554432]")];
    }

    /// One guarded service.
    shape Service SERVICE {
        /// The name of the service in headers, metrics, logs and the admin API. Its breaker's state
        /// is kept under that name. With `{cluster}`, `{host}` or `{route}` it stands for one
        /// [service for each name](#dynamic-services) that requests have; `{host}` needs
        /// `match.hosts`.
        name: text(Form::Any).missing(Missing::Never),
            &[
                ("minLength", "1"), ("maxLength", "128"),
                ("pattern", r"^([A-Za-z0-9._~-]|\{(cluster|host|route)\})+$"),
                ("examples", r#"["payment-service", "{cluster}"]"#),
                ("page type", "1 to 128 letters, digits, `-`, `_`, `.`, `~`, and `{cluster}`, `{host}`, `{route}`"),
            ];
        /// [Which requests belong to the service](#match).
        r#match: any(Kind::Object(&MATCH)), &[("page default", "every request")];
        /// [What is done with the breaker's decisions](#mode). An operator can set another mode at
        /// run time.
        mode: any(Kind::Word(&Mode::WORDS)).default(Default::Word(0));
        /// [What opens the breaker](#trip). A service that has its own `trip` takes nothing of the
        /// defaults'.
        trip: any(Kind::Object(&TRIP)),
            &[
                ("default", r#"{"consecutive_failures": 3}"#),
                ("page default", "3 failures in a row"),
            ];
        /// [Which answers count as failures](#classify).
        classify: any(Kind::Object(&CLASSIFY)).missing(Missing::NotNull);
        /// [How long the breaker stays open](#open).
        open: any(Kind::Object(&OPEN)).missing(Missing::NotNull);
        /// [How many trial calls a half-open breaker makes](#half_open), and how many have to
        /// succeed.
        half_open: any(Kind::Object(&HALF_OPEN)).missing(Missing::NotNull);
        /// [The request that an open breaker makes](#health_check) to find out whether the service
        /// is well again. Left out, it only waits.
        health_check: any(Kind::Object(&HEALTH_CHECK));
        /// [What answers in place of the service](#fallback) while the breaker is open, and when a
        /// call fails. Left out, a diverted call gets 503.
        fallback: any(Kind::Object(&FALLBACK));
        /// [How many calls of the service may be under way at a time](#bulkhead). Left out, any
        /// number.
        bulkhead: any(Kind::Object(&BULKHEAD));
        /// Whether the service takes part in the [fleet](#fleet), if there is one. One whose name
        /// is made of requests never does.
        fleet: any(Kind::Flag).default(Default::Flag(true));
    }

    /// Which requests belong to the service. Of each field that is given one entry has to fit.
    shape Match MATCH {
        /// Hosts. `"payments.example.com"` fits that host on any port,
        /// `"payments.example.com:8443"` only on that port. `"*.pay.internal"` fits every host
        /// below `pay.internal`, but not that one; `"*"` fits every host. These two may have a port
        /// as well.
        hosts: list(&Kind::Text(Form::Any), u32::MAX),
            &[
                ("minItems", "1"), ("page type", "list of host names"),
                ("items.pattern", r"^(\*|(\*\.)?[A-Za-z0-9_~-]+(\.[A-Za-z0-9_~-]+)*\.?|\[[0-9A-Fa-f:.]+\]\.?)(:[0-9]+)?$"),
                ("examples", r#"[["payments.example.com", "*.pay.internal", "*.shop.example:8443"]]"#),
            ];
        /// Beginnings of paths, each with a slash in front: `"/pay"` fits `/pay`, `/pay/7?x=1` and
        /// also `/payments`; `"/pay/"` fits only what is below. Not patterns.
        path_prefixes: list(&Kind::Text(Form::Any), u32::MAX),
            &[
                ("minItems", "1"), ("page type", "list of paths"),
                ("items.pattern", r"^/[A-Za-z0-9/._~!$&'()+,;=:@%-]*$"),
                ("examples", r#"[["/payments"]]"#),
            ];
        /// HTTP methods, in capitals: `["GET", "HEAD"]`.
        methods: list(&Kind::Text(Form::Any), u32::MAX),
            &[
                ("minItems", "1"), ("page type", "list of methods"),
                ("items.pattern", "^[A-Z0-9_-]+$"), ("examples", r#"[["GET", "HEAD"]]"#),
            ];
        /// Request headers: each entry has a name and exactly one of `exact`, `prefix` and
        /// `present`.
        headers: list(&Kind::Object(&HEADER_MATCH), u32::MAX), &[("minItems", "1")];
        /// Clusters that the route chose for the request, by Envoy's names for them. `*` stands for
        /// any characters: `"outbound|80||payments.*"`.
        clusters: list(&Kind::Text(Form::Any), u32::MAX),
            &[
                ("minItems", "1"), ("page type", "list of names with `*`"),
                ("examples", r#"[["payment*"]]"#),
            ];
    }

    /// A request header: its name, and exactly one of `exact`, `prefix` and `present`.
    shape HeaderMatch HEADER_MATCH {
        /// The name of the header, in upper or lower case.
        name: text(Form::Any).missing(Missing::Never),
            &[("minLength", "1"), ("examples", r#"["x-tenant"]"#)];
        /// Fits if a value of the header is this.
        exact: text(Form::Any);
        /// Fits if a value of the header begins with this.
        prefix: text(Form::Any);
        /// `true` fits if the request has the header, `false` if it has not.
        present: any(Kind::Flag);
    }

    /// What opens the breaker: any of the rules that are given.
    pub(crate) struct TripFields TRIP as "Trip" {
        /// Opens the breaker when so many calls in a row have failed, with no success between them.
        pub consecutive_failures: Option<NonZeroU32> = count(1, u32::MAX),
            &[
                ("object any", ""), ("page default", "3, only if `trip` is left out"),
                ("examples", "[3]"),
            ];
        /// Opens the breaker when at least this share of the latest calls failed, in percent: `50`
        /// is half of them.
        pub failure_rate_threshold: Option<u32> = any(Kind::Number(&SHARE)),
            &[("object any", ""), ("examples", "[50]")];
        /// Opens the breaker when at least this share of the latest calls was slow, in percent:
        /// `80` is four of five.
        pub slow_call_rate_threshold: Option<u32> = any(Kind::Number(&SHARE)),
            &[
                ("object any", ""), ("object needs", "slow_call_duration_threshold"),
                ("examples", "[80]"),
            ];
        /// A call is slow if its answer takes at least this long to begin, from when all of the
        /// request has come.
        pub slow_call_duration_threshold: Option<Duration> = span(0),
            &[("page default", "required with the rate"), ("page bounds", "above zero")];
        /// Whether a call that is [under way for so long](#overdue-calls) counts as slow at once, not
        /// when it has ended.
        pub count_overdue: bool = any(Kind::Flag).default(Default::Flag(true)),
            &[("page default", "`true`, only with the rate")];
        /// How many of the latest calls there must be at least before a rate can open the breaker.
        pub minimum_number_of_calls: Option<NonZeroU32> = count(1, u32::MAX),
            &[
                ("default", "20"),
                ("page default", "20, or the size of a smaller window over calls"),
                ("page bounds", "at least 1, at most what a window over calls holds"),
            ];
        /// Which calls the rates are about: those of the last seconds (`time_based`), or the last
        /// so many (`count_based`).
        pub sliding_window_type: Option<WindowType> = any(Kind::Word(&WindowType::WORDS)),
            &[("page default", "`\"time_based\"`, or `\"count_based\"` if the size is a number")];
        /// How far back the latest calls reach: a duration, such as `"10s"`, or a number of calls,
        /// such as `100`.
        pub sliding_window_size: Option<WindowSize> = any(Kind::Window),
            &[
                ("default", "\"10s\""), ("page default", "`\"10s\"`; 100 if `count_based`"),
                ("page bounds", "1 s to a day; 1 to 1024 calls"), ("minimum", "1"),
                ("maximum", "1024"),
            ];
        /// [Learns how many failures and slow calls are usual](#adaptive), and diverts as many calls
        /// as there are more of them. `{}` is enough.
        pub adaptive: Option<AdaptiveFields> = any(Kind::Object(&ADAPTIVE)), &[("object any", "")];
    }

    /// How the adaptive rule is set. All else it learns.
    pub(crate) struct AdaptiveFields ADAPTIVE as "Adaptive" {
        /// The share of failures that is never an outage, in percent. What was learned as usual
        /// counts as usual only up to this share.
        pub tolerate: u32 = any(Kind::Number(&TOLERATED)).number(5_000);
        /// In how much time the rule may trip by chance once. The shorter, the less it takes to
        /// trip.
        pub false_trips: Duration = hours(1, 8_760).seconds(720 * 3_600);
        /// `true`: as many calls are diverted as are bad beyond the usual. `false`: all, or none.
        pub shed: bool = any(Kind::Flag).default(Default::Flag(true));
        /// Whether calls that take longer than was learned as usual are bad as well. They alone
        /// never divert more than half of the calls.
        pub latency: bool = any(Kind::Flag).default(Default::Flag(true));
        /// No shorter call is slow, whatever was learned.
        pub latency_floor: Duration = span(1).seconds(1);
    }

    /// What counts as a failure. What is neither a failure nor ignored is a success.
    pub struct Classify CLASSIFY {
        /// HTTP statuses of the service that count as failures.
        pub failure_status: StatusSet =
            any(Kind::Statuses).default(Default::Statuses(&StatusSet::range(500, 599))),
            &[
                ("default", r#"["500", "502-504", "506-599"]"#),
                ("page default", "`[\"500\", \"502-504\", \"506-599\"]`"),
            ];
        /// HTTP statuses that count as neither a failure nor a success, even if `failure_status`
        /// has them too.
        pub ignore_status: StatusSet = any(Kind::Statuses).default(Default::Statuses(&StatusSet::NONE)),
            &[("default", r#"["501", "505"]"#), ("page default", "`[\"501\", \"505\"]`")];
        /// gRPC statuses that count as failures.
        pub failure_grpc_status: GrpcSet = any(Kind::GrpcStatuses)
            // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS
            .default(Default::GrpcStatuses(GrpcSet::of([2, 4, 13, 14, 15])));
        /// gRPC statuses that count as neither a failure nor a success, even if
        /// `failure_grpc_status` has them too.
        pub ignore_grpc_status: GrpcSet =
            any(Kind::GrpcStatuses).default(Default::GrpcStatuses(GrpcSet::of([])));
        /// A client may set a deadline of its own (`grpc-timeout`,
        /// `x-envoy-upstream-rq-timeout-ms`). A call that ran into it is a failure only if the
        /// deadline is at least this long. Give more than the slowest good answer of the service
        /// takes.
        pub min_client_deadline: Duration = span(0).seconds(5);
        /// What a call counts as that Envoy's own limits refused or ended: the cluster's circuit
        /// breakers (response flag `UO`), the overload manager (`OM`), or a load assignment that
        /// drops calls (`DO`).
        pub overflow: Overflow = any(Kind::Word(&Overflow::WORDS)).default(Default::Word(1));
    }

    /// How long the breaker stays open.
    pub(crate) struct OpenFields OPEN as "Open" {
        /// How long the breaker stays open at least, after the first trip.
        pub wait_duration: Option<Duration> = span(0),
            &[
                ("default", "\"30s\""), ("page default", "`\"30s\"`; `\"0s\"` with a health check"),
                ("page bounds", "at most a day; above zero without a health check"),
            ];
        /// The factor by which the wait grows with each further trip in a row. With a health check,
        /// it is the check's `interval` that grows if that is longer.
        pub backoff_rate: u32 = any(Kind::Number(&FACTOR)).number(2_000);
        /// The longest wait, whatever makes it longer.
        pub max_wait_duration: Option<Duration> = span(0),
            &[
                ("default", "\"5m\""),
                ("page default", "`\"5m\"`, or `wait_duration` if that is longer"),
                ("page bounds", "at least `wait_duration`, at most a day"),
            ];
        /// How far each wait is made shorter or longer at random, in percent, so that many proxies
        /// do not come back at once.
        pub jitter: u8 = any(Kind::Number(&PERCENT)).number(20);
        /// Whether the wait is at least as long as the service asks for, by the `Retry-After` of
        /// the answer that tripped the breaker, by its `retry-after-ms`, which is taken before that, or
        /// by `grpc-retry-pushback-ms`. The same goes for
        /// the wait after a trial that was turned away.
        pub honor_retry_after: bool = any(Kind::Flag).default(Default::Flag(true));
        /// Whether one answer of 429 or 529 with a `Retry-After` (or `retry-after-ms`) opens a closed breaker
        /// at once, for as long as that says, at most `max_wait_duration`.
        pub on_retry_after: bool = any(Kind::Flag).default(Default::Flag(false));
    }

    /// How many trial calls a half-open breaker makes, and how many have to succeed.
    pub(crate) struct HalfOpenFields HALF_OPEN as "HalfOpen" {
        /// How many trial calls may be made while the breaker is half-open, over all workers. All
        /// other calls are diverted.
        pub permitted_calls: NonZeroU32 = count(1, MAX_PERMITTED_CALLS).number(1)
            .remedy(Remedy::Above(&("permit at most ", " trials")));
        /// How many of the trials have to succeed to close the breaker.
        pub success_threshold: NonZeroU32 = count(1, u32::MAX).number(1),
            &[("maximum", "32"), ("page bounds", "1 to `permitted_calls`")];
        /// How many of the trials have to fail to open the breaker again. Such that the trials decide
        /// in any case: together with `success_threshold` at most one more than `permitted_calls`.
        pub failure_threshold: NonZeroU32 = count(1, MAX_PERMITTED_CALLS).number(1),
            &[("page bounds", "1 to `permitted_calls`")];
        /// How long a trial may take. After that, another call may be tried instead. It is also the
        /// longest pause after a trial that was turned away, such as by 429.
        pub max_wait_duration: Duration = span(10).seconds(30);
        /// In how much time all traffic comes back after the breaker has closed: the share of
        /// diverted calls falls steadily from all to none. `"0s"`: it comes back at once.
        pub ramp_duration: Duration = span(0).seconds(0);
    }

    /// The request that an open breaker makes to find out whether the service is well again.
    pub(crate) struct HealthCheckFields HEALTH_CHECK as "HealthCheck" {
        /// The cluster that the check is sent to, by Envoy's name for it.
        pub cluster: String = text(Form::Cluster).missing(
            Missing::Refused(&("absent", "a health check needs it, such as \"payment\"")));
        /// The `:authority` of the check.
        pub host: Option<String> = text(Form::Host), &[("page default", "the cluster's name")];
        /// The HTTP method of the check.
        pub method: String = text(Form::Method).default(Default::Text("GET"));
        /// The path of the check.
        pub path: String = text(Form::Path).missing(
            Missing::Refused(&("absent", "a health check needs it, such as \"/health\""))),
            &[("examples", r#"["/health"]"#)];
        /// Further request headers of the check, such as a credential.
        pub headers: Headers = any(Kind::Pairs).default(Default::Empty),
            &[
                ("page bounds", "not `host`, `connection`, `content-length`, `transfer-encoding` or `x-circuit-breaker-…`"),
            ];
        /// The pause from one check's answer to the next check, over all workers. It also holds
        /// when the breaker closes and trips again in between.
        pub interval: Duration = span(10).seconds(5);
        /// How long a check may take to be answered. After that it has failed.
        pub timeout: Option<Duration> = span(0),
            &[
                ("default", "\"1s\""),
                ("page default", "`\"1s\"`, or `interval` if that is shorter"),
                ("page bounds", "at least `\"1ms\"`, at most `interval`"),
            ];
        /// How many checks in a row have to pass.
        pub healthy_threshold: NonZeroU32 = count(1, u32::MAX).number(1);
        /// HTTP statuses with which a check passes.
        pub expected_status: StatusSet =
            any(Kind::Statuses).default(Default::Statuses(&StatusSet::range(200, 299)));
        /// What the breaker does when the service has passed: `half_open` makes trial calls,
        /// `close` closes it at once, as in the recipe.
        pub then: Then = any(Kind::Word(&Then::WORDS)).default(Default::Word(1));
        /// How a check that fails is tried again before it counts as failed. Left out, it is not.
        pub retry: Option<RetryFields> = any(Kind::Object(&RETRY));
    }

    /// How a check that fails is tried again before it counts as failed.
    pub(crate) struct RetryFields RETRY as "Retry" {
        /// How many further attempts are made.
        pub num_retries: u32 = count(0, u32::MAX).number(3);
        /// How long to wait before the first of them.
        pub interval: Duration = span(10).seconds(2);
        /// The factor by which that wait grows with each further attempt.
        pub backoff_rate: u32 = any(Kind::Number(&FACTOR)).number(2_000);
    }

    /// What answers in place of the service.
    pub(crate) struct FallbackFields FALLBACK as "Fallback" {
        /// The cluster that answers diverted calls, and failed ones with `on_failure`, by Envoy's
        /// name for it. Not a cluster of the service itself.
        pub cluster: Option<String> = text(Form::Cluster);
        /// The `:authority` with which a failed call is sent to the fallback cluster.
        pub host: Option<String> = text(Form::Host), &[("page default", "the request's")];
        /// Whether the fallback also answers a call that the service failed to answer, not only
        /// diverted ones.
        pub on_failure: Option<bool> = any(Kind::Flag),
            &[("page default", "`true` if there is a `cluster`, `stale` or a `response`")];
        /// HTTP statuses of the service with which a call goes to the fallback, whatever they count
        /// as by `classify`, and whatever `on_failure` says.
        pub on_status: StatusSet = any(Kind::Statuses).default(Default::Statuses(&StatusSet::NONE)),
            &[("examples", r#"[["401", "402", "429"]]"#)];
        /// How long the fallback cluster may take to answer a failed call.
        pub timeout: Duration = span(1).seconds(5);
        /// The longest request body that is kept to be sent to the fallback cluster should the call
        /// fail, in bytes. A failed call with a longer body keeps its own answer.
        pub max_request_bytes: usize = count(0, 16 * MIB).number(64 * 1024)
            .remedy(Remedy::Above(&("keep at most ", " bytes of a request"))),
            &[("page type", "size")];
        /// [Good answers of the service that are kept](#stale), and given again while it is down,
        /// if there is no `cluster`.
        pub stale: Option<Stale> = any(Kind::Object(&STALE));
        /// A fixed answer, if there is neither a `cluster` nor a `stale` answer.
        pub response: Option<StaticResponse> = any(Kind::Object(&RESPONSE));
    }

    /// Good answers of the service that are kept, and given again while it is down.
    pub struct Stale STALE {
        /// How old a kept answer may be when it is given: as old as your users would rather have
        /// than none.
        pub max_age: Duration = span(1_000).seconds(300).remedy(Remedy::Both(&"give from ")),
            &[("examples", r#"["5m", "1h"]"#)];
        /// The longest body that is kept, in bytes.
        pub max_response_bytes: usize = count(1, 16 * MIB).number(64 * 1024)
            .remedy(Remedy::Above(&("keep at most ", " bytes of an answer"))),
            &[("page type", "size")];
        /// How many answers are kept for the service: give at least as many as it has addresses
        /// that matter.
        pub max_entries: u32 = count(1, MOST_STALE_ENTRIES).number(256)
            .remedy(Remedy::Above(&("keep at most ", " answers"))),
            &[("page type", "number of answers")];
    }

    /// A fixed answer.
    pub struct StaticResponse RESPONSE as "Response" {
        /// The HTTP status of the answer.
        pub status: u16 = count(200, 599).number(503).remedy(Remedy::Both(&"give a status from ")),
            &[("page type", "status")];
        /// The headers of the answer.
        pub headers: Headers = any(Kind::Pairs).default(Default::Empty),
            &[("page bounds", "as `health_check.headers`")];
        /// The body of the answer.
        pub body: String = text(Form::Any).default(Default::Text(""));
    }

    /// How many calls of the service may be under way at a time, over all workers.
    shape Bulkhead BULKHEAD {
        /// How many calls may be under way at a time. A good number is the rate of calls times how
        /// long they take when all is well, and half as many again.
        max_concurrent_calls: count(1, MOST_CALLS).missing(
            Missing::Refused(&(
                "nothing",
                "say how many calls may be under way at a time, such as 100",
            ))),
            &[("page type", "number of calls")];
        /// How long a request that is still being sent may hold its permit. After that it has none
        /// until it is complete. Give as long as your clients take to send a body.
        max_request_duration: span(10).seconds(1);
        /// What happens to a call that finds the bulkhead full: `fallback` diverts it as if the
        /// breaker were open, with the reason `bulkhead`; `reject` answers 503 with the reason, for
        /// callers who should come again.
        on_full: any(Kind::Word(&OnFull::WORDS)).default(Default::Word(0));
        /// Classes of calls, each of which may take only a part of the permits. A call belongs to
        /// the first that matches.
        partitions: list(&Kind::Object(&PARTITION), 16).default(Default::Empty),
            &[("page type", "list of partitions")];
    }

    /// A class of calls that may take only a part of the bulkhead's permits.
    shape Partition PARTITION {
        /// The name of the partition. Configurations that use the same name for a service share its
        /// count.
        name: text(Form::Any).missing(Missing::Never),
            &[
                ("minLength", "1"), ("maxLength", "128"), ("pattern", "^[A-Za-z0-9._~-]+$"),
                ("examples", r#"["batch"]"#), ("page type", "as a service's"),
                ("page bounds", "each name once"),
            ];
        /// Which calls belong to the partition: as a service's [match](#match).
        r#match: any(Kind::Object(&MATCH)).missing(Missing::Refused(&(
            "nothing",
            "say which calls belong to it, such as {\"path_prefixes\": [\"/batch\"]}",
        )));
        /// How many calls of the partition may be under way at a time.
        max_concurrent_calls: count(1, MOST_CALLS).missing(Missing::Refused(&(
            "nothing",
            "say how many of its calls may be under way at a time, such as 10",
        ))),
            &[("page type", "number of calls"), ("page bounds", "1 to the service's own")];
    }

    /// Where each transition is posted, once for all workers.
    pub(crate) struct NotifyFields NOTIFY as "Notify" {
        /// The cluster that transitions are posted to, by Envoy's name for it.
        pub cluster: String = text(Form::Cluster).missing(
            Missing::Refused(&("absent", "name the cluster to post to, such as \"ops\"")));
        /// The `:authority` of the request.
        pub host: Option<String> = text(Form::Host), &[("page default", "the cluster's name")];
        /// The path of the request.
        pub path: String = text(Form::Path).default(Default::Text("/"));
        /// Further request headers, such as a credential. `content-type` is always
        /// `application/cloudevents+json`.
        pub headers: Headers = any(Kind::Pairs);
        /// How long the answer may take. After that the attempt has failed.
        pub timeout: Duration = span_to(1, Duration::from_secs(60)).seconds(2)
            .remedy(Remedy::Both(&"give from ")),
            &[("examples", r#"["500ms", "2s"]"#)];
        /// How many further attempts are made if there is no 2xx: after 1 s, 2 s, 4 s and so on, up
        /// to a minute.
        pub num_retries: u32 = count(0, 10).number(3).remedy(Remedy::Both(&"give "));
    }

    /// The store through which proxies agree on which services are down.
    pub(crate) struct FleetFields FLEET as "Fleet" {
        /// Which store it is.
        pub store: FleetStore = any(Kind::Word(&FleetStore::WORDS)).missing(
            Missing::Refused(&("absent", "say which store the fleet has: \"dynamodb\" or \"etcd\"")));
        /// The cluster of the store, by Envoy's name for it.
        pub cluster: String = text(Form::Cluster).missing(
            Missing::Refused(&("absent", "name the store's cluster, such as \"etcd\"")));
        /// The `:authority` of requests to the store.
        pub host: Option<String> = text(Form::Host),
            &[("page default", "`dynamodb.<region>.amazonaws.com`; the cluster's name with etcd")];
        /// The table in DynamoDB. Its key is the text `ServiceName`.
        pub table: Option<String> = text(Form::Any),
            &[
                ("minLength", "3"), ("maxLength", "255"), ("pattern", "^[A-Za-z0-9._-]+$"),
                ("page type", "3 to 255 letters, digits, `-`, `_`, `.`"),
                ("page default", "required with DynamoDB"),
                ("examples", r#"["circuit-breaker-state"]"#),
            ];
        /// The region of DynamoDB that this proxy is in: the one whose row it writes.
        pub region: Option<String> = text(Form::Any),
            &[
                ("minLength", "1"), ("maxLength", "64"), ("pattern", "^[a-z0-9-]+$"),
                ("page type", "1 to 64 small letters, digits, `-`"),
                ("page default", "required with DynamoDB"), ("examples", r#"["eu-west-1"]"#),
            ];
        /// The regions whose rows are read, where the table is a global one. The own one always is.
        pub regions: Vec<String> = list(&Kind::Text(Form::Any), 100).default(Default::Empty),
            &[
                ("items.pattern", "^[a-z0-9-]{1,64}$"), ("page type", "list of regions"),
                ("examples", r#"[["eu-west-1", "us-east-1"]]"#),
            ];
        /// Whose reports count: those of the own region, or those of all `regions`.
        pub scope: FleetScope = any(Kind::Word(&FleetScope::WORDS)).default(Default::Word(0));
        /// What the keys in etcd begin with, before a slash. Fleets that are to know nothing of
        /// each other have different ones.
        pub prefix: Option<String> = text(Form::Any),
            &[
                ("default", "\"edge-breaker\""), ("page default", "`\"edge-breaker\"`"),
                ("minLength", "1"), ("maxLength", "128"), ("pattern", "^[A-Za-z0-9._~/-]*[A-Za-z0-9._~-]$"),
                ("page type", "1 to 128 letters, digits, `-`, `_`, `.`, `~`, `/`, no slash at its end"),
            ];
        /// The time from one look at the store to the next.
        pub sync_interval: Duration = span_to(100, Duration::from_secs(60)).seconds(1)
            .remedy(Remedy::Both(&"give from ")),
            &[("examples", r#"["500ms", "1s"]"#)];
        /// How long the store may take to answer.
        pub timeout: Option<Duration> = span(1),
            &[
                ("default", "\"500ms\""),
                ("page default", "`\"500ms\"`, or `sync_interval` if that is shorter"),
                ("page bounds", "at least `\"1ms\"`, at most `sync_interval`"),
                ("examples", r#"["250ms", "1s"]"#),
            ];
        /// After this long without a change, what the store says counts no more. A process reports
        /// nothing before it is older than that.
        pub max_staleness: Option<Duration> = span(1),
            &[
                ("default", "\"10s\""),
                ("page default", "`\"10s\"`, or 3 x `sync_interval` if that is longer"),
                ("page bounds", "3 x `sync_interval` to an hour"),
                ("examples", r#"["10s", "1m"]"#),
            ];
        /// So many processes have to report a service for the fleet to say that it is down.
        pub quorum: u32 = count(1, 1024).number(2);
        /// Which process makes the health checks of a service that is open: `one` of the fleet, by
        /// a lease in the store, or `each` for itself.
        pub probe: FleetProbe = any(Kind::Word(&FleetProbe::WORDS)).default(Default::Word(0));
    }

    /// On which path the admin API answers, and whom.
    pub(crate) struct AdminFields ADMIN as "Admin" {
        /// The beginning of all paths of the API. Change it if the application has such paths
        /// itself.
        pub path_prefix: String = text(Form::PathPrefix).default(Default::Text("/circuit-breaker"));
        /// A secret. If given, every request needs `authorization: Bearer <token>`, or gets 401. If
        /// left out, only this machine may ask.
        pub token: Option<String> = text(Form::Token);
        /// Without a token: further names by which this machine may be asked, beside `localhost`,
        /// `127.0.0.0/8` and `[::1]`. `"breaker.internal"` is that host on any port,
        /// `"breaker.internal:10001"` only on that one. Upper and lower case are the same, and
        /// there are no patterns.
        pub hosts: Vec<String> = list(&Kind::Text(Form::Any), u32::MAX).default(Default::Empty),
            &[
                ("page type", "list of hosts"),
                ("items.pattern", r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:[0-9]+)?$"),
                ("examples", r#"[["breaker.internal"]]"#),
            ];
        /// Origins, such as `"https://ops.example"`, whose pages may use the API in a browser, with
        /// the token. To all others a browser hands no answer. There are no patterns.
        pub origins: Vec<String> = list(&Kind::Text(Form::Any), u32::MAX).default(Default::Empty),
            &[
                ("page type", "list of origins"), ("page bounds", "only with a `token`"),
                ("items.pattern", r"^https?://(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(:[0-9]+)?$"),
                ("examples", r#"[["https://ops.example"]]"#),
            ];
        /// Admin APIs of other proxies, which the [page](operations.md#the-page) offers to show
        /// beside this one: their addresses, with their `path_prefix` unless it is the same. Each of
        /// them lists this one's origin in its `origins`.
        pub peers: Vec<String> = list(&Kind::Text(Form::Any), 64).default(Default::Empty),
            &[
                ("page type", "list of addresses"), ("page bounds", "only with a `token`"),
                ("items.pattern", r"^https?://(\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(:[0-9]+)?(/[A-Za-z0-9/._~%-]*[A-Za-z0-9._~%-])?$"),
                ("examples", r#"[["https://proxy-b.example:10001"]]"#),
            ];
    }
}

/// What services have in common: what a service has but for its name and its match.
pub(crate) static DEFAULTS: Shape =
    Shape { name: "Defaults", fields: SERVICE.fields.split_at(2).1 };
