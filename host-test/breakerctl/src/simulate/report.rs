//! What a replay has shown.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::knowledge::Knowledge;
use super::replay::{Fate, Replayed};
use super::transitions::Transition;
use crate::trace::Call;

/// The whole of it, in numbers.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) transitions: Vec<Transition>,
    pub(super) calls: usize,
    /// Those that belong to a service.
    pub(super) matched: usize,
    pub(super) failed_in_trace: usize,
    /// Those that clients still see fail.
    pub(super) failed_with_breaker: usize,
    pub(super) admitted: usize,
    pub(super) admitted_failed: usize,
    /// Admitted calls that failed and were answered by the fallback.
    pub(super) replayed: usize,
    pub(super) diverted: usize,
    pub(super) diverted_would_have_failed: usize,
    /// Diverted calls that nobody was there to answer.
    pub(super) turned_away: usize,
    pub(super) diverted_by_reason: BTreeMap<String, u64>,
    pub(super) health_checks: u64,
    pub(super) failed_checks: u64,
    /// By service, in seconds, until the last call had ended.
    pub(super) open_for: BTreeMap<String, f64>,
    /// Lines of the trace that were no calls.
    pub(super) passed_over: usize,
    /// All of it in a sentence.
    pub(super) summary: String,
    #[serde(skip)]
    pub(super) knowledge: Knowledge,
    #[serde(skip)]
    pub(super) fates: Vec<Fate>,
}

/// Whether a call fails for whoever makes it, given what becomes of it.
pub(super) const fn is_seen_to_fail(call: &Call, fate: Fate) -> bool {
    match fate {
        Fate::Admitted => call.ended.is_failure(),
        Fate::Replayed | Fate::Diverted => false,
        Fate::TurnedAway => true,
    }
}

impl Report {
    pub(super) fn new(calls: &[Call], replayed: Replayed) -> Self {
        let mut report = Self {
            calls: calls.len(),
            health_checks: replayed.health_checks,
            failed_checks: replayed.failed_checks,
            diverted_by_reason: replayed.diverted_by_reason,
            transitions: replayed.transitions.all,
            knowledge: replayed.knowledge,
            ..Self::default()
        };
        for (call, fate) in calls.iter().zip(&replayed.fates) {
            let failed = usize::from(call.ended.is_failure());
            report.failed_in_trace += failed;
            report.failed_with_breaker += usize::from(is_seen_to_fail(call, *fate));
            if fate.is_diverted() {
                report.diverted += 1;
                report.diverted_would_have_failed += failed;
                report.turned_away += usize::from(*fate == Fate::TurnedAway);
            } else {
                report.admitted += 1;
                report.admitted_failed += failed;
                report.replayed += usize::from(*fate == Fate::Replayed);
            }
        }
        let counted = usize::try_from(replayed.counted).unwrap_or(usize::MAX);
        report.matched = counted.saturating_add(report.diverted).min(report.calls);
        let end = calls.iter().map(|call| call.at + call.took).max().unwrap_or_default();
        report.open_for = open_for(&report.transitions, end);
        report.summary = report.sentence();
        report.fates = replayed.fates;
        report
    }

    fn sentence(&self) -> String {
        let percent = |part: usize| number(100.0 * ratio(part, self.calls));
        let mut sentence = format!(
            "without the breaker {} % failed, with it {} %; {} answered by the fallback",
            percent(self.failed_in_trace),
            percent(self.failed_with_breaker),
            self.replayed + self.diverted - self.turned_away
        );
        if self.turned_away > 0 {
            sentence.push_str(&format!("; {} turned away", self.turned_away));
        }
        let of_one = self.open_for.len() == 1;
        for (service, seconds) in &self.open_for {
            let whose = if of_one { String::new() } else { format!("{service} ") };
            sentence.push_str(&format!("; {whose}open {} s", number(*seconds)));
        }
        if self.open_for.is_empty() {
            sentence.push_str("; never open");
        }
        let would_be: u64 = self.diverted_by_reason.values().sum();
        if self.diverted == 0 && would_be > 0 {
            sentence.push_str(&format!("; in metrics_only, else {would_be} diverted"));
        }
        sentence
    }
}

/// For how long each service was open.
fn open_for(transitions: &[Transition], end: Duration) -> BTreeMap<String, f64> {
    let mut since = BTreeMap::new();
    let mut open_for = BTreeMap::new();
    let mut add = |service: &str, from: f64, until: f64| {
        *open_for.entry(service.to_owned()).or_default() += (until - from).max(0.0);
    };
    for Transition { time, service, to, .. } in transitions {
        if to == "OPEN" {
            since.insert(service.as_str(), *time);
        } else if let Some(from) = since.remove(service.as_str()) {
            add(service, from, time.min(end.as_secs_f64()));
        }
    }
    for (service, from) in since {
        add(service, from, end.as_secs_f64());
    }
    open_for
}

fn ratio(part: usize, all: usize) -> f64 {
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    float(part) / float(all.max(1))
}

/// With one digit behind the point, unless that is zero. What is not nothing is not shown as that.
fn number(number: f64) -> String {
    if number > 0.0 && number < 0.1 {
        return "less than 0.1".to_owned();
    }
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_short_as_they_may_be() {
        let shown = [0.0, 0.04, 28.571, 50.0, 99.96, 412.0].map(number);
        assert_eq!(shown, ["0", "less than 0.1", "28.6", "50", "100", "412"]);
    }

    #[test]
    fn time_is_open_until_something_else_or_until_the_last_call_ends() {
        let change = |time, to: &str| Transition {
            time,
            service: "a".to_owned(),
            from: String::new(),
            to: to.to_owned(),
            reason: String::new(),
            adaptive: String::new(),
        };
        let changes = [change(1.0, "OPEN"), change(3.0, "HALF_OPEN"), change(4.0, "OPEN")];
        let open = open_for(&changes, Duration::from_secs(10));
        assert_eq!(open.get("a"), Some(&8.0));
    }
}
