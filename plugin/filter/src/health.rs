//! Health checks of open services: who makes one, and what it says.
//!
//! Who makes a check is settled in the record, by the breaker's lease.

use ::fleet::CheckSaid;
use breaker::{Breaker, CheckReport, CheckResult, CheckTicket, Policy, StateName, Transition};

use crate::callout::CalloutRequest;
use crate::effects::Effects;
use crate::handle::ServiceHandle;
use crate::host::Host;
use crate::store::Update;
use crate::telemetry::ServiceMetric;

impl ServiceHandle<'_> {
    /// Writes down what a health check said: a status, or nothing. What others are to hear of it;
    /// `None`: nothing yet.
    pub(crate) fn finish_check(
        &self,
        ticket: CheckTicket,
        status: Option<u16>,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<CheckSaid> {
        let expected = self.service.probe.as_ref().map(|probe| &probe.expected_status);
        let result = match (status, expected) {
            (Some(status), Some(expected)) if expected.contains(status) => CheckResult::Healthy,
            _ => CheckResult::Unhealthy,
        };
        effects.count_of(self.number, ServiceMetric::HealthChecks(result));
        self.note_check(Some(result), status, host, effects);
        self.report_check(&ticket.end(result), host, effects)
    }

    /// The proxy does not have the cluster to be checked. That says nothing of the service.
    pub(crate) fn skip_check(&self, ticket: CheckTicket, host: &dyn Host, effects: &mut Effects) {
        self.note_check(None, None, host, effects);
        let _ = self.report_check(&ticket.skip(), host, effects);
    }

    fn note_check(
        &self,
        result: Option<CheckResult>,
        status: Option<u16>,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        if let Some(recent) = self.recent() {
            recent.checked(result, status, host, effects);
        }
    }

    fn report_check(
        &self,
        report: &CheckReport,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<CheckSaid> {
        let policy = &self.service.policy;
        // Lost, it is made again when its lease is over.
        let said = self.update(host, effects, |breaker| {
            let transition = breaker.finish_check(policy, report, host.now().monotonic);
            let said = match (report.result, transition) {
                (None, _) => None,
                (Some(CheckResult::Healthy), None) => Some(CheckSaid::Passing),
                (Some(CheckResult::Healthy), Some(_)) => Some(CheckSaid::Passed),
                (Some(CheckResult::Unhealthy), _) => {
                    (!breaker.is_check_retried()).then_some(CheckSaid::Failed)
                }
            };
            Update::Changed(said, transition)
        });
        said.ok().flatten()
    }

    /// Takes the check that is due.
    pub(crate) fn take_check(
        &self,
        seen: &Breaker,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<(CheckTicket, CalloutRequest)> {
        let probe = self.service.probe.as_ref()?;
        if seen.state() != StateName::Open {
            return None;
        }
        let taken = self.update(host, effects, |breaker| {
            // Even if none is due, its wait may have become shorter.
            let ticket = breaker.take_check(&self.service.policy, host.now().monotonic);
            Update::Changed(ticket, None)
        });
        let ticket = taken.ok()??;
        let callout = CalloutRequest {
            cluster: probe.cluster.clone(),
            headers: probe.headers.clone(),
            body: Vec::new(),
            timeout: probe.timeout,
        };
        Some((ticket, callout))
    }
}

/// Beyond all that a process can count to: a connection over UDP has a hash for its number.
const NOT_COUNTED: u64 = 1 << 48;

/// Has the call at hand say by which configuration an open breaker is to be checked, if that is in
/// question, or it has just tripped it.
pub(crate) fn claim_check(
    breaker: &mut Breaker,
    policy: &Policy,
    transition: Option<Transition>,
    host: &dyn Host,
) {
    let opened = transition.is_some_and(|it| it.to == StateName::Open);
    let checked = opened && policy.health_check.is_some();
    if (checked || breaker.is_checked_by_others(policy))
        && let Some(connection) = host.connection().filter(|number| *number < NOT_COUNTED)
    {
        breaker.claim_check(policy, connection, host.now().monotonic);
    }
}
