//! The filter's values in the types of `wit/`, and the other way round.

use std::iter;
use std::time::Duration;

use filter::{
    CalloutRequest, Change, CommandError, ConfigError, FallbackVerdict, Headers, Level, MetricKind,
    Reply, RequestAction, ResponseAnnotations, ResponseVerdict, ServiceStatus, UnixTime,
};

use crate::bindings::exports::edge_breaker::guard::breaker as wit;

/// The enums of `wit/` by the names that the plugin has for them.
mod mirrored {
    pub(super) use super::wit::{Command, Mode, Reason, State as StateName};
}

/// An enum of the plugin, in the type of `wit/` that has the same values, and back.
macro_rules! values {
    ($Enum:ident: $($Value:ident)+) => {
        impl From<filter::$Enum> for mirrored::$Enum {
            fn from(value: filter::$Enum) -> Self {
                match value { $(filter::$Enum::$Value => Self::$Value,)+ }
            }
        }

        impl From<mirrored::$Enum> for filter::$Enum {
            fn from(value: mirrored::$Enum) -> Self {
                match value { $(mirrored::$Enum::$Value => Self::$Value,)+ }
            }
        }
    };
}

filter::Command!();
filter::Mode!();
filter::Reason!();
filter::StateName!();

pub(crate) fn duration(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn config_error(error: &ConfigError) -> wit::ConfigError {
    wit::ConfigError {
        path: error.path().to_owned(),
        value: error.value().to_owned(),
        remedy: error.remedy().to_owned(),
        message: error.to_string(),
    }
}

pub(crate) fn service_status(status: ServiceStatus) -> wit::ServiceStatus {
    wit::ServiceStatus {
        service_name: status.service_name,
        state: status.state.into(),
        mode: status.mode.into(),
        failure_count: status.failure_count,
        generation: status.generation,
        trip_reason: status.trip_reason.map(Into::into),
        latest_calls: status.counts.map(|counts| wit::CallCounts {
            calls: counts.calls,
            failures: counts.failures,
            slow: counts.slow,
        }),
        in_flight: status.in_flight,
        last_failure: status.last_failure.map(UnixTime::as_nanos),
        last_success: status.last_success.map(UnixTime::as_nanos),
        opened_at: status.opened_at.map(UnixTime::as_nanos),
        retry_at: status.retry_at.map(UnixTime::as_nanos),
    }
}

pub(crate) const fn command_error(error: CommandError) -> wit::SteerError {
    match error {
        CommandError::Unknown => wit::SteerError::Unknown,
        CommandError::Unwritten => wit::SteerError::Unwritten,
    }
}

pub(crate) fn headers(fields: &[wit::Field]) -> Headers {
    let pairs: Vec<_> = fields.iter().map(|field| (&field.name, &field.value)).collect();
    Headers::from_pairs(&pairs)
}

/// The headers of an answer, with the status as the first of them.
pub(crate) fn answer_headers(status: u16, fields: &[wit::Field]) -> Headers {
    let status = status.to_string();
    let rest = fields.iter().map(|field| (field.name.as_str(), field.value.as_slice()));
    let pairs: Vec<_> = iter::once((":status", status.as_bytes())).chain(rest).collect();
    Headers::from_pairs(&pairs)
}

pub(crate) fn request_verdict(action: RequestAction) -> wit::RequestVerdict {
    match action {
        RequestAction::Continue => wit::RequestVerdict::Pass,
        RequestAction::Divert(headers) => {
            // The first of them is the one that routes match on.
            let cluster = headers.first().map(|(_, cluster)| cluster.clone()).unwrap_or_default();
            wit::RequestVerdict::Divert(wit::Diversion { cluster, fields: fields(headers) })
        }
        RequestAction::Reply(answer) => wit::RequestVerdict::Reply(reply(answer)),
    }
}

pub(crate) fn response_verdict(verdict: ResponseVerdict) -> wit::ResponseVerdict {
    match verdict {
        ResponseVerdict::Continue(it) => wit::ResponseVerdict::Pass(annotations(it)),
        ResponseVerdict::Ask(call) => wit::ResponseVerdict::Ask(callout(call)),
        ResponseVerdict::Replace(it) => wit::ResponseVerdict::Reply(reply(it.reply)),
        // Not of a host that cannot.
        ResponseVerdict::Rerun(_) => wit::ResponseVerdict::Pass(Vec::new()),
    }
}

pub(crate) fn fallback_verdict(verdict: FallbackVerdict) -> wit::ResponseVerdict {
    match verdict {
        FallbackVerdict::Resume(it) => wit::ResponseVerdict::Pass(annotations(it)),
        FallbackVerdict::Replace(it) => wit::ResponseVerdict::Reply(reply(it.reply)),
        FallbackVerdict::Nothing => wit::ResponseVerdict::Pass(Vec::new()),
    }
}

/// The headers to set, and those to remove, which have no value.
fn annotations(annotations: ResponseAnnotations) -> Vec<wit::Field> {
    let is_set = |name| annotations.headers().any(|(set, _)| set == name);
    let removed = annotations.removed().filter(|name| !is_set(*name)).map(|name| (name, ""));
    fields(annotations.headers().chain(removed))
}

pub(crate) fn callout(callout: CalloutRequest) -> wit::Callout {
    wit::Callout {
        cluster: callout.cluster,
        fields: fields(callout.headers),
        body: callout.body,
        timeout: duration(callout.timeout),
    }
}

fn reply(reply: Reply) -> wit::Reply {
    wit::Reply { status: reply.status, fields: fields(reply.headers), body: reply.body }
}

fn fields(
    headers: impl IntoIterator<Item = (impl Into<String>, impl Into<Vec<u8>>)>,
) -> Vec<wit::Field> {
    let field =
        |(name, value): (_, _)| wit::Field { name: Into::into(name), value: Into::into(value) };
    headers.into_iter().map(field).collect()
}

pub(crate) const fn metric_kind(kind: MetricKind) -> wit::MetricKind {
    match kind {
        MetricKind::Counter => wit::MetricKind::Counter,
        MetricKind::Gauge => wit::MetricKind::Gauge,
    }
}

pub(crate) const fn change(change: Change) -> wit::Change {
    match change {
        Change::Count => wit::Change::Count,
        Change::Set(value) => wit::Change::Set(value),
    }
}

pub(crate) fn log_line((level, text): (Level, String)) -> wit::LogLine {
    let level = match level {
        Level::Info => wit::Level::Info,
        Level::Warn => wit::Level::Warn,
    };
    wit::LogLine { level, text }
}
