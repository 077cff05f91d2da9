//! What `breakerctl simulate` takes: traces and configurations as people have them.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::{CONFIG, outage, simulate, transitions};
use crate::support::{Ran, repository, run};

fn summary(ran: &Ran) -> &str {
    ran.stdout.lines().last().unwrap_or_default()
}

#[test]
fn the_output_ends_with_a_sentence_about_what_the_breaker_achieved() {
    let ran = simulate(CONFIG, &outage(), &[]);
    let sentence =
        "without the breaker 33.3 % failed, with it 0 %; 34 answered by the fallback; open 32 s";
    assert_eq!(summary(&ran), sentence, "{ran:?}");
    let ran = simulate(CONFIG, "time,duration,status\n0,5,200\n1,5,200\n", &[]);
    let sentence =
        "without the breaker 0 % failed, with it 0 %; 0 answered by the fallback; never open";
    assert_eq!(summary(&ran), sentence, "{ran:?}");
}

#[test]
fn a_client_that_is_turned_away_sees_a_failure() {
    let config =
        r#"{ "services": [{ "name": "a", "open": { "wait_duration": "10s", "jitter": 0 } }] }"#;
    let ran = simulate(config, &outage(), &["--json"]);
    let report = ran.json();
    assert_eq!((&report["diverted"], &report["turned_away"]), (&30.into(), &30.into()), "{report}");
    // The four that were let through, and all that was not.
    assert_eq!(report["failed_with_breaker"], 34);
    let sentence = report["summary"].as_str().unwrap();
    assert!(
        sentence.contains("with it 56.7 %; 0 answered by the fallback; 30 turned away"),
        "{sentence}"
    );
}

#[test]
fn in_metrics_only_the_output_says_what_would_have_been_diverted() {
    let config = CONFIG.replace("\"open\"", "\"mode\": \"metrics_only\", \"open\"");
    let ran = simulate(&config, &outage(), &[]);
    assert!(summary(&ran).contains("with it 33.3 %"), "{ran:?}");
    assert!(summary(&ran).contains("in metrics_only, else "), "{ran:?}");
}

#[test]
fn a_client_that_left_ends_no_run_of_failures_and_is_none() {
    for word in ["aborted", "0", "499"] {
        let trace = format!(
            "time,duration,status\n0,5,503\n1,5,{word}\n2,5,503\n3,5,{word}\n4,5,503\n5,5,{word}\n6,5,200\n"
        );
        let report = simulate(CONFIG, &trace, &["--json"]).json();
        assert_eq!(report["failed_in_trace"], 3, "{word}");
        assert_eq!(transitions(&report)[0], (4.005, "OPEN", "consecutive_failures"), "{word}");
        let only =
            format!("time,duration,status\n0,5,{word}\n1,5,{word}\n2,5,{word}\n3,5,{word}\n");
        let report = simulate(CONFIG, &only, &["--json"]).json();
        assert_eq!((transitions(&report).len(), &report["matched"]), (0, &4.into()), "{word}");
    }
}

#[test]
fn a_health_check_is_not_answered_by_a_call_whose_client_left() {
    let config = r#"{ "services": [{
        "name": "a", "open": { "wait_duration": "0s" },
        "health_check": { "cluster": "service", "path": "/", "interval": "1s", "then": "close" }
    }] }"#;
    let trace =
        "time,duration,status\n0,5,503\n1,5,503\n2,5,503\n3,5,aborted\n4,5,aborted\n5,5,200\n";
    let report = simulate(config, trace, &["--json"]).json();
    let closed: Vec<_> =
        transitions(&report).into_iter().filter(|(_, to, _)| *to == "CLOSED").collect();
    assert!(closed.iter().all(|(at, ..)| *at >= 3.5), "{report:#}");
    assert_eq!(closed.len(), 1, "{report:#}");
}

