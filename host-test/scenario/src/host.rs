//! What runs the breaker, as a scenario sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::event::{Answer, CalloutAnswer, Event, Request};

/// Where the wall clock of a host with virtual time starts, in nanoseconds since 1970: May 1st, 2024,
/// 12:00 UTC. The monotonic one starts at 1,000 seconds.
pub const WALL_START: u64 = 1_714_564_800_000_000_000;

/// A request of a scenario, by the order in which they were sent.
pub type CallId = usize;

/// A thread's number; the main one's is that of the workers.
pub type Worker = usize;

/// A proxy with the plugin, its workers, its clusters and its clients.
///
/// # Time
///
/// It passes only in [`advance`](Self::advance). In a host with virtual time, each thread ticks as often
/// as the plugin asks for, counted from its (re)configuration, the workers in order and then the
/// main one. A callout is answered right after the callback that made it, unless its cluster holds
/// it back: then it fails when its time is over, before any tick of the same moment.
pub trait Host {
    /// Gives all workers a configuration. One that is refused changes nothing.
    ///
    /// # Errors
    /// When the host fails, here and below: what the plugin decides is never an error.
    fn configure(&mut self, config: &Value) -> Result<Configured>;

    /// Lets time pass. Returns what clients got meanwhile.
    ///
    /// # Errors
    /// See [`configure`](Self::configure).
    fn advance(&mut self, by: Duration) -> Result<Vec<Late>>;

    /// Sends a request.
    ///
    /// # Errors
    /// See [`configure`](Self::configure).
    fn request(&mut self, call: CallId, request: &Request) -> Result<Sent>;

    /// Has something happen to a request that went to its service. Returns what its client got,
    /// unless it has to wait for it.
    ///
    /// # Errors
    /// See [`configure`](Self::configure).
    fn answer(&mut self, call: CallId, answer: &Answer) -> Result<Option<Received>>;

    /// Says how a cluster other than the service's answers from now on; 200 until then.
    ///
    /// # Errors
    /// See [`configure`](Self::configure).
    fn upstream(&mut self, cluster: &str, answers: CalloutAnswer) -> Result<()>;

    /// Has a cluster answer the oldest callout that it holds back. Returns what clients got by
    /// that.
    ///
    /// # Errors
    /// When it holds none.
    fn release(&mut self, cluster: &str, answer: CalloutAnswer) -> Result<Vec<Late>>;

    /// Has one of the events happen that not every host is capable of: see [`Event::need`].
    ///
    /// # Errors
    /// When it is not capable of it.
    fn disturb(&mut self, event: &Event) -> Result<()>;

    /// A service's breaker, as all workers see it.
    ///
    /// # Errors
    /// See [`configure`](Self::configure).
    fn status(&mut self, service: &str) -> Result<Status>;

    /// All metrics by the proxy's names for them; `None`: the host shows none.
    ///
    /// # Errors
    /// See [`configure`](Self::configure).
    fn metrics(&mut self) -> Result<Option<BTreeMap<String, u64>>>;

    /// The lines that were logged since this was last asked; `None`: the host shows none.
    ///
    /// # Errors
    /// See [`configure`](Self::configure).
    fn log(&mut self) -> Result<Option<Vec<String>>>;

    /// The callouts that were made to each cluster since this was last asked; `None`: the host does
    /// not see them.
    ///
    /// # Errors
    /// See [`configure`](Self::configure).
    fn callouts(&mut self) -> Result<Option<Made>>;
}

/// What became of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Configured {
    /// It is at work.
    Accepted,
    /// It is not, and this is why.
    Refused(String),
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is at the service, which is to answer.
    Forwarded,
    /// It is answered.
    Answered(Received),
}

/// What a client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// The service's answer, or the proxy's in its name.
    Passed(Reply),
    /// The answer of the fallback cluster that the request was sent to instead, and why it was.
    Diverted(Reply, String),
    /// The plugin's own answer.
    Replied(Reply),
    /// The answer of the fallback cluster, which was sent the failed call.
    Replayed(Reply),
    /// Part of an answer, which then broke off.
    Cut(Reply),
    /// Nothing: it went away itself, or its connection was closed.
    Nothing,
}

/// An answer as its client sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// What a client got while nothing was done about its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// The request.
    pub call: CallId,
    /// What it got.
    pub received: Received,
}

/// A breaker, as the admin API shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Status {
    /// `CLOSED`, `OPEN`, `HALF_OPEN`.
    pub state: String,
    /// Failures in a row.
    pub failure_count: u64,
    /// The period.
    pub generation: u64,
    /// Why it is not closed.
    pub trip_reason: Option<String>,
}

/// The calls that were made, by cluster.
pub type Made = BTreeMap<String, Asked>;

/// What a cluster was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// How often.
    pub times: u64,
    /// With which headers, the last time.
    pub headers: BTreeMap<String, String>,
}

impl Asked {
    /// It is asked once more.
    pub fn once_more(&mut self, headers: BTreeMap<String, String>) {
        self.times += 1;
        self.headers = headers;
    }
}

impl Received {
    /// The verdict in a scenario, `diverted open` and so on.
    #[must_use]
    pub fn verdict(&self) -> String {
        match self {
            Self::Passed(_) => "passed".to_owned(),
            Self::Diverted(_, reason) => format!("diverted {reason}"),
            Self::Replied(_) => "replied".to_owned(),
            Self::Replayed(_) => "replayed".to_owned(),
            Self::Cut(_) => "cut".to_owned(),
            Self::Nothing => "nothing".to_owned(),
        }
    }

    /// The answer, as far as there is one.
    #[must_use]
    pub const fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Passed(reply)
            | Self::Diverted(reply, _)
            | Self::Replied(reply)
            | Self::Replayed(reply)
            | Self::Cut(reply) => Some(reply),
            Self::Nothing => None,
        }
    }
}
