//! What there is to say of a breaker, in the words of the admin page: how it is, why, since when, and what
//! comes next.

use std::time::Duration;

use serde_json::Value;

use crate::admin::Service;

/// What is known of an open breaker besides its record.
#[derive(Clone, Debug, Default)]
pub(super) struct Opening {
    /// The event that tells how it opened.
    pub(super) event: Option<Value>,
    /// How many calls were diverted since.
    pub(super) diverted: u64,
    /// Whether none of them can be missing.
    pub(super) is_whole: bool,
}

/// When something was or will be, since 1970; `None`: what stands there is no time.
pub(super) fn time(text: &str) -> Option<Duration> {
    let time = humantime::parse_rfc3339(text).ok()?;
    time.duration_since(std::time::UNIX_EPOCH).ok()
}

/// All there is to say. Nothing if all is well.
pub(super) fn tell(service: &Service, opening: Option<&Opening>, now: Duration) -> String {
    let mut says = Vec::new();
    let at = |time_of: &Option<String>| time_of.as_deref().and_then(time);
    let left = at(&service.retry_at).map_or(Duration::ZERO, |retry| retry.saturating_sub(now));
    let next = match left {
        Duration::ZERO => "now".to_owned(),
        left => format!("in {} s", left.as_millis().div_ceil(1000)),
    };
    match service.state.as_str() {
        "OPEN" => {
            says.push(cause(service, opening));
            if let Some(opened) = at(&service.opened_at) {
                says.push(format!("Open for {}.", span(now.saturating_sub(opened))));
            }
            if let Some(Opening { diverted, is_whole, .. }) = opening.filter(|it| it.diverted > 0) {
                let least = if *is_whole { "" } else { "At least " };
                says.push(format!("{least}{} diverted since.", count(*diverted, "call")));
            }
            says.push(format!("Next attempt {next}."));
        }
        "HALF_OPEN" if left.is_zero() => {
            says.push("Trial calls decide whether it closes.".to_owned());
        }
        "HALF_OPEN" => {
            says.push(format!("Trial calls decide whether it closes: the next one {next}."));
        }
        "FORCED_OPEN" => {
            says.push("Every call is diverted until it is enabled or reset.".to_owned());
        }
        "DISABLED" => says.push("Calls are left alone and not counted.".to_owned()),
        "METRICS_ONLY" => says.push("It decides and reports, and diverts nothing.".to_owned()),
        _ if number(service, "diverted_share").is_some_and(|share| share > 0.0) => {
            let adaptive = text(service.other.get("adaptive"));
            says.push(format!("It diverts a share of the calls: {adaptive}."));
        }
        _ if service.failure_count > 0 => {
            says.push(format!("{} in a row.", count(service.failure_count, "failure")));
        }
        _ => {}
    }
    let mode = text(service.other.get("mode"));
    if !matches!(mode, "" | "enabled") && !mode.eq_ignore_ascii_case(&service.state) {
        says.push(format!("Mode: {}.", mode.replace('_', " ")));
    }
    for cluster in
        service.other.get("unknown_clusters").and_then(Value::as_array).into_iter().flatten()
    {
        says.push(format!("The proxy has no cluster {}.", text(cluster.get("name"))));
    }
    says.retain(|sentence| !sentence.is_empty());
    says.join(" ")
}

/// Why it opened, by the event that says so, or as far as its record does.
fn cause(service: &Service, opening: Option<&Opening>) -> String {
    let event = opening.and_then(|opening| opening.event.as_ref());
    let of = |field: &str| event.and_then(|event| event.get(field)).filter(|it| !it.is_null());
    let last = service.last_failure_time.as_deref().and_then(clock);
    let until = last.map_or_else(String::new, |clock| format!(", the last at {clock}"));
    let share = |field: &str| of(field).and_then(Value::as_f64);
    let of_calls = of("buffered_calls").and_then(Value::as_u64).filter(|calls| *calls > 0);
    match service.trip_reason.as_deref() {
        Some("consecutive_failures") => {
            let failures = of("failure_count").and_then(Value::as_u64);
            let failures = failures.unwrap_or(service.failure_count);
            format!("{} in a row failed{until}.", count(failures, "call"))
        }
        Some("failure_rate") => match (share("failure_rate"), of_calls) {
            (Some(share), Some(calls)) => format!("{share:.0} % of {calls} calls failed{until}."),
            _ => format!("Too many calls failed{until}."),
        },
        Some("slow_call_rate") => match (share("slow_call_rate"), of_calls) {
            (Some(share), Some(calls)) => format!("{share:.0} % of {calls} calls were slow."),
            _ => "Too many calls were slow.".to_owned(),
        },
        Some("trial_failed") => format!("A trial call failed{until}."),
        Some("adaptive") => {
            let adaptive = of("adaptive").or_else(|| service.other.get("adaptive"));
            format!("More failed than is usual: {}.", text(adaptive))
        }
        Some("operator") => "An operator opened it.".to_owned(),
        Some("fleet") => "Other proxies of the fleet say that the service is down.".to_owned(),
        Some("retry_after") => {
            format!("The service asked to be left alone for a time{until}.")
        }
        Some(reason) => format!("Reason: {}.", reason.replace('_', " ")),
        None => String::new(),
    }
}