#[test]
fn calls_that_no_service_matches_are_reported_with_what_is_missing() {
    let with =
        |matches: &str| CONFIG.replace("\"open\"", &format!("\"match\": {matches}, \"open\""));
    for (matches, said) in [
        (
            r#"{ "hosts": ["shop.example"] }"#,
            "match by `hosts`, and the trace has no column `host`",
        ),
        (r#"{ "clusters": ["pay*"] }"#, "--cluster for all calls"),
        (r#"{ "headers": [{ "name": "x-a", "present": true }] }"#, "match by `headers`"),
    ] {
        let ran = simulate(&with(matches), &outage(), &[]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(summary(&ran).starts_with("no call matched a service: "), "{ran:?}");
        assert!(summary(&ran).contains(said), "{ran:?}");
    }
    let hosts = with(r#"{ "hosts": ["shop.example"] }"#);
    let report = simulate(&hosts, &outage(), &["--json", "--host", "shop.example"]).json();
    assert_eq!(report["matched"], 60, "{report:#}");
    let trace = outage().replace("status\n", "status,host\n").replace("200\n", "200,other\n");
    let trace = trace.replace("503\n", "503,other\n");
    let ran = simulate(&hosts, &trace, &[]);
    assert!(summary(&ran).contains("GET / of host other"), "{ran:?}");
}

/// The same outage as Envoy logs it by itself, in the middle of its other lines.
fn access_log() -> String {
    let start = "[2026-01-02 03:04:00.000][1][info][main] starting main dispatch loop\n".to_owned();
    (0..60).fold(start, |mut log, second| {
        let (status, flags) = if (10..30).contains(&second) { (503, "UF,URX") } else { (200, "-") };
        writeln!(
            log,
            "[2026-01-02T03:04:{second:02}.000Z] \"GET /pay HTTP/1.1\" {status} {flags} 0 9 20 - \
             \"-\" \"curl/8.5\" \"0c5b\" \"shop.example\" \"10.1.2.3:8080\""
        )
        .unwrap();
        log
    })
}

#[test]
fn an_access_log_gives_the_same_as_a_table_of_its_calls() {
    let expected = simulate(CONFIG, &outage(), &["--json"]).json();
    let config =
        CONFIG.replace("\"open\"", "\"match\": { \"hosts\": [\"shop.example\"] }, \"open\"");
    let ran = simulate(&config, &access_log(), &["--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    for field in ["transitions", "diverted", "failed_in_trace", "summary"] {
        assert_eq!(report[field], expected[field], "{field}");
    }
    assert_eq!(report["passed_over"], 1);
    assert!(ran.stderr.contains("lines that are no calls: 1"), "{ran:?}");
    // The format of docs/operations.md.
    let json = (0..60).fold(String::new(), |mut log, second| {
        let failed = (10..30).contains(&second);
        let (status, details) =
            if failed { (503, "no_healthy_upstream") } else { (200, "via_upstream") };
        let line = serde_json::json!({
            "time": format!("2026-01-02T03:04:{second:02}.000Z"), "path": "/", "status": status,
            "details": details, "duration_ms": 20, "cluster": "payment", "breaker": null
        });
        writeln!(log, "{line}").unwrap();
        log
    });
    let report = simulate(CONFIG, &json, &["--json"]).json();
    assert_eq!(report["transitions"], expected["transitions"]);
}

#[test]
fn times_may_be_dates() {
    let dated = (0..60).fold("time,duration,status\n".to_owned(), |mut trace, second| {
        let status = if (10..30).contains(&second) { 503 } else { 200 };
        writeln!(trace, "2026-01-02T04:04:{second:02}+01:00,20,{status}").unwrap();
        trace
    });
    let expected = simulate(CONFIG, &outage(), &["--json"]).json();
    assert_eq!(simulate(CONFIG, &dated, &["--json"]).json(), expected);
}

#[test]
fn the_configuration_may_be_inside_a_file_of_a_proxy() {
    let room = tempfile::tempdir().unwrap();
    let trace = room.path().join("calls.csv");
    let calls =
        outage().replace("status\n", "status,path\n").replace("0\n", "0,/payment-service\n");
    let calls = calls.replace("503\n", "503,/payment-service/charge\n");
    fs::write(&trace, calls).unwrap();
    let trace = trace.to_str().unwrap();
    let simulate = |config: &str, args: &[&str]| {
        run(&[&["simulate", "--json", "--config", config, "--trace", trace], args].concat())
    };
    // Of its two plugins one is for the admin API alone.
    let report = simulate("envoy/recipe.yaml", &[]).json();
    assert_eq!(report["transitions"][0]["service"], "payment-service", "{report:#}");
    assert_eq!(report["matched"], 60);
    let ran = simulate("envoy/istio/gateway.yaml", &["--host", "shop.example.com"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let recipe = fs::read_to_string(repository().join("envoy/recipe.yaml")).unwrap();
    let file = room.path().join("two.yaml");
    fs::write(&file, recipe.replace("\"admin\": {", "\"limits\": {}, \"xadmin\": {")).unwrap();
    let file = file.to_str().unwrap();
    let ran = simulate(file, &[]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("--only") && ran.stderr.contains("breaker-admin"), "{ran:?}");
    assert_eq!(simulate(file, &["--only", "edge-breaker"]).code, Some(0));
    let ran = simulate(file, &["--only", "edge-breaker-admin"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("two.yaml:") && ran.stderr.contains("xadmin"), "{ran:?}");
}

#[test]
fn a_file_that_is_no_trace_is_reported_with_the_formats_that_are_read() {
    for (trace, said) in [
        ("time,duration,status\n0,5,598x\n", "`aborted`"),
        ("time,duration,status\n1767323045678,5,200\n", "time_ms"),
        ("one\ntwo\n", "JSON object on each line"),
    ] {
        let ran = simulate(CONFIG, trace, &[]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
    let report: Value = simulate(CONFIG, &format!("\u{feff}{}", outage()), &["--json"]).json();
    assert_eq!(report["calls"], 60);
}
