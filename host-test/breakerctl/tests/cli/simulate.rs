//! `breakerctl simulate`.

mod traces;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Ran, run};

const CONFIG: &str = r#"{ "services": [{
    "name": "payment-service",
    "open": { "wait_duration": "10s", "jitter": 0 },
    "fallback": { "response": { "status": 200, "body": "[]" } }
}] }"#;

/// One call a second: ten good ones, twenty failures, thirty good ones.
fn outage() -> String {
    (0..60).fold("time,duration_ms,status\n".to_owned(), |mut trace, second| {
        let status = if (10..30).contains(&second) { "503" } else { "200" };
        writeln!(trace, "{second},20,{status}").unwrap();
        trace
    })
}

fn simulate(config: &str, trace: &str, args: &[&str]) -> Ran {
    let room = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = room.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (config, trace) = (file("config.json", config), file("trace.csv", trace));
    run(&[&["simulate", "--config", &config, "--trace", &trace], args].concat())
}

fn transitions(report: &Value) -> Vec<(f64, &str, &str)> {
    let transitions = report["transitions"].as_array().unwrap();
    let text = |change: &'_ Value, name| change[name].as_str().unwrap().to_owned().leak() as &str;
    transitions
        .iter()
        .map(|change| {
            (change["time"].as_f64().unwrap(), text(change, "to"), text(change, "reason"))
        })
        .collect()
}

