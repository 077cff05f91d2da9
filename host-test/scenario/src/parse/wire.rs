//! A scenario as it is written: unknown keys refused, what is left out still left out.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use config::duration;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

pub(super) use super::answer::{AnswerTo, Callout, Whole};
use crate::format::{Expect, Need};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a scenario")]
pub(super) struct Scenario {
    pub(super) title: String,
    #[serde(default)]
    pub(super) semantics: Vec<u8>,
    #[serde(default)]
    pub(super) needs: Vec<Need>,
    pub(super) workers: Option<usize>,
    pub(super) service: Option<String>,
    pub(super) config: Value,
    pub(super) steps: Vec<Spanned<Step>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a step, such as {call: {answer: 200}}")]
pub(super) struct Step {
    pub(super) at: Option<Span>,
    pub(super) after: Option<Span>,
    pub(super) request: Option<Request>,
    pub(super) call: Option<Call>,
    pub(super) answer: Option<AnswerTo>,
    pub(super) more: Option<More>,
    pub(super) finish: Option<String>,
    pub(super) complete: Option<String>,
    pub(super) abort: Option<String>,
    pub(super) cluster: Option<Upstream>,
    pub(super) release: Option<Release>,
    pub(super) configure: Option<Value>,
    pub(super) crash: Option<usize>,
    pub(super) tick: Option<Thread>,
    pub(super) wall_clock: Option<WallClock>,
    pub(super) lost_races: Option<u32>,
    pub(super) store: Option<Store>,
    pub(super) expect: Option<Expect>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a request, such as {name: first}")]
pub(super) struct Request {
    pub(super) name: String,
    #[serde(default)]
    pub(super) worker: usize,
    pub(super) method: Option<String>,
    pub(super) host: Option<String>,
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) incomplete: bool,
    pub(super) cluster: Option<String>,
    pub(super) route: Option<String>,
    pub(super) peer: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a call, such as {answer: 200}")]
pub(super) struct Call {
    pub(super) times: Option<u32>,
    pub(super) every: Option<Span>,
    pub(super) takes: Option<Span>,
    #[serde(default)]
    pub(super) worker: usize,
    pub(super) method: Option<String>,
    pub(super) host: Option<String>,
    pub(super) path: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) route: Option<String>,
    pub(super) peer: Option<String>,
    pub(super) answer: Whole,
}

impl From<Call> for Request {
    fn from(call: Call) -> Self {
        let Call { worker, method, host, path, headers, body, cluster, route, peer, .. } = call;
        Self {
            name: String::new(),
            worker,
            method,
            host,
            path,
            headers,
            body,
            incomplete: false,
            cluster,
            route,
            peer,
        }
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "more of an answer, such as {to: first, bytes: 100000}")]
pub(super) struct More {
    pub(super) to: String,
    pub(super) bytes: usize,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a cluster, such as {name: health, answers: 500}")]
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) answers: Callout,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an answer, such as {cluster: health, answer: 200}")]
pub(super) struct Release {
    pub(super) cluster: String,
    pub(super) answer: Callout,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a step of the wall clock, such as {back: 1h}")]
pub(super) struct WallClock {
    pub(super) forward: Option<Span>,
    pub(super) back: Option<Span>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Store {
    Well,
    Unreadable,
    Unwritable,
    Garbage,
    Newer,
}

/// A thread: a worker's number, or `main`.
pub(super) enum Thread {
    Worker(usize),
    Main,
}

impl<'de> Deserialize<'de> for Thread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlaceVisitor;

        impl Visitor<'_> for PlaceVisitor {
            type Value = Thread;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of a worker, or main")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Thread, E> {
                let worker = usize::try_from(value);
                worker
                    .map(Thread::Worker)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Thread, E> {
                match value {
                    "main" => Ok(Thread::Main),
                    _ => Err(E::invalid_value(de::Unexpected::Str(value), &self)),
                }
            }
        }

        deserializer.deserialize_any(PlaceVisitor)
    }
}

/// A duration as in a configuration, such as `1m30s`.
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        duration::parse(&text).map(Self).ok_or_else(|| {
            let expected = "a duration, such as 250ms, 30s or 1m30s";
            de::Error::invalid_value(de::Unexpected::Str(&text), &expected)
        })
    }
}
