//! The rules in force for a breaker, with their values, by the names of the configuration.
//!
//! Which requests it guards is not among them, nor are headers and bodies: these may hold a secret.

use std::num::NonZeroU32;
use std::time::Duration;

use breaker::{AfterCheck, HalfOpenPolicy, HealthCheckPolicy, OpenPolicy, TripPolicy};
use config::{
    Bulkhead, Classify, Fallback, OnFull, Overflow, Probe, Service, Setting, duration,
    tell_adaptive, tell_trip,
};

use crate::json::{Fields, Json};

type Rules = Json<'static>;

/// The rules of a service.
pub(super) fn of(service: &Service) -> Rules {
    let policy = &service.policy;
    let check = service.probe.as_ref().zip(policy.health_check.as_ref());
    let mut rules = Fields::new();
    rules.text("mode", policy.mode.name());
    rules.add("trip", of_trip(&policy.trip, service.slow_after));
    rules.add("open", of_open(&policy.open));
    rules.add("half_open", of_half_open(&policy.half_open));
    rules.add("health_check", check.map_or(Json::Null, |(probe, policy)| of_check(probe, policy)));
    rules.add("classify", of_classify(&service.classify));
    rules.add("fallback", of_fallback(&service.fallback));
    rules.add("bulkhead", service.bulkhead.as_ref().map_or(Json::Null, of_bulkhead));
    rules.end()
}

/// Rules that there are not are left out.
#[inline(never)]
fn of_trip(trip: &TripPolicy, slow_after: Option<Duration>) -> Rules {
    let mut rules = Fields::new();
    tell_trip(trip, slow_after, &mut |name, setting| put(&mut rules, name, setting));
    if let Some(adaptive) = &trip.adaptive {
        let mut rule = Fields::new();
        tell_adaptive(adaptive, &mut |name, setting| put(&mut rule, name, setting));
        rules.add("adaptive", rule.end());
    }
    rules.end()
}

#[inline(never)]
fn of_open(open: &OpenPolicy) -> Rules {
    let mut rules = Fields::new();
    span(&mut rules, "wait_duration", open.wait);
    thousandths(&mut rules, "backoff_rate", open.backoff_rate.thousandths());
    span(&mut rules, "max_wait_duration", open.max_wait);
    rules.number("jitter", open.jitter_percent.into());
    rules.flag("honor_retry_after", open.honor_retry_after);
    rules.flag("on_retry_after", open.on_retry_after);
    rules.end()
}

#[inline(never)]
fn of_half_open(half_open: &HalfOpenPolicy) -> Rules {
    let mut rules = Fields::new();
    count(&mut rules, "permitted_calls", half_open.permitted_calls);
    count(&mut rules, "success_threshold", half_open.success_threshold);
    count(&mut rules, "failure_threshold", half_open.failure_threshold);
    span(&mut rules, "max_wait_duration", half_open.max_wait);
    span(&mut rules, "ramp_duration", half_open.ramp);
    rules.end()
}

#[inline(never)]
fn of_check(probe: &Probe, policy: &HealthCheckPolicy) -> Rules {
    let path = probe.headers.iter().find(|(name, _)| name == ":path");
    let mut rules = Fields::new();
    rules.text("cluster", &probe.cluster);
    // What follows in it may be a key.
    rules.maybe_text("path", path.and_then(|(_, path)| path.split('?').next()));
    span(&mut rules, "interval", policy.interval);
    span(&mut rules, "timeout", policy.timeout);
    count(&mut rules, "healthy_threshold", policy.healthy_threshold);
    statuses(&mut rules, "expected_status", &|code| probe.expected_status.contains(code));
    rules.text(
        "then",
        match policy.then {
            AfterCheck::Close => "close",
            AfterCheck::HalfOpen => "half_open",
        },
    );
    rules.number("num_retries", policy.retry.as_ref().map_or(0, |it| it.num_retries.into()));
    rules.end()
}

