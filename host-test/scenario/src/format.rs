//! A scenario as it was meant: valid, with every default filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::event::{Answer, CalloutAnswer, Event, Fault};

/// One behaviour: what happens, and what is to come of it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where it was read; empty if it was made up.
    pub file: PathBuf,
    /// What it shows, as a sentence.
    pub title: String,
    /// The rows of the table of known mistakes that it holds.
    pub semantics: BTreeSet<u8>,
    /// What a host must be able to do.
    pub needs: BTreeSet<Need>,
    /// How many threads requests come to; the main one ticks besides.
    pub workers: usize,
    /// The service that steps talk about unless they name another.
    pub service: String,
    /// The plugin's configuration.
    pub config: Value,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// The names of the configured services, in order.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        service_names(&self.config)
    }
}

/// The names of the services of a configuration, in order, but for those that are made of what is known
/// of a request.
pub(crate) fn service_names(config: &Value) -> impl Iterator<Item = &str> {
    let services = config.get("services").and_then(Value::as_array);
    services
        .into_iter()
        .flatten()
        .filter_map(|service| service.get("name")?.as_str())
        .filter(|name| !is_made(name))
}

/// Whether a configuration has names that are made of what is known of a request.
pub(crate) fn makes_names(config: &Value) -> bool {
    let services = config.get("services").and_then(Value::as_array);
    services.is_none_or(|services| {
        services.iter().any(|service| service["name"].as_str().is_some_and(is_made))
    })
}

fn is_made(name: &str) -> bool {
    name.contains('{')
}

/// What not every host can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Time that passes as fast as it is told to, and clocks that step.
    VirtualTime,
    /// Writes that lose a race when they are told to.
    Races,
    /// Workers that crash when they are told to.
    Crash,
    /// Replies that the proxy makes itself when it is told to.
    ProxyFaults,
    /// A store that fails or holds other bytes when it is told to.
    StoreFaults,
    /// Requests whose routes lead to clusters, and have names, that the scenario chooses.
    Routes,
    /// Requests from whom the scenario chooses.
    Peers,
    /// Answers of the plugin's own to requests that have gone on, but for their last byte.
    LateAnswers,
    /// Clusters that the proxy does not have.
    UnknownClusters,
}

impl Need {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::VirtualTime,
        Self::Races,
        Self::Crash,
        Self::ProxyFaults,
        Self::StoreFaults,
        Self::Routes,
        Self::Peers,
        Self::LateAnswers,
        Self::UnknownClusters,
    ];

    /// The name in a scenario.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VirtualTime => "virtual-time",
            Self::Races => "races",
            Self::Crash => "crash",
            Self::ProxyFaults => "proxy-faults",
            Self::StoreFaults => "store-faults",
            Self::Routes => "routes",
            Self::Peers => "peers",
            Self::LateAnswers => "late-answers",
            Self::UnknownClusters => "unknown-clusters",
        }
    }
}

impl Event {
    /// What a host must be able to do for it.
    #[must_use]
    pub fn need(&self) -> Option<Need> {
        let needs_proxy =
            |answer: &Answer| matches!(answer, Answer::Fault(f) if *f != Fault::Reset);
        match self {
            // Who can do this can do all that a request may ask for.
            Self::Request { request, .. } | Self::Call { request, .. }
                if request.peer.is_some() =>
            {
                Some(Need::Peers)
            }
            Self::Request { request, .. } | Self::Call { request, .. }
                if request.cluster.is_some() || request.route.is_some() =>
            {
                Some(Need::Routes)
            }
            Self::Answer { answer, .. } if needs_proxy(answer) => Some(Need::ProxyFaults),
            Self::Call { answer, .. } if answer.iter().any(needs_proxy) => Some(Need::ProxyFaults),
            Self::Upstream { answers: CalloutAnswer::Unknown, .. } => Some(Need::UnknownClusters),
            Self::Crash { .. } => Some(Need::Crash),
            Self::LostRaces(_) => Some(Need::Races),
            Self::Store(_) => Some(Need::StoreFaults),
            Self::Tick(_) | Self::WallClock { .. } => Some(Need::VirtualTime),
            _ => None,
        }
    }
}

/// Something that happens, and what is to come of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The line that it begins on; 0 if it was made up.
    pub line: u64,
    /// When it happens.
    pub clock: Clock,
    /// What happens.
    pub event: Event,
    /// What is to come of it.
    pub expect: Expect,
}

/// When a step happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// At once.
    Now,
    /// After so much more time.
    After(Duration),
    /// When so much time has passed since the beginning.
    At(Duration),
}

/// What is to come of a step. What is not named is not looked at.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "expectations, such as {state: OPEN}")]
pub struct Expect {
    /// What became of the request, of its answer or of the configuration. For several calls: of
    /// each.
    pub verdict: Option<String>,
    /// The status that the client got. For several calls: of each.
    pub status: Option<u16>,
    /// Headers that the client got, those of the last call. Null: there is none.
    pub headers: BTreeMap<String, Option<String>>,
    /// The seconds after which the client is told to come again.
    pub retry_after: Option<u64>,
    /// Why a configuration was refused, in part.
    pub message: Option<String>,
    /// The service that the following is about, unless it is the scenario's.
    pub service: Option<String>,
    /// The breaker's state.
    pub state: Option<String>,
    /// Its failures in a row.
    pub failures: Option<u64>,
    /// Its period.
    pub generation: Option<u64>,
    /// Why it is not closed.
    pub trip_reason: Option<String>,
    /// Metrics by name and labels, as in `calls_total{outcome=failure}`.
    pub metrics: BTreeMap<String, u64>,
    /// Parts of lines, each of which was logged since the step before. Empty: nothing was.
    pub log: Option<Vec<String>>,
    /// How many calls the plugin made itself since the step before, by their cluster.
    pub callouts: BTreeMap<String, u64>,
    /// Headers of the last of them, by cluster, `:method` and its like among them. Null: there is none.
    pub asked: BTreeMap<String, BTreeMap<String, Option<String>>>,
}

impl Expect {
    /// Whether a breaker is to be looked at.
    pub(crate) fn is_about_a_breaker(&self) -> bool {
        self.state.is_some()
            || self.failures.is_some()
            || self.generation.is_some()
            || self.trip_reason.is_some()
    }
}
