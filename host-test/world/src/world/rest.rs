//! What must agree when all is at rest: metrics, log lines, the record, and what was seen.

use super::World;
use crate::record::Record;
use crate::rules::Rules;
use crate::service::Outcome;

impl World {
    pub(super) fn check_rest(&mut self) -> Result<(), String> {
        let record = self.oracle.record();
        self.logged += self.transitions_logged()?;
        let transitions = record.generation - 1;
        let tally = self.oracle.tally;
        equal("transitions in the log", self.logged, transitions)?;
        equal("transitions", tally.transitions.iter().sum(), transitions)?;
        for (state, count) in ["closed", "open", "half_open"].iter().zip(tally.transitions) {
            let name = format!("cb_to=.={state};.;");
            let counted = self.sum("edge_breaker_transitions_total", &name);
            equal(&format!("transitions to {state} in the metrics"), counted, count)?;
        }
        for (outcome, name) in Outcome::ALL {
            let label = format!("cb_outcome=.={name};.;");
            let counted = self.sum("edge_breaker_calls_total", &label);
            equal(&format!("calls of outcome {name}"), counted, tally.outcomes[outcome as usize])?;
        }
        let diverted = self.sum("edge_breaker_not_permitted_total", "");
        equal("diverted calls", diverted, tally.diverted)?;
        let lost = self.sum("edge_breaker_lost_updates_total", "");
        equal("updates given up", lost, tally.lost_updates)?;
        let Record { state, failures, .. } = record;
        equal("the gauge of the state", self.sum("edge_breaker_state", ""), state as u64)?;
        let gauge = self.sum("edge_breaker_failure_count", "");
        equal("the gauge of failures", gauge, u64::from(failures))
    }

    /// Reads the log, and counts the lines that tell of a transition.
    fn transitions_logged(&self) -> Result<u64, String> {
        let mut count = 0;
        for line in self.process.take_log() {
            if line.message.contains(" event=transition ") {
                count += 1;
            } else if !line.message.contains(" event=lost_update ") {
                return Err(format!("an unexpected line in the log: {}", line.message));
            }
        }
        Ok(count)
    }

    /// What all metrics of a name come to that have a label.
    fn sum(&self, name: &str, label: &str) -> u64 {
        let metrics = self.process.metrics();
        let of_service = format!("cb_service=.={};.;", Rules::SERVICE);
        let wanted = metrics.iter().filter(|(full, _)| {
            let rest = full.strip_prefix(&of_service).unwrap_or(full);
            rest.rsplit(";.;").next() == Some(name) && rest.contains(label)
        });
        wanted.map(|(_, (_, value))| value).sum()
    }
}

fn equal(what: &str, found: u64, expected: u64) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("at rest: {what}: {found}, and should be {expected}")),
    }
}
