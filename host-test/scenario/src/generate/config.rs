//! Configurations made up: valid, with limits that are reached and waits that end.

use std::collections::BTreeSet;

use fastrand::Rng;
use serde_json::{Value, json};

use super::{FALLBACK, HEALTH, pick, rest};
use crate::format::Need;

/// In real time, the milliseconds that steps are apart, or multiples of them. Waits end in the middle
/// between two, so that a step which is late by less than half of it comes when it is meant to.
pub(super) const UNIT_IN_REAL_TIME: u64 = 1_000;

/// A configuration of one to three services.
pub(super) fn config(rng: &mut Rng, may_need: &BTreeSet<Need>) -> Value {
    let names = ["payment", "order", "stock"];
    let count = rng.usize(1..=names.len());
    let before: Vec<_> = names.iter().take(count).map(|name| json!({"name": name})).collect();
    again(rng, may_need, &json!({"services": before}))
}

/// Another configuration of the same services. No wait gets longer: while a request is under way
/// that came before, the configuration before cuts waits to its own longest ones whenever it ticks,
/// and how often it does is for the host to say.
pub(super) fn again(rng: &mut Rng, may_need: &BTreeSet<Need>, before: &Value) -> Value {
    let is_virtual = may_need.contains(&Need::VirtualTime);
    let services = before["services"].as_array().into_iter().flatten();
    let services: Vec<_> = services.map(|it| service(rng, is_virtual, it)).collect();
    let expose = *pick(rng, &["always", "fallback", "never"]);
    json!({"expose_state": expose, "services": services})
}

/// One of these waits, in ascending order, and none that is longer than the one before.
fn no_longer(rng: &mut Rng, waits: &[&'static str], before: &Value) -> &'static str {
    let longest = waits.iter().position(|wait| before == wait);
    pick::<&str>(rng, &waits[..longest.map_or(waits.len(), |at| at + 1)])
}

fn service(rng: &mut Rng, is_virtual: bool, before: &Value) -> Value {
    let name = &before["name"];
    let mut service = json!({"name": name, "match": {"hosts": [name]}});
    if rng.u8(0..4) > 0 {
        service["trip"] = trip(rng, is_virtual);
    }
    service["open"] = open(rng, is_virtual, &before["open"]["max_wait_duration"]);
    let permitted = rng.u32(1..=4);
    let max_waits: &[_] = if is_virtual { &["1s", "5s", "30s"] } else { &["1500ms", "30s"] };
    let succeed = rng.u32(1..=permitted);
    service["half_open"] = json!({
        "permitted_calls": permitted,
        "success_threshold": succeed,
        // No more than may fail beside those that succeed.
        "failure_threshold": rng.u32(1..=permitted - succeed + 1),
        "max_wait_duration": no_longer(rng, max_waits, &before["half_open"]["max_wait_duration"]),
    });
    if is_virtual && rng.u8(0..2) == 0 {
        service["half_open"]["ramp_duration"] = json!(*pick(rng, &["2s", "10s"]));
    }
    // In real time it would be chance whether a check or a step comes first.
    if is_virtual && rng.bool() {
        service["health_check"] = health_check(rng);
    }
    match rng.u8(0..4) {
        0 => {}
        1 => {
            let status = *pick(rng, &[200, 503]);
            service["fallback"] = json!({"response": {"status": status, "body": "later"}});
        }
        _ => {
            service["fallback"] = json!({
                "cluster": FALLBACK,
                "on_failure": rng.bool(),
                "timeout": "1s",
                "max_request_bytes": *pick(rng, &[16, 65536]),
            });
        }
    }
    if rng.u8(0..3) == 0 {
        service["classify"] = json!({
            "ignore_status": [*pick(rng, &["404", "502", "429"])],
            "overflow": *pick(rng, &["ignore", "failure"]),
        });
    }
    // In real time it would be chance what these do.
    if is_virtual {
        rest::add(rng, &mut service);
    }
    service
}

/// In real time it would be chance what has slid out of a window, and which calls are slow.
fn trip(rng: &mut Rng, is_virtual: bool) -> Value {
    if !is_virtual || rng.bool() {
        return json!({"consecutive_failures": rng.u32(1..=4)});
    }
    let mut trip = json!({"failure_rate_threshold": *pick(rng, &[20, 50, 100])});
    if rng.bool() {
        trip["slow_call_rate_threshold"] = json!(*pick(rng, &[20, 50, 100]));
        trip["slow_call_duration_threshold"] = json!(*pick(rng, &["500ms", "2s"]));
    }
    if rng.bool() {
        trip["consecutive_failures"] = json!(rng.u32(2..=6));
    }
    trip["minimum_number_of_calls"] = json!(rng.u32(1..=5));
    trip["sliding_window_size"] = match rng.bool() {
        true => json!(*pick(rng, &["1s", "5s", "20s"])),
        false => json!(rng.u32(5..=20)),
    };
    trip
}

/// In real time, waits of one unit and a half, and of two and a half after a failed trial.
fn open(rng: &mut Rng, is_virtual: bool, before: &Value) -> Value {
    if !is_virtual {
        return json!({"wait_duration": "1500ms", "max_wait_duration": "2500ms", "jitter": 0});
    }
    json!({
        "wait_duration": *pick(rng, &["1s", "3s", "10s"]),
        "max_wait_duration": no_longer(rng, &["10s", "30s"], before),
        "backoff_rate": *pick(rng, &[1.0, 1.5, 2.0]),
        "jitter": *pick(rng, &[0, 20]),
        "honor_retry_after": rng.bool(),
    })
}

fn health_check(rng: &mut Rng) -> Value {
    let mut check = json!({
        "cluster": HEALTH,
        "path": "/health",
        "interval": *pick(rng, &["1s", "3s"]),
        "timeout": "500ms",
        "healthy_threshold": rng.u32(1..=2),
        "then": *pick(rng, &["close", "half_open"]),
    });
    if rng.bool() {
        check["retry"] = json!({
            "num_retries": rng.u32(1..=3),
            "interval": "500ms",
            "backoff_rate": *pick(rng, &[1.0, 2.0]),
        });
    }
    check
}
