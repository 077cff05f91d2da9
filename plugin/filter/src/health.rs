//! Health checks of open services: who makes one, and what it says.
//!
//! Who makes a check is settled in the record, by the breaker's lease.

use breaker::{Breaker, CheckResult, CheckTicket, Policy, StateName, Transition};

use crate::CalloutRequest;
use crate::effects::Effects;
use crate::filter::Filter;
use crate::host::{Host, Property};
use crate::instances::Number;
use crate::store::{ServiceHandle, Update};
use crate::telemetry::ServiceMetric;

/// A health check whose answer is not there yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PendingCheck {
    breaker: Number,
    ticket: CheckTicket,
}

impl Filter {
    /// Writes down what a health check said: a status, or nothing.
    pub(crate) fn on_checked(
        &self,
        pending: PendingCheck,
        status: Option<u16>,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        let PendingCheck { breaker, ticket } = pending;
        let Some(record) = self.record(breaker) else {
            return;
        };
        let policy = &record.service.policy;
        let expected = record.service.probe.as_ref().map(|probe| &probe.expected_status);
        let result = match (status, expected) {
            (Some(status), Some(expected)) if expected.contains(status) => CheckResult::Healthy,
            _ => CheckResult::Unhealthy,
        };
        effects.count_of(record.number, ServiceMetric::HealthChecks(result));
        let report = ticket.end(result);
        // Lost, it is made again when its lease is over.
        let _ = record.update(host, effects, |breaker| {
            Update::Changed((), breaker.finish_check(policy, &report, host.now().monotonic))
        });
    }

    /// The cluster to be checked is none that the proxy has. That says nothing of the service.
    pub(crate) fn on_nobody_to_check(
        &self,
        PendingCheck { breaker, ticket }: PendingCheck,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        let Some(record) = self.record(breaker) else {
            return;
        };
        if let Some(probe) = &record.service.probe {
            self.on_unknown_cluster(&probe.cluster, host, effects);
        }
        let (policy, report) = (&record.service.policy, ticket.skip());
        // Lost, it is tried again when its lease is over.
        let _ = record.update(host, effects, |breaker| {
            Update::Changed((), breaker.finish_check(policy, &report, host.now().monotonic))
        });
    }
}

impl ServiceHandle<'_> {
    /// Takes the check that is due.
    pub(crate) fn take_check(
        &self,
        seen: &Breaker,
        host: &impl Host,
        effects: &mut Effects,
    ) -> Option<(PendingCheck, CalloutRequest)> {
        let probe = self.service.probe.as_ref()?;
        if seen.state() != StateName::Open {
            return None;
        }
        let taken = self.update(host, effects, |breaker| {
            // Even if none is due, its wait may have become shorter.
            let ticket = breaker.take_check(&self.service.policy, host.now().monotonic);
            Update::Changed(ticket, None)
        });
        let pending = PendingCheck { breaker: self.instance.number, ticket: taken.ok()?? };
        let callout = CalloutRequest {
            cluster: probe.cluster.clone(),
            headers: probe.headers.clone(),
            body: Vec::new(),
            timeout: probe.timeout,
        };
        Some((pending, callout))
    }
}

/// Has the call at hand say by which configuration an open breaker is to be checked, if that is in
/// question, or it has just tripped it.
pub(crate) fn claim_check(
    breaker: &mut Breaker,
    policy: &Policy,
    transition: Option<Transition>,
    host: &impl Host,
) {
    let opened = transition.is_some_and(|it| it.to == StateName::Open);
    let checked = opened && policy.health_check.is_some();
    if (checked || breaker.is_checked_by_others(policy))
        && let Some(connection) = connection(host)
    {
        breaker.claim_check(policy, connection, host.now().monotonic);
    }
}

/// The number of the client's connection.
fn connection(host: &impl Host) -> Option<u64> {
    /// Beyond all that a process can count to: a connection over UDP has a hash instead.
    const NOT_COUNTED: u64 = 1 << 48;
    let bytes = host.property(Property::Connection)?.try_into().ok()?;
    Some(u64::from_le_bytes(bytes)).filter(|number| *number < NOT_COUNTED)
}
