//! The configuration as it is written: every field optional, unknown ones refused, each leaf
//! already of its type. What it means is decided in [`super::resolve`].

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::duration::Span;
use super::status::{GrpcSet, StatusSet};

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Config {
    pub(super) defaults: Option<Defaults>,
    pub(super) expose_state: Option<ExposeState>,
    pub(super) services: Option<Vec<Service>>,
    #[serde(default, deserialize_with = "count")]
    pub(super) max_services: Option<u32>,
    pub(super) notify: Option<Notify>,
    pub(super) admin: Option<Admin>,
}

/// What both a service and the defaults may give.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Defaults {
    pub(super) mode: Option<Mode>,
    pub(super) trip: Option<Trip>,
    #[serde(default)]
    pub(super) classify: Classify,
    #[serde(default)]
    pub(super) open: Open,
    #[serde(default)]
    pub(super) half_open: HalfOpen,
    pub(super) health_check: Option<HealthCheck>,
    pub(super) fallback: Option<Fallback>,
    pub(super) bulkhead: Option<Bulkhead>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Service {
    pub(super) name: String,
    #[serde(rename = "match")]
    pub(super) matches: Option<Match>,
    pub(super) mode: Option<Mode>,
    pub(super) trip: Option<Trip>,
    #[serde(default)]
    pub(super) classify: Classify,
    #[serde(default)]
    pub(super) open: Open,
    #[serde(default)]
    pub(super) half_open: HalfOpen,
    pub(super) health_check: Option<HealthCheck>,
    pub(super) fallback: Option<Fallback>,
    pub(super) bulkhead: Option<Bulkhead>,
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Enabled,
    Disabled,
    ForcedOpen,
    MetricsOnly,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct Match {
    pub(crate) hosts: Option<Vec<String>>,
    pub(crate) path_prefixes: Option<Vec<String>>,
    pub(crate) headers: Option<Vec<HeaderMatch>>,
    pub(crate) clusters: Option<Vec<String>>,
}

#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(crate) struct HeaderMatch {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exact: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) present: Option<bool>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Trip {
    #[serde(default, deserialize_with = "count")]
    pub(super) consecutive_failures: Option<u32>,
    pub(super) failure_rate_threshold: Option<Share>,
    pub(super) slow_call_rate_threshold: Option<Share>,
    pub(super) slow_call_duration_threshold: Option<Span>,
    #[serde(default, deserialize_with = "count")]
    pub(super) minimum_number_of_calls: Option<u32>,
    pub(super) sliding_window_type: Option<WindowType>,
    pub(super) sliding_window_size: Option<WindowSize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
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

#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Classify {
    pub(super) failure_status: Option<StatusSet>,
    pub(super) ignore_status: Option<StatusSet>,
    pub(super) failure_grpc_status: Option<GrpcSet>,
    pub(super) ignore_grpc_status: Option<GrpcSet>,
    pub(super) overflow: Option<Overflow>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Overflow {
    Failure,
    Ignore,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Open {
    pub(super) wait_duration: Option<Span>,
    pub(super) backoff_rate: Option<Factor>,
    pub(super) max_wait_duration: Option<Span>,
    pub(super) jitter: Option<Percent>,
    pub(super) honor_retry_after: Option<bool>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct HalfOpen {
    #[serde(default, deserialize_with = "count")]
    pub(super) permitted_calls: Option<u32>,
    #[serde(default, deserialize_with = "count")]
    pub(super) success_threshold: Option<u32>,
    pub(super) max_wait_duration: Option<Span>,
    pub(super) ramp_duration: Option<Span>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct HealthCheck {
    pub(super) cluster: Option<String>,
    pub(super) host: Option<String>,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) interval: Option<Span>,
    pub(super) timeout: Option<Span>,
    #[serde(default, deserialize_with = "count")]
    pub(super) healthy_threshold: Option<u32>,
    pub(super) expected_status: Option<StatusSet>,
    pub(super) then: Option<Then>,
    pub(super) retry: Option<Retry>,
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Then {
    Close,
    HalfOpen,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Retry {
    #[serde(default, deserialize_with = "count")]
    pub(super) num_retries: Option<u32>,
    pub(super) interval: Option<Span>,
    pub(super) backoff_rate: Option<Factor>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Fallback {
    pub(super) cluster: Option<String>,
    pub(super) host: Option<String>,
    pub(super) on_failure: Option<bool>,
    pub(super) timeout: Option<Span>,
    #[serde(default, deserialize_with = "count")]
    pub(super) max_request_bytes: Option<u32>,
    pub(super) stale: Option<Stale>,
    pub(super) response: Option<Response>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Stale {
    pub(super) max_age: Option<Span>,
    #[serde(default, deserialize_with = "count")]
    pub(super) max_response_bytes: Option<u32>,
    #[serde(default, deserialize_with = "count")]
    pub(super) max_entries: Option<u32>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Response {
    #[serde(default, deserialize_with = "count")]
    pub(super) status: Option<u32>,
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) body: Option<String>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Bulkhead {
    #[serde(default, deserialize_with = "count")]
    pub(super) max_concurrent_calls: Option<u32>,
    pub(super) on_full: Option<OnFull>,
    pub(super) partitions: Option<Vec<Partition>>,
}

/// What becomes of a call that finds every place taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnFull {
    Fallback,
    Reject,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Partition {
    pub(super) name: String,
    #[serde(rename = "match")]
    pub(super) matches: Option<Match>,
    #[serde(default, deserialize_with = "count")]
    pub(super) max_concurrent_calls: Option<u32>,
}

/// When answers tell the breaker's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExposeState {
    Always,
    Fallback,
    Never,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Notify {
    pub(super) cluster: Option<String>,
    pub(super) host: Option<String>,
    pub(super) path: Option<String>,
    pub(super) headers: Option<BTreeMap<String, String>>,
    pub(super) timeout: Option<Span>,
    #[serde(default, deserialize_with = "count")]
    pub(super) num_retries: Option<u32>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct Admin {
    pub(super) path_prefix: Option<String>,
    pub(super) token: Option<String>,
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
