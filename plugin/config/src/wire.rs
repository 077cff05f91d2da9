//! The configuration as it is written: every field optional, unknown ones refused, each leaf
//! already of its type. What it means is decided in [`super::resolve`].

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use crate::duration::Span;
use crate::status::{GrpcSet, StatusSet};
use crate::strict::strict;

strict!(
    Config,
    Limits,
    Defaults,
    Service,
    Mode,
    Match,
    HeaderMatch,
    Trip,
    WindowType,
    Classify,
    Overflow,
    Open,
    HalfOpen,
    HealthCheck,
    Then,
    Retry,
    Fallback,
    Stale,
    Response,
    Bulkhead,
    OnFull,
    Partition,
    ExposeState,
    Notify,
    Admin,
);

/// The configuration of Edge Breaker. Every field may be left out.
#[derive(Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Config {
    /// What services have in common.
    pub(super) defaults: Option<Defaults>,
    /// Which answers tell the breaker's state.
    pub(super) expose_state: Option<ExposeState>,
    /// The services to guard: the first whose match fits a request does. Left out, each upstream
    /// cluster is one.
    pub(super) services: Option<Vec<Service>>,
    /// How many names that are made of `{cluster}` and `{route}` have breakers, and how many of each
    /// service with `{host}`.
    #[serde(default, deserialize_with = "count")]
    pub(super) max_services: Option<u32>,
    /// What a worker may hold.
    pub(super) limits: Option<Limits>,
    /// Where each transition is posted, as a CloudEvent. Left out, nowhere.
    pub(super) notify: Option<Notify>,
    /// Where the admin API answers. Left out, there is none.
    pub(super) admin: Option<Admin>,
}

/// What a worker may hold.
#[derive(Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Limits {
    /// How many bytes of copies: of requests that may have to be sent to the fallback, and of answers
    /// until they are kept. Beyond it calls pass without a copy.
    #[serde(default, deserialize_with = "count")]
    pub(super) max_copied_bytes: Option<u32>,
}

/// What services have in common.
#[derive(Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Defaults {
    /// What is done with the breaker's decisions.
    pub(super) mode: Option<Mode>,
    /// What opens the breaker. A service's own stands in for that of the defaults as a whole.
    pub(super) trip: Option<Trip>,
    /// What counts as a failure.
    #[serde(default)]
    pub(super) classify: Classify,
    /// How long it stays open.
    #[serde(default)]
    pub(super) open: Open,
    /// Which trials close it.
    #[serde(default)]
    pub(super) half_open: HalfOpen,
    /// What is asked before it may leave the open state. Left out, the wait alone ends it.
    pub(super) health_check: Option<HealthCheck>,
    /// Who answers in its stead. Left out, a diverted call gets 503.
    pub(super) fallback: Option<Fallback>,
    /// How many of its calls may be under way at a time.
    pub(super) bulkhead: Option<Bulkhead>,
}

/// One guarded service.
#[derive(Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Service {
    /// Names it in headers, metrics, logs and the admin API, and is the key of its state.
    /// `{cluster}`, `{host}` and `{route}` make a name for each; `{host}` takes `match.hosts`.
    pub(super) name: String,
    /// Which requests belong to it. Left out, every request does.
    #[serde(rename = "match")]
    pub(super) matches: Option<Match>,
    /// What is done with the breaker's decisions.
    pub(super) mode: Option<Mode>,
    /// What opens the breaker. A service's own stands in for that of the defaults as a whole.
    pub(super) trip: Option<Trip>,
    /// What counts as a failure.
    #[serde(default)]
    pub(super) classify: Classify,
    /// How long it stays open.
    #[serde(default)]
    pub(super) open: Open,
    /// Which trials close it.
    #[serde(default)]
    pub(super) half_open: HalfOpen,
    /// What is asked before it may leave the open state. Left out, the wait alone ends it.
    pub(super) health_check: Option<HealthCheck>,
    /// Who answers in its stead. Left out, a diverted call gets 503.
    pub(super) fallback: Option<Fallback>,
    /// How many of its calls may be under way at a time.
    pub(super) bulkhead: Option<Bulkhead>,
}

/// What is done with the breaker's decisions.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub(super) enum Mode {
    /// Calls pass or are diverted, as the breaker decides.
    Enabled,
    /// Calls are left alone, and nothing is counted.
    Disabled,
    /// All calls are diverted.
    ForcedOpen,
    /// All calls pass; counts and transitions are as if it were enabled.
    MetricsOnly,
}

