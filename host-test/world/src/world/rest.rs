//! What must agree when all is at rest: metrics, log lines, the record, and what was seen.

use std::collections::BTreeMap;

use host_test_proxy_wasm::MetricKind;

use super::World;
use super::site::Site;
use crate::oracle::Oracle;
use crate::record::Record;
use crate::service::Outcome;

impl World {
    pub(super) fn check_rest(&mut self) -> Result<(), String> {
        self.read_log()?;
        let metrics = Metrics(self.process.metrics());
        self.sites.iter_mut().try_for_each(|site| {
            check_site(site, &metrics).map_err(|problem| format!("{}: {problem}", site.name))
        })?;
        let lost = metrics.sum("", "edge_breaker_lost_updates_total", "");
        settle("updates given up", lost, &mut self.lost_updates, &mut self.maybe_lost)?;
        let count = |of: fn(&Oracle) -> u64| self.sites.iter().map(|site| of(&site.oracle)).sum();
        let unprotected = metrics.sum("", "edge_breaker_unprotected_total", "cb_reason=.=store;.;");
        let (certain, maybe) = (count(|o| o.tally.unprotected), count(|o| o.maybe.unprotected));
        between("unprotected calls", unprotected, certain, maybe)
    }

    /// Reads the log, and counts the lines that tell of a transition.
    fn read_log(&mut self) -> Result<(), String> {
        for line in self.process.take_log() {
            let message = line.message;
            let of = |name: &str| message.contains(&format!(" service={name} event=transition "));
            if let Some(site) = self.sites.iter_mut().find(|site| of(site.name)) {
                site.logged += 1;
            } else if ![" event=lost_update ", " event=callback_missing ", " event=limited "]
                .iter()
                // Answers that never come, and ticks that are late, are among the faults.
                .any(|fault| message.contains(fault))
            {
                return Err(format!("an unexpected line in the log: {message}"));
            }
        }
        Ok(())
    }
}

/// What must agree for one service.
fn check_site(site: &mut Site, metrics: &Metrics) -> Result<(), String> {
    let prefix = format!("cb_service=.={};.;", site.name);
    let sum = |name: &str, label: &str| metrics.sum(&prefix, name, label);
    let record = site.oracle.record();
    site.oracle.check_counted()?;
    let (tally, maybe) = (&mut site.oracle.tally, &mut site.oracle.maybe);
    let (counted, uncounted) = (tally.transitions.iter().sum(), maybe.transitions.iter().sum());
    between("transitions", record.generation - 1 - tally.turns, counted + uncounted, 0)?;
    between("transitions in the log", site.logged, counted, uncounted)?;
    for (at, state) in ["closed", "open", "half_open"].iter().enumerate() {
        let counted = sum("edge_breaker_transitions_total", &format!("cb_to=.={state};.;"));
        let what = format!("transitions to {state} in the metrics");
        between(&what, counted, tally.transitions[at], maybe.transitions[at])?;
    }
    for (outcome, name) in Outcome::ALL {
        let counted = sum("edge_breaker_calls_total", &format!("cb_outcome=.={name};.;"));
        let at = outcome as usize;
        let what = format!("calls of outcome {name}");
        settle(&what, counted, &mut tally.outcomes[at], &mut maybe.outcomes[at])?;
    }
    let diverted = sum("edge_breaker_not_permitted_total", "");
    settle("diverted calls", diverted, &mut tally.diverted, &mut maybe.diverted)?;
    let Record { state, failures, .. } = record;
    between("the gauge of the state", sum("edge_breaker_state", ""), state as u64, 0)?;
    let gauge = sum("edge_breaker_failure_count", "");
    between("the gauge of failures", gauge, u64::from(failures), 0)
}

/// All metrics, by their names.
struct Metrics(BTreeMap<String, (MetricKind, u64)>);

impl Metrics {
    /// What all metrics of a name come to that have this prefix and a label.
    fn sum(&self, prefix: &str, name: &str, label: &str) -> u64 {
        let wanted = self.0.iter().filter(|(full, _)| {
            let rest = full.strip_prefix(prefix).unwrap_or_default();
            rest.rsplit(";.;").next() == Some(name) && rest.contains(label)
        });
        wanted.map(|(_, (_, value))| value).sum()
    }
}

/// The same, and from then on it is known how many of those that may have been counted were.
fn settle(what: &str, found: u64, certain: &mut u64, maybe: &mut u64) -> Result<(), String> {
    between(what, found, *certain, *maybe)?;
    (*certain, *maybe) = (found, 0);
    Ok(())
}

/// What was found is what is certain, or at most so many more: as many as dead VMs may have counted.
fn between(what: &str, found: u64, certain: u64, maybe: u64) -> Result<(), String> {
    match (certain..=certain + maybe).contains(&found) {
        true => Ok(()),
        false => Err(format!(
            "at rest: {what}: {found}, and should be {certain}, or at most {maybe} more"
        )),
    }
}
