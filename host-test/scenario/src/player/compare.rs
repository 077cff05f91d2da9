//! What was expected of a step, against what is there.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::Outcome;
use crate::format::{Expect, Scenario, Step};
use crate::host::{Made, Received, Status};
use crate::metric;
use crate::report::{Mismatch, Report};

/// What is there after a step.
pub(super) struct Seen<'a> {
    pub(super) outcomes: &'a [Outcome],
    pub(super) states: &'a BTreeMap<String, Status>,
    pub(super) metrics: Option<BTreeMap<String, u64>>,
    pub(super) log: Option<Vec<String>>,
    pub(super) callouts: Option<Made>,
}

pub(super) fn step(
    scenario: &Scenario,
    number: usize,
    step: &Step,
    seen: &Seen<'_>,
    report: &mut Report,
) {
    let mut comparison = Comparison { scenario, number, step, report };
    let expect = &step.expect;
    comparison.answers(expect, seen.outcomes);
    let service = expect.service.as_deref().unwrap_or(&scenario.service);
    comparison.state(expect, seen.states.get(service));
    comparison.metrics(expect, service, seen.metrics.as_ref());
    comparison.log(expect, seen.log.as_deref());
    comparison.callouts(expect, seen.callouts.as_ref());
}

struct Comparison<'a> {
    scenario: &'a Scenario,
    number: usize,
    step: &'a Step,
    report: &'a mut Report,
}

impl Comparison<'_> {
    /// A mismatch, unless nothing is expected or it is there. A value that is not there is `none`.
    fn equal<T: PartialEq + Debug>(&mut self, what: &str, expected: Option<&T>, got: Option<&T>) {
        if let Some(expected) = expected
            && got != Some(expected)
        {
            let got = got.map_or_else(|| "none".to_owned(), |got| format!("{got:?}"));
            self.mismatch(what, format!("{expected:?}"), got);
        }
    }

    fn mismatch(&mut self, what: &str, expected: String, got: String) {
        self.report.mismatches.push(Mismatch {
            file: self.scenario.file.clone(),
            line: self.step.line,
            step: self.number,
            what: what.to_owned(),
            expected,
            got,
        });
    }

    fn answers(&mut self, expect: &Expect, outcomes: &[Outcome]) {
        let none = [Outcome::NONE];
        let outcomes = if outcomes.is_empty() { &none } else { outcomes };
        for (index, outcome) in outcomes.iter().enumerate() {
            let what = |what: &str| match outcomes.len() {
                1 => what.to_owned(),
                _ => format!("{what} of call {}", index.saturating_add(1)),
            };
            let reply = outcome.received.as_ref().and_then(Received::reply);
            self.equal(&what("verdict"), expect.verdict.as_ref(), outcome.verdict.as_ref());
            let status = reply.map(|reply| &reply.status);
            self.equal(&what("status"), expect.status.as_ref(), status);
        }
        let Some(last) = outcomes.last() else { return };
        let headers = last.received.as_ref().and_then(Received::reply).map(|reply| &reply.headers);
        let header = |name: &str| headers.and_then(|headers| headers.get(name)).cloned();
        for (name, expected) in &expect.headers {
            let got = header(name);
            if got != *expected {
                let text =
                    |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
                self.mismatch(&format!("header {name}"), text(expected), text(&got));
            }
        }
        let seconds = header("retry-after").and_then(|value| value.parse().ok());
        self.equal("retry_after", expect.retry_after.as_ref(), seconds.as_ref());
        if let Some(part) = &expect.message {
            let got = last.message.as_deref().unwrap_or("none");
            if !got.contains(part) {
                self.mismatch("message", format!("one that contains {part:?}"), got.to_owned());
            }
        }
    }

    fn state(&mut self, expect: &Expect, got: Option<&Status>) {
        self.equal("state", expect.state.as_ref(), got.map(|status| &status.state));
        self.equal("failures", expect.failures.as_ref(), got.map(|status| &status.failure_count));
        self.equal("generation", expect.generation.as_ref(), got.map(|status| &status.generation));
        let reason = got.and_then(|status| status.trip_reason.as_ref());
        self.equal("trip_reason", expect.trip_reason.as_ref(), reason);
    }

    fn metrics(&mut self, expect: &Expect, service: &str, got: Option<&BTreeMap<String, u64>>) {
        if expect.metrics.is_empty() {
            return;
        }
        let Some(got) = got else {
            self.report.unseen.insert("metrics");
            return;
        };
        for (name, expected) in &expect.metrics {
            let value = metric::find(got, name, service);
            self.equal(&format!("metric {name}"), Some(expected), value.as_ref());
        }
    }

    fn log(&mut self, expect: &Expect, got: Option<&[String]>) {
        let Some(parts) = &expect.log else { return };
        let Some(lines) = got else {
            self.report.unseen.insert("log");
            return;
        };
        let got = if lines.is_empty() { "none".to_owned() } else { format!("{lines:?}") };
        if parts.is_empty() && !lines.is_empty() {
            self.mismatch("log", "no line".to_owned(), got);
            return;
        }
        for part in parts {
            if !lines.iter().any(|line| line.contains(part)) {
                self.mismatch("log", format!("a line that contains {part:?}"), got.clone());
            }
        }
    }

    fn callouts(&mut self, expect: &Expect, got: Option<&Made>) {
        if expect.callouts.is_empty() && expect.asked.is_empty() {
            return;
        }
        let Some(got) = got else {
            self.report.unseen.insert("callouts");
            return;
        };
        for (cluster, expected) in &expect.callouts {
            let times = got.get(cluster).map(|asked| asked.times).unwrap_or_default();
            self.equal(&format!("callouts to {cluster}"), Some(expected), Some(&times));
        }
        for (cluster, headers) in &expect.asked {
            for (name, expected) in headers {
                let value = got.get(cluster).and_then(|asked| asked.headers.get(name)).cloned();
                self.equal(&format!("{name} asked of {cluster}"), Some(expected), Some(&value));
            }
        }
    }
}
