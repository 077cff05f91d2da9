//! What a replay has shown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::replay::{Fate, Replayed};
use super::trace::Call;

/// The whole of it, in numbers.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) transitions: Vec<Transition>,
    pub(super) calls: usize,
    pub(super) failed_in_trace: usize,
    pub(super) admitted: usize,
    pub(super) admitted_failed: usize,
    /// Admitted calls that failed and were answered by the fallback.
    pub(super) replayed: usize,
    pub(super) diverted: usize,
    pub(super) diverted_would_have_failed: usize,
    pub(super) diverted_by_reason: BTreeMap<String, u64>,
    pub(super) health_checks: u64,
    pub(super) failed_checks: u64,
    #[serde(skip)]
    pub(super) fates: Vec<Fate>,
}

/// A breaker changed its state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Transition {
    /// In seconds since the first call.
    pub(super) time: f64,
    pub(super) service: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) reason: String,
}

impl Report {
    pub(super) fn new(calls: &[Call], replayed: Replayed) -> Self {
        let mut report = Self {
            calls: calls.len(),
            health_checks: replayed.health_checks,
            failed_checks: replayed.failed_checks,
            diverted_by_reason: replayed.diverted_by_reason,
            transitions: replayed
                .log
                .iter()
                .filter_map(|(at, line)| Transition::parse(at.as_secs_f64(), line))
                .collect(),
            ..Self::default()
        };
        for (call, fate) in calls.iter().zip(&replayed.fates) {
            let failed = usize::from(call.ended.is_failure());
            report.failed_in_trace += failed;
            if *fate == Fate::Diverted {
                report.diverted += 1;
                report.diverted_would_have_failed += failed;
            } else {
                report.admitted += 1;
                report.admitted_failed += failed;
                report.replayed += usize::from(*fate == Fate::Replayed);
            }
        }
        report.fates = replayed.fates;
        report
    }
}

impl Transition {
    /// Reads a line of the module's log, if it is about a transition.
    fn parse(time: f64, line: &str) -> Option<Self> {
        let fields: BTreeMap<&str, &str> =
            line.split_whitespace().filter_map(|field| field.split_once('=')).collect();
        let field = |name| fields.get(name).map(|value| (*value).to_owned());
        if field("event")? != "transition" {
            return None;
        }
        Some(Self {
            time,
            service: field("service")?,
            from: field("from")?,
            to: field("to")?,
            reason: field("reason")?,
        })
    }
}