/// Which requests belong to it: of each kind given one entry must fit, and all kinds given must.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(crate) struct Match {
    /// Host names: `payments.example.com` on any port, `payments.example.com:8443` on that one,
    /// `*.pay.internal` for all below, `*` for any.
    pub(crate) hosts: Option<Vec<String>>,
    /// What the path begins with. No patterns.
    pub(crate) path_prefixes: Option<Vec<String>>,
    /// Methods, in capitals.
    pub(crate) methods: Option<Vec<String>>,
    /// Headers, one of which has to fit.
    pub(crate) headers: Option<Vec<HeaderMatch>>,
    /// Clusters that the route chose, by the proxy's own names; `*` stands for any characters.
    pub(crate) clusters: Option<Vec<String>>,
}

/// A header: its name and exactly one of `exact`, `prefix` and `present`.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(crate) struct HeaderMatch {
    /// The name, in upper or lower case.
    pub(crate) name: String,
    /// A value is this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exact: Option<String>,
    /// A value begins with this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<String>,
    /// `true`: the header is there; `false`: it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) present: Option<bool>,
}

impl serde::Serialize for HeaderMatch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// What opens the breaker: any rule that is given does.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Trip {
    /// Opens on so many failures with no success between them.
    #[serde(default, deserialize_with = "count")]
    pub(super) consecutive_failures: Option<u32>,
    /// Percent. Opens when this share of the latest calls failed, or more.
    pub(super) failure_rate_threshold: Option<Share>,
    /// Percent. Opens when this share of the latest calls was slow, or more.
    pub(super) slow_call_rate_threshold: Option<Share>,
    /// A duration above zero. A call is slow if its answer took as long to begin.
    pub(super) slow_call_duration_threshold: Option<Span>,
    /// With fewer calls in the window no rate opens. At most what a window over calls holds.
    #[serde(default, deserialize_with = "count")]
    pub(super) minimum_number_of_calls: Option<u32>,
    /// Whether the latest calls are those of a time, or so many. Left out, as the size tells.
    pub(super) sliding_window_type: Option<WindowType>,
    /// How far back the latest calls reach: a duration from `1s`, or a number of calls.
    pub(super) sliding_window_size: Option<WindowSize>,
}

/// Whether the latest calls are those of a time, or so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub(super) enum WindowType {
    TimeBased,
    CountBased,
}

/// How far a window reaches: the unit tells which type it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum WindowSize {
    Time(Span),
    Calls(u32),
}

impl<'de> Deserialize<'de> for WindowSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SizeVisitor;

        impl Visitor<'_> for SizeVisitor {
            type Value = WindowSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"10s\", or a whole number of calls such as 100")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<WindowSize, E> {
                Span::deserialize(de::value::StrDeserializer::new(value)).map(WindowSize::Time)
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<WindowSize, E> {
                u32::try_from(value)
                    .map(WindowSize::Calls)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<WindowSize, E> {
                Err(E::invalid_value(de::Unexpected::Signed(value), &self))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<WindowSize, E> {
                Err(E::invalid_value(de::Unexpected::Float(value), &self))
            }
        }

        deserializer.deserialize_any(SizeVisitor)
    }
}

/// What counts as a failure. What is neither a failure nor ignored is a success.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Classify {
    /// Answers of the service that are failures.
    pub(super) failure_status: Option<StatusSet>,
    /// Answers that say nothing about it; beats `failure_status`.
    pub(super) ignore_status: Option<StatusSet>,
    /// gRPC statuses that are failures.
    pub(super) failure_grpc_status: Option<GrpcSet>,
    /// gRPC statuses that say nothing; beats `failure_grpc_status`.
    pub(super) ignore_grpc_status: Option<GrpcSet>,
    /// A call that was too late by a deadline of its client's own counts as a failure only if that
    /// deadline is at least this long. Give more than the slowest good answer of the service takes.
    pub(super) min_client_deadline: Option<Span>,
    /// What it is that the proxy's own limits refused a call.
    pub(super) overflow: Option<Overflow>,
}

/// What it is that the proxy's own limits refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Overflow {
    Failure,
    Ignore,
}

/// How long the breaker stays open.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Open {
    /// The earliest end of the open state. Left out: `30s`, or `0s` with a health check.
    pub(super) wait_duration: Option<Span>,
    /// What each further trip in a row multiplies the wait by, or the health check's interval if that
    /// is longer.
    pub(super) backoff_rate: Option<Factor>,
    /// The longest wait, whatever lengthens it: at least `wait_duration`.
    pub(super) max_wait_duration: Option<Span>,
    /// Percent. How far each wait is spread to either side.
    pub(super) jitter: Option<Percent>,
    /// Whether the `Retry-After` of the answer that trips lengthens the wait, and that of a trial that
    /// is turned away puts off the next one.
    pub(super) honor_retry_after: Option<bool>,
}

