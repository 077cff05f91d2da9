//! Timer callbacks: health checks of open services, and what is written down once in a while.
//!
//! Every worker ticks, and the main thread too. Who makes a check is settled in the record, by
//! the breaker's lease; who finds it taken has nothing to do.

use breaker::{Breaker, CheckResult, CheckTicket, StateName, UnixTime};

use crate::Callout;
use crate::config::Service;
use crate::effects::Effects;
use crate::filter::Filter;
use crate::headers::Headers;
use crate::host::Host;
use crate::random::scrambled;
use crate::store::{Record, Update};
use crate::telemetry::{Metric, ServiceMetric};

/// How far behind `last_success_time` may fall before it is written.
const SUCCESS_LAG_NANOS: u64 = 500_000_000;

/// A health check to be made.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a check that is taken is made, or reported as failed"]
pub struct Check {
    service: usize,
    ticket: CheckTicket,
    /// The call to make.
    pub callout: Callout,
}

impl Check {
    /// Parts with the call, and keeps what is needed to report its answer.
    pub fn into_parts(self) -> (PendingCheck, Callout) {
        (PendingCheck { service: self.service, ticket: self.ticket }, self.callout)
    }
}

/// A health check whose answer is not there yet.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a check that is taken is made, or reported as failed"]
pub struct PendingCheck {
    service: usize,
    ticket: CheckTicket,
}

/// What a health check brought.
#[derive(Debug)]
pub enum CheckAnswer {
    /// An answer with these headers, `:status` among them.
    Answered(Headers),
    /// No answer: refused, timed out, or cut off.
    Failed,
}

impl Filter {
    /// Takes the checks that are due, and writes down what may lag.
    pub fn on_tick(&self, host: &impl Host, effects: &mut Effects) -> Vec<Check> {
        self.learn_names(host, effects);
        let mut checks = Vec::new();
        for record in self.records() {
            record.adopt(host, effects);
            let Ok(breaker) = record.reload(host, effects) else {
                effects.count(Metric::LostUpdates);
                continue;
            };
            // Whoever stored a record has set the gauges, but the last to set them need not be the
            // last to have stored. This is what makes them agree once all is at rest.
            record.gauges(&breaker, host, effects);
            if self.take_success(record.number) {
                write_success(&record, &breaker, host, effects);
            }
            write_tally(&record, host, effects);
            if let Some(bulkhead) = &record.service.bulkhead {
                record.renew_places(bulkhead, host, effects);
            }
            checks.extend(take_check(&record, &breaker, host, effects));
        }
        checks
    }

    /// Writes down what a health check said.
    pub fn on_check_answer(
        &self,
        pending: PendingCheck,
        answer: &CheckAnswer,
        host: &impl Host,
        effects: &mut Effects,
    ) {
        let PendingCheck { service: number, ticket } = pending;
        let Some(record) = self.record(number) else {
            return;
        };
        let policy = &record.service.policy;
        let result = result_of(record.service, answer);
        effects.count_of(number, ServiceMetric::HealthChecks(result));
        // Lost, it is made again when its lease is over.
        let _ = record.update(host, effects, |breaker| {
            let transition =
                breaker.finish_check(policy, ticket.for_retry(), result, host.now().monotonic);
            Update::Changed((), transition)
        });
    }
}

fn take_check(
    record: &Record<'_>,
    seen: &Breaker,
    host: &impl Host,
    effects: &mut Effects,
) -> Option<Check> {
    let service = record.service;
    let probe = service.probe.as_ref()?;
    if seen.state() != StateName::Open {
        return None;
    }
    let taken = record.update(host, effects, |breaker| {
        // Even if none is due, its wait may have become shorter.
        Update::Changed(breaker.take_check(&service.policy, host.now().monotonic), None)
    });
    Some(Check {
        service: record.number,
        ticket: taken.ok()??,
        callout: Callout {
            cluster: probe.cluster.clone(),
            headers: probe.headers.clone(),
            body: Vec::new(),
            timeout: probe.timeout,
        },
    })
}

/// A success on the clean path is not written at once. Here it is, once for all workers.
fn write_success(record: &Record<'_>, seen: &Breaker, host: &impl Host, effects: &mut Effects) {
    let now = host.now().wall;
    let last = seen.status(record.service.policy.mode).last_success.map_or(0, UnixTime::as_nanos);
    if now.as_nanos().saturating_sub(last) < SUCCESS_LAG_NANOS {
        return;
    }
    let _ = record.update(host, effects, |breaker| {
        breaker.note_success(now);
        Update::Changed((), None)
    });
}

/// Good calls that this worker has kept to itself.
fn write_tally(record: &Record<'_>, host: &impl Host, effects: &mut Effects) {
    let tally = record.tally();
    if tally.is_empty() {
        return;
    }
    let policy = &record.service.policy;
    let written = record.update(host, effects, |breaker| {
        let now = host.now();
        breaker.credit(policy, &tally, now.monotonic);
        let transition = breaker.review(policy, now, scrambled(now.monotonic.as_nanos()));
        let mut begun = tally;
        begun.begin(breaker);
        Update::Changed(begun, transition)
    });
    if let Ok(begun) = written {
        record.set_tally(begun);
    }
}

fn result_of(service: &Service, answer: &CheckAnswer) -> CheckResult {
    let status = match answer {
        CheckAnswer::Answered(headers) => headers.get(b":status"),
        CheckAnswer::Failed => None,
    };
    let status = status.and_then(|status| std::str::from_utf8(status).ok()?.parse::<u16>().ok());
    let expected = service.probe.as_ref().map(|probe| &probe.expected_status);
    match (status, expected) {
        (Some(status), Some(expected)) if expected.contains(status) => CheckResult::Healthy,
        _ => CheckResult::Unhealthy,
    }
}