#[test]
fn an_outage_trips_is_tried_and_is_over_at_the_times_the_configuration_says() {
    for workers in ["1", "4"] {
        let ran = simulate(CONFIG, &outage(), &["--json", "--workers", workers]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let report = ran.json();
        // The third failure ends 20 ms after it began at 12 s. After 10 s a trial may go: the call
        // at 23 s, which fails. Its wait is doubled: the call at 44 s is the next, and succeeds.
        let expected = [
            (12.02, "OPEN", "consecutive_failures"),
            (23.0, "HALF_OPEN", "wait_elapsed"),
            (23.02, "OPEN", "trial_failed"),
            (44.0, "HALF_OPEN", "wait_elapsed"),
            (44.02, "CLOSED", "trials_succeeded"),
        ];
        assert_eq!(transitions(&report), expected, "{workers} workers");
        assert_eq!(report["calls"], 60);
        assert_eq!(report["failed_in_trace"], 20);
        assert_eq!(report["admitted_failed"], 4);
        // The calls from 13 to 22 and from 24 to 43; of them up to 29 would have failed.
        assert_eq!(report["diverted"], 30);
        assert_eq!(report["diverted_would_have_failed"], 16);
        assert_eq!(report["diverted_by_reason"]["open"], 30);
    }
}

#[test]
fn health_checks_are_answered_by_the_calls_around_them() {
    let config = r#"{ "services": [{
        "name": "payment-service",
        "open": { "wait_duration": "0s" },
        "health_check": { "cluster": "service", "path": "/", "interval": "2s", "then": "close" },
        "fallback": { "cluster": "fallback", "on_failure": true }
    }] }"#;
    let ran = simulate(config, &outage(), &["--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    let changes = transitions(&report);
    assert_eq!(changes.len(), 2, "{changes:?}");
    let (closed_at, to, reason) = changes[1];
    assert_eq!((to, reason), ("CLOSED", "health_check"));
    assert!((29.5..33.0).contains(&closed_at), "{changes:?}");
    let (checks, failed) = (&report["health_checks"], &report["failed_checks"]);
    assert_eq!(checks.as_u64().unwrap(), failed.as_u64().unwrap() + 1, "{report:#}");
    assert!(failed.as_u64().unwrap() >= 5, "{report:#}");
    assert_eq!(report["replayed"], 3, "{report:#}");
}

#[test]
fn calls_that_got_no_answer_trip_as_well() {
    let trace = "time,duration,status\n0,5,reset\n1,1000,timeout\n3,5,reset\n4,5,200\n";
    let report = simulate(CONFIG, trace, &["--json"]).json();
    assert_eq!(transitions(&report)[0], (3.005, "OPEN", "consecutive_failures"));
    assert_eq!(report["diverted"], 1);
}

#[test]
fn calls_that_match_no_service_are_left_alone() {
    let config =
        CONFIG.replace("\"open\"", "\"match\": { \"path_prefixes\": [\"/pay\"] }, \"open\"");
    let report = simulate(&config, &outage(), &["--json"]).json();
    assert_eq!((transitions(&report).len(), &report["diverted"]), (0, &Value::from(0)));
    let report = simulate(&config, &outage(), &["--json", "--path", "/pay/1"]).json();
    assert_eq!(report["diverted"], 30);
}

#[test]
fn the_timeline_is_readable_and_the_picture_is_drawn() {
    let room = tempfile::tempdir().unwrap();
    let plot = room.path().join("outage.svg");
    let ran = simulate(CONFIG, &outage(), &["--plot", plot.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let first = ran.stdout.lines().next().unwrap();
    let expected = "12.020s  payment-service  CLOSED -> OPEN  consecutive_failures";
    assert_eq!(first.trim(), expected);
    assert!(ran.stdout.contains("30, 16 of them would have failed"), "{ran:?}");
    let svg = fs::read_to_string(plot).unwrap();
    assert_eq!(svg.matches("<polyline").count(), 3);
    assert!(svg.contains("<title>payment-service OPEN from 12.020s</title>"), "{svg}");
    assert!(svg.trim_end().ends_with("</svg>"));
}

/// Ten calls a second, of which every fifth fails from a minute on, for a minute.
fn partial_outage() -> String {
    (0..1_800).fold("time,duration_ms,status\n".to_owned(), |mut trace, call| {
        let fails = (600..1_200).contains(&call) && call % 5 == 0;
        let status = if fails { "503" } else { "200" };
        writeln!(trace, "{}.{},20,{status}", call / 10, call % 10).unwrap();
        trace
    })
}

#[test]
fn the_picture_has_what_the_adaptive_rule_went_by() {
    const ADAPTIVE: &str = r#"{ "services": [{
        "name": "payment-service",
        "trip": { "adaptive": {} },
        "fallback": { "response": { "status": 200, "body": "[]" } }
    }] }"#;
    let room = tempfile::tempdir().unwrap();
    let plot = room.path().join("outage.svg");
    let ran = simulate(ADAPTIVE, &partial_outage(), &["--plot", plot.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    assert!(report["diverted_by_reason"]["adaptive"].as_u64() > Some(30), "{report}");
    let svg = fs::read_to_string(plot).unwrap();
    let lines: Vec<_> = svg.lines().filter(|line| line.starts_with("<polyline")).collect();
    assert_eq!(lines.len(), 7, "{svg}");
    for title in ["usual, %", "bad now, %", "evidence, % of what it takes", "to be diverted, %"] {
        assert!(svg.contains(title), "no line of {title}: {svg}");
    }
    // All but what is usual changes.
    let heights = |line: &str| {
        let points = line.split('"').nth(1).unwrap_or_default();
        let heights = points.split(' ').filter_map(|it| it.split(',').nth(1));
        heights.map(str::to_owned).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(lines[4..].iter().all(|line| heights(line) > 1), "{svg}");
}

#[test]
fn a_refused_configuration_is_a_no_and_an_unreadable_trace_wrong_usage() {
    let ran = simulate("{ \"services\": [] }", &outage(), &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("services"), "{ran:?}");
    let ran = simulate(CONFIG, "time,duration,status\n0,1,999\n", &[]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("line 2"), "{ran:?}");
    assert!(!Path::new("nowhere.csv").exists());
    assert_eq!(run(&["simulate", "--config", "a", "--trace", "nowhere.csv"]).code, Some(2));
}

fn scenarios() -> Vec<String> {
    let directory = crate::support::repository().join("tests/scenarios");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|it| it == "yaml"));
    files.map(|file| file.to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_scenario_goes_as_it_says() {
    let files = scenarios();
    assert!(files.len() > 50, "{}", files.len());
    for file in files {
        let ran = run(&["simulate", "--scenario", &file]);
        assert_eq!(ran.code, Some(0), "{file}: {ran:?}");
        assert!(ran.stdout.ends_with("ok all that is expected has happened\n"), "{ran:?}");
    }
}

#[test]
fn an_expectation_of_a_scenario_that_fails_is_shown_with_its_line() {
    let name = "three-failures-in-a-row-trip-the-breaker.yaml";
    let file = scenarios().into_iter().find(|file| file.ends_with(name)).unwrap();
    let room = tempfile::tempdir().unwrap();
    let config = room.path().join("config.json");
    let text = r#"{ "services": [{ "name": "payment-service", "trip": { "consecutive_failures": 9 },
        "fallback": { "cluster": "payment-fallback" } }] }"#;
    fs::write(&config, text).unwrap();
    let ran =
        run(&["simulate", "--scenario", &file, "--config", config.to_str().unwrap(), "--json"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    let first = &report["mismatches"][0];
    assert!(first["line"].is_u64() && first["what"] == "state", "{report}");
    assert_eq!((&first["expected"], &first["got"]), (&"\"OPEN\"".into(), &"\"CLOSED\"".into()));
    assert_eq!(run(&["simulate", "--scenario", "/nowhere.yaml"]).code, Some(2));
    assert_eq!(run(&["simulate", "--scenario", &file, "--trace", "a.csv"]).code, Some(2));
}