/// How long something takes, in the two largest units.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}

/// The time of day of a time as the API has it, which is in UTC.
fn clock(time: &str) -> Option<String> {
    Some(format!("{} UTC", time.get(11..19)?))
}

fn count(many: u64, one: &str) -> String {
    let plural = if many == 1 { "" } else { "s" };
    format!("{many} {one}{plural}")
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn number(service: &Service, field: &str) -> Option<f64> {
    service.other.get(field).and_then(Value::as_f64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-01-02T03:05:10.500Z";

    fn told(more: Value, opening: Option<&Opening>) -> String {
        let mut service = json!({
            "service_name": "a", "state": "CLOSED", "mode": "enabled", "failure_count": 0,
            "last_failure_time": null, "last_success_time": null, "opened_at": null,
            "retry_at": null, "trip_reason": null, "unknown_clusters": [],
        });
        let more = more.as_object().unwrap().clone();
        service.as_object_mut().unwrap().extend(more);
        let service = serde_json::from_value(service).unwrap();
        tell(&service, opening, time(NOW).unwrap())
    }

    fn open(reason: &str) -> Value {
        json!({
            "state": "OPEN", "failure_count": 3, "trip_reason": reason,
            "last_failure_time": "2026-01-02T03:04:05.678Z",
            "opened_at": "2026-01-02T03:04:05.678Z", "retry_at": "2026-01-02T03:05:12.000Z",
        })
    }

    #[test]
    fn an_open_breaker_says_why_since_when_and_what_comes_next() {
        let opening = Opening { event: None, diverted: 1204, is_whole: true };
        assert_eq!(
            told(open("consecutive_failures"), Some(&opening)),
            "3 calls in a row failed, the last at 03:04:05 UTC. Open for 1 min 4 s. 1204 calls \
             diverted since. Next attempt in 2 s."
        );
        let opening = Opening { diverted: 1, is_whole: false, ..opening };
        assert!(
            told(open("operator"), Some(&opening))
                .starts_with("An operator opened it. Open for 1 min 4 s. At least 1 call diverted")
        );
    }

    #[test]
    fn what_the_record_has_forgotten_is_told_by_the_event() {
        let event = json!({ "failure_rate": 62.4, "slow_call_rate": 12.0, "buffered_calls": 40 });
        let opening = Opening { event: Some(event), ..Opening::default() };
        for (reason, with, without) in [
            ("failure_rate", "62 % of 40 calls failed, the last at", "Too many calls failed, the"),
            ("slow_call_rate", "12 % of 40 calls were slow.", "Too many calls were slow."),
        ] {
            let told_by = told(open(reason), Some(&opening));
            assert!(told_by.starts_with(with), "{told_by}");
            assert!(told(open(reason), None).starts_with(without));
        }
    }

    #[test]
    fn what_is_well_has_nothing_to_say_and_all_else_says_what_it_does() {
        for (more, expected) in [
            (json!({}), ""),
            (json!({ "failure_count": 1 }), "1 failure in a row."),
            (json!({ "state": "HALF_OPEN" }), "Trial calls decide whether it closes."),
            (
                json!({ "state": "HALF_OPEN", "retry_at": "2026-01-02T03:05:20.500Z" }),
                "Trial calls decide whether it closes: the next one in 10 s.",
            ),
            (
                json!({ "state": "FORCED_OPEN", "mode": "forced_open" }),
                "Every call is diverted until it is enabled or reset.",
            ),
            (
                json!({ "diverted_share": 12, "adaptive": "8 % fail, 1 % is usual" }),
                "It diverts a share of the calls: 8 % fail, 1 % is usual.",
            ),
            (
                json!({ "mode": "metrics_only", "unknown_clusters": [{ "name": "health" }] }),
                "Mode: metrics only. The proxy has no cluster health.",
            ),
        ] {
            assert_eq!(told(more, None), expected);
        }
    }
}