/// Which trials close the breaker.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct HalfOpen {
    /// Trials in flight or done in one half-open period, over all workers.
    #[serde(default, deserialize_with = "count")]
    pub(super) permitted_calls: Option<u32>,
    /// Successful trials that close the breaker: at most `permitted_calls`.
    #[serde(default, deserialize_with = "count")]
    pub(super) success_threshold: Option<u32>,
    /// After this long a trial without a result gives its place back, and one that was turned away is
    /// followed by the next. At least `10ms`.
    pub(super) max_wait_duration: Option<Span>,
    /// After closing, the share of diverted calls falls from all to none in this time.
    pub(super) ramp_duration: Option<Span>,
}

/// What is asked before the breaker may leave the open state.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct HealthCheck {
    /// Where the check is sent: a cluster of the proxy. Required, here or in the defaults.
    pub(super) cluster: Option<String>,
    /// The `:authority` of the check. Left out: the cluster's name.
    pub(super) host: Option<String>,
    /// The method.
    pub(super) method: Option<String>,
    /// The path. Required, here or in the defaults.
    pub(super) path: Option<String>,
    /// Further headers.
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// From one check's answer to the next check. At least `10ms`.
    pub(super) interval: Option<Span>,
    /// A check without an answer by then has failed. At most `interval`.
    pub(super) timeout: Option<Span>,
    /// Checks in a row that must pass.
    #[serde(default, deserialize_with = "count")]
    pub(super) healthy_threshold: Option<u32>,
    /// Which answers pass.
    pub(super) expected_status: Option<StatusSet>,
    /// Where passing leads: to trials, or straight to closed.
    pub(super) then: Option<Then>,
    /// How a failed check is tried again before it counts as failed.
    pub(super) retry: Option<Retry>,
}

/// Where a passed health check leads.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub(super) enum Then {
    Close,
    HalfOpen,
}

/// How a failed check is tried again before it counts as failed.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Retry {
    /// Further attempts.
    #[serde(default, deserialize_with = "count")]
    pub(super) num_retries: Option<u32>,
    /// The wait before the first of them. At least `10ms`.
    pub(super) interval: Option<Span>,
    /// What each further wait is multiplied by.
    pub(super) backoff_rate: Option<Factor>,
}

/// Who answers in the service's stead.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Fallback {
    /// A cluster of the proxy: who answers while calls are diverted, and for a failed call. Not the
    /// protected one.
    pub(super) cluster: Option<String>,
    /// The `:authority` with which a failed call is sent to the cluster. Left out: the request's.
    pub(super) host: Option<String>,
    /// Whether a call that failed is answered by the fallback too. Left out: `true` if there is
    /// one.
    pub(super) on_failure: Option<bool>,
    /// How long the cluster may take for a failed call.
    pub(super) timeout: Option<Span>,
    /// Bytes. A failed call with a longer body passes unchanged.
    #[serde(default, deserialize_with = "count")]
    pub(super) max_request_bytes: Option<u32>,
    /// Good answers that are given again where there is no `cluster`.
    pub(super) stale: Option<Stale>,
    /// What is answered where there is no `cluster`, and nothing `stale`.
    pub(super) response: Option<Response>,
}

/// Good answers that are given again while the service is down.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Stale {
    /// How long an answer may have been kept when it is given. At least `1s`.
    pub(super) max_age: Option<Span>,
    /// Bytes. Longer bodies are not kept.
    #[serde(default, deserialize_with = "count")]
    pub(super) max_response_bytes: Option<u32>,
    /// How many answers are kept for the service.
    #[serde(default, deserialize_with = "count")]
    pub(super) max_entries: Option<u32>,
}

/// A static answer.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Response {
    /// The status.
    #[serde(default, deserialize_with = "count")]
    pub(super) status: Option<u32>,
    /// The headers.
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// The body.
    pub(super) body: Option<String>,
}

/// How many calls may be under way at a time, over all workers.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Bulkhead {
    /// How many calls may be under way. Required, here or in the defaults.
    #[serde(default, deserialize_with = "count")]
    pub(super) max_concurrent_calls: Option<u32>,
    /// A request that takes longer to complete gives its place back until it has. At least `10ms`.
    pub(super) max_request_duration: Option<Span>,
    /// What becomes of a call that finds no place.
    pub(super) on_full: Option<OnFull>,
    /// Classes of calls; the first that matches has a call.
    pub(super) partitions: Option<Vec<Partition>>,
}

