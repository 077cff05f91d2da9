//! What is made of `wit/`.

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    reason = "what the macro writes is its own affair"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "guard",
        additional_derives: [Clone, PartialEq, Eq],
    });
}

pub(crate) use generated::Guard as World;
pub(crate) use generated::edge_breaker::guard::store;

/// The types of the exported interface, with their documentation.
pub mod types {
    pub use super::generated::exports::edge_breaker::guard::breaker::{
        Admission, Answer, CallId, Callout, Change, Command, ConfigError, Configured, Diversion,
        Effects, Ending, Errand, ErrandId, Field, Judgement, Level, LogLine, Metric, MetricChange,
        MetricKind, Origin, Reason, Reply, RequestHead, RequestVerdict, ResponseHead,
        ResponseVerdict, ServiceStatus, State, StatusError, SteerError, Ticked, UnixTime,
    };
}