#[inline(never)]
fn of_classify(classify: &Classify) -> Rules {
    let grpc = |code| u8::try_from(code).unwrap_or(u8::MAX);
    let mut rules = Fields::new();
    statuses(&mut rules, "failure_status", &|code| classify.failure_status.contains(code));
    statuses(&mut rules, "ignore_status", &|code| classify.ignore_status.contains(code));
    statuses(&mut rules, "failure_grpc_status", &|it| {
        classify.failure_grpc_status.contains(grpc(it))
    });
    statuses(&mut rules, "ignore_grpc_status", &|it| {
        classify.ignore_grpc_status.contains(grpc(it))
    });
    span(&mut rules, "min_client_deadline", classify.min_client_deadline);
    rules.text(
        "overflow",
        match classify.overflow {
            Overflow::Failure => "failure",
            Overflow::Ignore => "ignore",
        },
    );
    rules.end()
}

/// What answers, in the order in which it is asked; what does not is left out.
#[inline(never)]
fn of_fallback(fallback: &Fallback) -> Rules {
    let mut rules = Fields::new();
    if let Some(cluster) = &fallback.cluster {
        rules.text("cluster", &cluster.name);
        span(&mut rules, "timeout", cluster.timeout);
    }
    if let Some(stale) = &fallback.stale {
        let mut rule = Fields::new();
        span(&mut rule, "max_age", stale.max_age);
        rules.add("stale", rule.end());
    }
    if let Some(response) = &fallback.response {
        let mut rule = Fields::new();
        rule.number("status", response.status.into());
        rules.add("response", rule.end());
    }
    rules.flag("on_failure", fallback.on_failure);
    statuses(&mut rules, "on_status", &|code| fallback.on_status.contains(code));
    rules.end()
}

#[inline(never)]
fn of_bulkhead(bulkhead: &Bulkhead) -> Rules {
    let partitions = bulkhead.partitions.iter().map(|it| {
        let mut rules = Fields::new();
        rules.text("name", &it.name);
        rules.number("max_concurrent_calls", it.max_concurrent_calls.into());
        rules.end()
    });
    let mut rules = Fields::new();
    rules.number("max_concurrent_calls", bulkhead.max_concurrent_calls.into());
    span(&mut rules, "max_request_duration", bulkhead.max_request_duration);
    rules.text(
        "on_full",
        match bulkhead.on_full {
            OnFull::Fallback => "fallback",
            OnFull::Reject => "reject",
        },
    );
    rules.add("partitions", Json::List(partitions.collect()));
    rules.end()
}

#[inline(never)]
fn put(rules: &mut Fields, name: &str, setting: Setting) {
    match setting {
        Setting::Count(number) => count(rules, name, number),
        Setting::Thousandths(number) => thousandths(rules, name, number),
        Setting::Time(time) => span(rules, name, time),
        Setting::Flag(value) => rules.flag(name, value),
    }
}

#[inline(never)]
fn span(rules: &mut Fields, name: &str, duration: Duration) {
    rules.text(name, &duration::text(duration));
}

#[inline(never)]
fn count(rules: &mut Fields, name: &str, number: NonZeroU32) {
    rules.number(name, number.get().into());
}

/// As a configuration has it.
#[inline(never)]
fn thousandths(rules: &mut Fields, name: &str, number: u32) {
    let value = match number % 1_000 {
        0 => (number / 1_000).into(),
        _ => (f64::from(number) / 1_000.0).into(),
    };
    rules.add(name, value);
}

/// Statuses, those that follow each other as one: `500-504`.
#[inline(never)]
fn statuses(rules: &mut Fields, name: &str, contains: &dyn Fn(u16) -> bool) {
    let (mut list, mut first) = (Vec::new(), None);
    for code in 0..=600_u16 {
        match (first, contains(code)) {
            (None, true) => first = Some(code),
            (Some(from), false) => {
                let mut text = from.to_string();
                let last = code.saturating_sub(1);
                if last > from {
                    text.push('-');
                    text.push_str(&last.to_string());
                }
                list.push(text.into());
                first = None;
            }
            _ => {}
        }
    }
    rules.add(name, Json::List(list));
}