/// What becomes of a call that finds every place taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum OnFull {
    Fallback,
    Reject,
}

/// A class of calls that may take only a part of the places.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Partition {
    /// Names it, over all configurations.
    pub(super) name: String,
    /// Which calls belong to it.
    #[serde(rename = "match")]
    pub(super) matches: Option<Match>,
    /// How many of its calls may be under way: at most the service's own.
    #[serde(default, deserialize_with = "count")]
    pub(super) max_concurrent_calls: Option<u32>,
}

/// When answers tell the breaker's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum ExposeState {
    Always,
    Fallback,
    Never,
}

/// Where each transition is posted, once for all workers.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Notify {
    /// Where it is sent: a cluster of the proxy.
    pub(super) cluster: Option<String>,
    /// The `:authority` of the call. Left out: the cluster's name.
    pub(super) host: Option<String>,
    /// The path.
    pub(super) path: Option<String>,
    /// Further headers, such as a credential.
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// A call without an answer by then has failed.
    pub(super) timeout: Option<Span>,
    /// Further attempts at a call that failed.
    #[serde(default, deserialize_with = "count")]
    pub(super) num_retries: Option<u32>,
}

/// Where the admin API answers.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an object", remote = "Self")]
pub(super) struct Admin {
    /// What the paths of the API begin with.
    pub(super) path_prefix: Option<String>,
    /// Where given, every request needs `authorization: Bearer <token>`, and nothing else. A secret.
    pub(super) token: Option<String>,
    /// Without a token: by which hosts it may be asked beside `localhost` and loopback addresses. Always
    /// from this machine only.
    pub(super) hosts: Option<Vec<String>>,
}

/// A factor from 1 to 100, in thousandths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factor(pub(super) u32);

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a factor from 1 to 100, such as 2.0";
        let thousandths = number(deserializer, expected, 1.0, 100.0, 1_000.0)?;
        Ok(Self(thousandths))
    }
}

/// A share from 0 to 100, in whole percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Percent(pub(super) u8);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let percent = number(deserializer, "a percentage from 0 to 100", 0.0, 100.0, 1.0)?;
        Ok(Self(u8::try_from(percent).unwrap_or(100)))
    }
}

/// A share over 0 and up to 100 percent, in thousandths of a percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share(pub(super) u32);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a percentage over 0 (at least 0.001) and up to 100";
        number(deserializer, expected, 0.001, 100.0, 1_000.0).map(Self)
    }
}

/// Reads a JSON number between two bounds as an integer of `scale` steps a unit.
fn number<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &'static str,
    lowest: f64,
    highest: f64,
    scale: f64,
) -> Result<u32, D::Error> {
    struct NumberVisitor {
        expected: &'static str,
        lowest: f64,
        highest: f64,
        scale: f64,
    }

    impl Visitor<'_> for NumberVisitor {
        type Value = u32;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expected)
        }

        fn visit_f64<E: de::Error>(self, value: f64) -> Result<u32, E> {
            if !(self.lowest..=self.highest).contains(&value) {
                return Err(E::invalid_value(de::Unexpected::Float(value), &self));
            }
            // Within bounds, and so far within u32.
            Ok((value * self.scale).round() as u32)
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<u32, E> {
            let refused = E::invalid_value(de::Unexpected::Unsigned(value), &self);
            let Ok(small) = u32::try_from(value) else {
                return Err(refused);
            };
            self.visit_f64::<E>(f64::from(small)).map_err(|_| refused)
        }

        fn visit_i64<E: de::Error>(self, value: i64) -> Result<u32, E> {
            Err(E::invalid_value(de::Unexpected::Signed(value), &self))
        }
    }

    deserializer.deserialize_f64(NumberVisitor { expected, lowest, highest, scale })
}

/// Reads a whole number.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    struct Count(u32);

    impl<'de> Deserialize<'de> for Count {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct CountVisitor;

            impl Visitor<'_> for CountVisitor {
                type Value = Count;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a whole number from 0 to 4294967295")
                }

                fn visit_u64<E: de::Error>(self, value: u64) -> Result<Count, E> {
                    u32::try_from(value)
                        .map(Count)
                        .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
                }

                fn visit_i64<E: de::Error>(self, value: i64) -> Result<Count, E> {
                    Err(E::invalid_value(de::Unexpected::Signed(value), &self))
                }
            }

            deserializer.deserialize_u64(CountVisitor)
        }
    }

    Ok(Option::<Count>::deserialize(deserializer)?.map(|count| count.0))
}
