//! Everything a proxy filter decides, without a proxy.
//!
//! A shell (`plugin/proxy-wasm`, or a test) owns a [`Filter`] for each configuration and an
//! [`Exchange`] for each request, calls one method for each event, and does what comes back:
//!
//! * a **verdict**, what becomes of the request or the answer;
//! * [`Effects`], metrics and log lines.
//!
//! What a method asks in between goes through [`Host`], five questions: the shared store, the
//! clocks, and what the proxy knows of the stream at hand.
//!
//! The breaker's own rules are in the crate `breaker`; this one decides which breaker a request
//! belongs to, what an answer says of the service ([`mod@classify`]), how all
//! workers agree on one record ([`mod@store`]), who answers while a breaker is open
//! ([`mod@reply`], [`mod@replay`]), which calls the timer makes ([`mod@timer`]), and what is told of
//! what has happened ([`mod@events`]).

#![forbid(unsafe_code)]
#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod admin;
mod awaited;
mod budget;
mod bulkhead;
mod classify;
mod client_names;
mod clusters;
mod effects;
mod events;
mod exchange;
mod filter;
mod headers;
mod health;
mod host;
mod instances;
mod naming;
mod notify;
mod origin;
mod pushback;
mod random;
mod registry;
mod replay;
mod reply;
mod stale;
mod status;
mod steering;
mod store;
mod subject;
mod telemetry;
mod timer;
mod unreadable;
mod warnings;
mod witness;

pub(crate) use ::config::{self, matching};

pub use awaited::{Awaited, GivenUp};
pub use breaker::{Command, Mode, Now, Reason, StateName, Timestamp, UnixTime};
pub use config::{Capability, Config, ConfigError, Withheld};
pub use effects::{Change, Effects, Level};
pub use exchange::{
    AnswerHead, Exchange, Piece, REPLACED_STATUS, Replacement, RequestAction, RequestVerdict,
    ResponseVerdict, Substitute, TrailersVerdict, Way,
};
pub use filter::Filter;
pub use headers::{Headers, OwnHeaders, OwnResponseHeaders};
pub use host::{Host, Peer, Property, StoreFault, SwapError, Version};
pub use replay::{FallbackAnswer, FallbackVerdict};
pub use reply::{Reply, ResponseAnnotations};
pub use status::ServiceStatus;
pub use steering::SteerError;
pub use telemetry::{
    FallbackKind, Metric, MetricKind, NotificationResult, ServiceMetric, SkipReason,
};
pub use timer::{Callout, CalloutAnswer, PendingCallout};

/// A call that the filter wants made on its behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalloutRequest {
    /// The cluster to call, by the proxy's name for it.
    pub cluster: String,
    /// Headers, the pseudo-headers first.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// How long it may take; at least a millisecond.
    pub timeout: std::time::Duration,
}
