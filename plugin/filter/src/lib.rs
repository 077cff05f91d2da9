//! Everything a proxy filter decides, without a proxy.
//!
//! A shell (`plugin/proxy-wasm`, or a test) owns a [`Filter`] for each configuration and an
//! [`Exchange`] for each request, calls one method for each event, and does what comes back:
//!
//! * a **verdict**, what becomes of the request or the answer;
//! * [`Effects`], metrics and log lines.
//!
//! What a method asks in between goes through [`Host`]: the [`Store`] that all workers share, the
//! [`Clock`], the [gauges](VersionGauge) of what is stored, and the [`Stream`] at hand.
//!
//! The breaker's own rules are in the crate `breaker`, and what is configured in `config`. Here each
//! feature has a room: the call ([`mod@request`], [`mod@response`], [`mod@exchange`]), the records that
//! all workers agree on ([`mod@store`]), health checks ([`mod@health`]), bulkheads, stale answers, dynamic
//! services, events, notifications, the admin API. [`Filter`] is composed of them, and no room imports it.

#![forbid(unsafe_code)]
#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod admin;
mod budget;
mod bulkhead;
mod calendar;
mod callbacks;
mod callout;
#[cfg(test)]
#[path = "../tests/unit/cells.rs"]
mod cells;
mod clusters;
mod command;
mod config_warnings;
mod dynamic;
mod effects;
mod events;
mod exchange;
mod filter;
mod fleet;
mod fleets;
mod handle;
mod headers;
mod health;
mod histories;
mod history;
mod host;
mod instances;
mod json;
mod lease;
mod notify;
mod overdue;
mod parts;
mod random;
mod recent;
mod request;
mod request_warnings;
mod response;
mod rounds;
mod services;
mod sorted;
mod stale;
mod status;
mod store;
mod telemetry;
mod tenure;
mod timer;
mod watched;

pub use ::fleet::SyncResult;
pub use breaker::{Command, Mode, Now, Reason, StateName, Timestamp, UnixTime};
pub use callout::CalloutRequest;
pub use callout::waiting::{TimedOut, WaitingCallers};
pub use command::CommandError;
pub use config::{Capability, Config, ConfigError, Withheld};
pub use effects::{Change, Effects, Level};
pub use exchange::{
    Exchange, FallbackAnswer, FallbackVerdict, Piece, RequestAction, RequestVerdict, Rerun,
    ResponseVerdict,
};
pub use filter::Filter;
pub use headers::{Headers, ReservedHeaders, ReservedResponseHeaders};
pub use host::{Host, Origin, Peer, Stream};
pub use response::head::AnswerHead;
pub use response::replacement::{
    REPLACED_STATUS, ReplaceBy, Replacement, Substitute, TrailersVerdict,
};
pub use response::reply::{Reply, ResponseAnnotations};
pub use shared::{Clock, Store, StoreFault, SwapError, Version, VersionGauge};
pub use status::ServiceStatus;
pub use telemetry::{
    FallbackKind, LABEL_PREFIX, Metric, MetricKind, MetricRow, ModuleMetric, NotificationResult,
    ServiceMetric, SkipReason, Unprotected,
};
pub use timer::{Callout, CalloutAnswer, PendingCallout};
