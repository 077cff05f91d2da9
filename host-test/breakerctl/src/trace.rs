//! The calls to replay: of a table, or of an access log.

mod csv;
mod ended;
mod fields;
mod log;
mod time;

use std::time::Duration;

use anyhow::ensure;

pub(crate) use ended::Ended;
pub(crate) use fields::Defaults;
use fields::Field;

/// A call as it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// Since the first call of the trace.
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    pub(crate) ended: Ended,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) cluster: String,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Trace {
    /// In the order of their time.
    pub(crate) calls: Vec<Call>,
    /// Whether it says of any call what is said for all by a default.
    pub(crate) has_hosts: bool,
    pub(crate) has_paths: bool,
    pub(crate) has_clusters: bool,
    /// Lines of a log that are no calls: how many, and what is the matter with the first.
    pub(crate) passed_over: Option<(usize, String)>,
}

/// Reads a trace, and puts its calls into the order of their time.
///
/// # Errors
///
/// What is wrong, with the line.
pub(crate) fn parse(text: &str, defaults: &Defaults<'_>) -> anyhow::Result<Trace> {
    let (rows, passed_over) = match log::rows(text) {
        log if !log.rows.is_empty() => (log.rows, log.passed_over),
        _ => (csv::rows(text)?, None),
    };
    ensure!(!rows.is_empty(), "there is no call in it");
    let has = |field| rows.iter().any(|row| row.get(field).is_some());
    let (has_hosts, has_paths, has_clusters) =
        (has(Field::Host), has(Field::Path), has(Field::Cluster));
    let calls = rows.iter().map(|row| row.call(defaults)).collect::<Result<Vec<_>, _>>()?;
    Ok(Trace { calls: in_order(calls), has_hosts, has_paths, has_clusters, passed_over })
}

/// Times may count from 1970: what matters is the time since the first.
fn in_order(mut calls: Vec<(f64, Call)>) -> Vec<Call> {
    calls.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let first = calls.first().map_or(0.0, |(time, _)| *time);
    let since = |time: f64| Duration::from_secs_f64((time - first).max(0.0));
    calls.into_iter().map(|(time, call)| Call { at: since(time), ..call }).collect()
}

#[cfg(test)]
mod tests;
