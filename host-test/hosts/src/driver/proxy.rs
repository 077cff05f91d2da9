//! What a host in virtual time has to offer: a [`VirtualProxy`], an [`Instance`] of the plugin on
//! each of its threads, and a [`Stream`] for each request.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use scenario::{
    CLIENT_GONE, CallId, CalloutAnswer, Configured, Fault, Head, Reply, Request, Status,
};

/// What the threads of a proxy share: store, clocks, metrics and log.
pub(crate) trait VirtualProxy {
    /// The plugin on one thread.
    type Instance: Instance;

    /// Sets both clocks; the wall clock since 1970.
    fn set_clocks(&mut self, monotonic: Duration, wall: Duration);

    /// Tries a configuration, as a proxy does before any of its threads sees it.
    fn check(&mut self, config: &str) -> Result<Configured>;

    /// Starts the plugin on a thread, with a configuration that was accepted. Returns how often it
    /// wants to tick; zero: never.
    fn start(&mut self, config: &str) -> Result<(Self::Instance, Duration)>;

    /// Says whether there is a cluster, to those that ask their proxy.
    fn set_cluster(&mut self, _name: &str, _is_there: bool) {}

    /// Has the store fail, until it is [mended](Self::mend_store).
    fn break_store(&mut self, operation: Operation);

    /// Has the store work again.
    fn mend_store(&mut self);

    /// Has so many writes of the store lose a race.
    fn lose_races(&mut self, count: u32);

    /// What the store has under a key, whether or not it can be read.
    fn stored(&self, key: &str) -> Option<Vec<u8>>;

    /// Writes into the store, whether or not it can be written.
    fn store(&mut self, key: &str, value: &[u8]) -> Result<()>;

    /// All metrics, by the proxy's names for them.
    fn metrics(&self) -> BTreeMap<String, u64>;

    /// The lines that were logged since this was last asked.
    fn take_log(&mut self) -> Vec<String>;
}

/// What can be done to a store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Read,
    Write,
}

/// The plugin on one thread.
pub(crate) trait Instance: Sized {
    /// A request that came to it.
    type Stream: Stream<Self>;

    /// By which it knows a callout of its own.
    type Token;

    /// Gives it another configuration that was accepted. Returns how often it wants to tick.
    fn configure(&mut self, config: &str) -> Result<Duration>;

    /// A timer callback. Returns the callouts that it made.
    fn tick(&mut self) -> Result<Vec<(Self::Token, Callout)>>;

    /// A callout of its own is answered.
    fn on_callout_answer(&mut self, token: Self::Token, answer: CalloutAnswer) -> Result<()>;

    /// A request comes, with as much of its body as there is.
    fn on_request(&mut self, call: CallId, request: &Request) -> Result<(Self::Stream, Admission)>;

    /// A service's breaker as it shows it; `None`: it does not, or cannot now.
    fn shown(&mut self, _service: &str) -> Result<Option<Status>> {
        Ok(None)
    }
}

/// A request and its answer, as a proxy feeds them to an instance. Once a filter's own answer has
/// taken over, nothing but [`on_end`](Self::on_end) follows.
pub(crate) trait Stream<I> {
    /// All of the request has come, which was not complete. Returns the plugin's own answer, if it
    /// gives one.
    fn on_request_end(&mut self, instance: &mut I) -> Result<Option<Reply>>;

    /// The head of an answer comes.
    fn on_head(&mut self, instance: &mut I, head: &Head, by: By) -> Result<Answered>;

    /// A piece of the answer's body comes.
    fn on_body(&mut self, instance: &mut I, piece: &[u8], is_last: bool) -> Result<()>;

    /// The answer's trailers come, with the status of gRPC if they have one.
    fn on_trailers(&mut self, instance: &mut I, grpc: Option<u8>) -> Result<()>;

    /// The callout that the answer is held back for is answered.
    fn on_fallback_answer(&mut self, instance: &mut I, answer: CalloutAnswer) -> Result<Answered>;

    /// The stream is over: all has gone to the client, or it was cut off.
    fn on_end(&mut self, instance: &mut I, cut: Option<Cut>) -> Result<()>;
}

/// Who gives an answer.
#[derive(Clone, Copy)]
pub(crate) enum By {
    /// The service, in so much time since the request was complete.
    Service(Duration),
    /// The proxy, because of a fault.
    Proxy(Fault),
}

impl By {
    pub(crate) const fn fault(self) -> Option<Fault> {
        match self {
            Self::Service(_) => None,
            Self::Proxy(fault) => Some(fault),
        }
    }

    /// The header by which Envoy's router says so of each answer that came from a service.
    pub(crate) fn service_time(self) -> Option<(&'static str, String)> {
        match self {
            Self::Service(took) => Some((SERVICE_TIME, took.as_millis().to_string())),
            Self::Proxy(_) => None,
        }
    }
}

pub(crate) const SERVICE_TIME: &str = "x-envoy-upstream-service-time";

/// What becomes of a request.
pub(crate) enum Admission {
    /// It goes to its service.
    Forward,
    /// It goes to this cluster instead, and why.
    Divert { cluster: String, reason: String },
    /// The plugin answers it.
    Reply(Reply),
}

/// What becomes of an answer.
pub(crate) enum Answered {
    /// It goes to the client, with this head.
    Pass(Reply),
    /// The plugin's own answer takes its place at once.
    Reply(Reply),
    /// The plugin's own answer is written into it as it passes.
    Rewrite(Reply),
    /// It is held back for a callout.
    Ask(Callout),
}

/// A call that the plugin has its proxy make.
pub(crate) struct Callout {
    pub(crate) cluster: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) timeout: Duration,
}

/// Why a stream ends before its answer does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    By(Fault),
    ClientGone,
}

impl Cut {
    /// What Envoy notes of it: response code details, and response flags.
    pub(crate) const fn in_envoy(self) -> (&'static str, u64) {
        match self {
            Self::By(fault) => fault.in_envoy_mid_answer(),
            Self::ClientGone => CLIENT_GONE,
        }
    }
}

/// What Envoy notes of an answer: response code details, and response flags.
pub(crate) const fn answer_in_envoy(fault: Option<Fault>) -> (&'static str, u64) {
    match fault {
        None => ("via_upstream", 0),
        Some(fault) => {
            let (_, details, flags) = fault.in_envoy();
            (details, flags)
        }
    }
}
