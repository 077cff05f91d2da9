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
//! belongs to ([`mod@matching`]), what an answer says of the service ([`mod@classify`]), how all
//! workers agree on one record ([`mod@store`]), who answers while a breaker is open
//! ([`mod@reply`], [`mod@replay`]), which calls the timer makes ([`mod@timer`]), and what is told of
//! what has happened ([`mod@events`]).

#![forbid(unsafe_code)]
#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod admin;
mod awaited;
mod budget;
mod bulkhead;
mod capability;
mod classify;
mod clusters;
mod config;
mod doubts;
mod dynamic;
mod effects;
mod events;
mod exchange;
mod filter;
mod handle;
mod headers;
mod health;
mod host;
mod instances;
mod matching;
mod naming;
mod notify;
mod origin;
mod pushback;
mod random;
mod replay;
mod reply;
mod services;
mod stale;
mod status;
mod steering;
mod store;
mod telemetry;
mod tenure;
mod timer;
mod warning;
mod witness;

pub use awaited::{Awaited, GivenUp};
pub use breaker::{Command, Mode, Now, Reason, StateName, Timestamp, UnixTime};
pub use capability::{Capability, Withheld};
pub use config::{Config, ConfigError};
pub use effects::{Change, Effects, Level};
pub use exchange::{
    AnswerHead, Exchange, Piece, REPLACED_STATUS, Replacement, RequestAction, RequestVerdict,
    ResponseVerdict, Substitute, TrailersVerdict, Way,
};
pub use filter::Filter;
pub use headers::{Headers, OwnHeaders, OwnResponseHeaders};
pub use host::{Host, Peer, Property};
pub use replay::{FallbackAnswer, FallbackVerdict};
pub use reply::{Reply, ResponseAnnotations};
pub use shared::{Clock, NoGauges, Store, StoreFault, SwapError, Version, VersionGauge};
pub use status::ServiceStatus;
pub use steering::SteerError;
pub use telemetry::{
    FallbackKind, Metric, MetricKind, MetricRow, ModuleMetric, NotificationResult, ServiceMetric,
    SkipReason, Unprotected,
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
