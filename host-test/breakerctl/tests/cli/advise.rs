//! `breakerctl advise`, on logs that have a known answer.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use crate::support::{Ran, repository, run};

/// What becomes of a call at a second: its milliseconds, and whether it fails.
type Fate = fn(f64, u64) -> (u32, bool);

/// So many calls a second, for so many seconds.
fn log(rate: u64, seconds: u64, fate: Fate) -> String {
    (0..rate * seconds).fold("time,duration,status\n".to_owned(), |mut log, number| {
        let at = number as f64 / rate as f64;
        let (took, failed) = fate(at, number);
        writeln!(log, "{at},{took},{}", if failed { 503 } else { 200 }).unwrap();
        log
    })
}

/// Whether a call is one of so many in a thousand, which come in no order.
fn chance(number: u64, per_thousand: u64) -> bool {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 32) % 1000 < per_thousand
}

/// Ten minutes, of which one is an outage.
fn outage(at: f64, number: u64) -> (u32, bool) {
    (20, (300.0..360.0).contains(&at) || chance(number, 10))
}

fn advise(log: &str, args: &[&str]) -> Ran {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("calls.csv");
    fs::write(&file, log).unwrap();
    run(&[&["advise", "--trace", file.to_str().unwrap()], args].concat())
}

fn rule<'a>(report: &'a Value, name: &str) -> &'a Value {
    let rules = report["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["name"] == name).unwrap_or_else(|| panic!("{name}: {report:#}"))
}

fn best(report: &Value) -> &Value {
    rule(report, report["best"].as_str().unwrap_or_else(|| panic!("{report:#}")))
}

#[test]
fn a_minutes_outage_gets_a_rule_that_spares_it_and_comes_back_at_once() {
    let report = advise(&log(20, 600, outage), &["--json"]).json();
    let outages = report["outages"].as_array().unwrap();
    assert_eq!(outages.len(), 1, "{report:#}");
    let from = outages[0]["from"].as_f64().unwrap();
    assert!((299.0..300.1).contains(&from), "{from}");
    let number = |rule: &Value, field: &str| rule[field].as_u64().unwrap();
    let (best, default) = (best(&report), rule(&report, "3 in a row, as by default"));
    assert!(number(best, "bad_diverted") > 1150, "{best:#}");
    assert!(number(best, "good_diverted") < 300, "{best:#}");
    // Its wait lasts for longer than the outage.
    assert!(number(default, "good_diverted") > 300, "{default:#}");
    assert!((1..60).contains(&number(best, "bad_let_through")), "{best:#}");
}

#[test]
fn what_it_says_of_a_rule_is_what_the_module_does_with_it() {
    let log = log(20, 600, outage);
    let report = advise(&log, &["--json"]).json();
    let fixed = rule(&report, "5 in a row; waits 1s to 30s");
    let room = tempfile::tempdir().unwrap();
    let (config, trace) = (room.path().join("config.json"), room.path().join("calls.csv"));
    let mut service = fixed["settings"].clone();
    service["name"] = "service".into();
    fs::write(&config, json!({ "services": [service] }).to_string()).unwrap();
    fs::write(&trace, log).unwrap();
    let (config, trace) = (config.to_str().unwrap(), trace.to_str().unwrap());
    let args = ["--config", config, "--trace", trace, "--workers", "1", "--json"];
    let simulated = run(&[&["simulate"], &args[..]].concat()).json();
    let close = |told: &Value, done: &Value, apart: i64| {
        let (told, done) = (told.as_i64().unwrap(), done.as_i64().unwrap());
        assert!((told - done).abs() <= apart, "{told} {done}: {fixed:#} {simulated:#}");
    };
    // Only the waits are drawn by another seed.
    let passed = report["bad"].as_i64().unwrap() - fixed["bad_diverted"].as_i64().unwrap();
    close(&passed.into(), &simulated["admitted_failed"], 5);
    close(&fixed["bad_diverted"], &simulated["diverted_would_have_failed"], 5);
}

#[test]
fn a_quiet_log_is_told_so_and_what_chance_would_do() {
    let ran = advise(&log(20, 600, |_, number| (20, chance(number, 50))), &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("Nothing happened here that a breaker could have helped"));
    assert!(ran.stdout.contains("chance alone opens \"3 in a row, as by default\" once in"));
    let ran = advise(&log(20, 600, |_, _| (20, false)), &[]);
    assert!(!ran.stdout.contains("chance"), "{ran:?}");
}

#[test]
fn too_few_calls_are_told_so() {
    let ran = advise(&log(1, 50, |at, _| (20, at > 20.0)), &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("50 calls are too few to go by"), "{ran:?}");
}

#[test]
fn a_rule_that_chance_opens_is_not_chosen() {
    let fate = |at: f64, number| (20, (300.0..360.0).contains(&at) || chance(number, 60));
    let report = advise(&log(20, 600, fate), &["--json"]).json();
    let seconds = |rule: &Value| rule["by_chance_once_in"].as_f64().unwrap_or(f64::INFINITY);
    assert!(seconds(rule(&report, "3 in a row, as by default")) < 3600.0, "{report:#}");
    assert!(seconds(best(&report)) > 2.5e6, "{:#}", best(&report));
}

#[test]
fn where_most_calls_are_good_all_the_while_no_rule_helps_unless_diverting_costs_little() {
    let fate =
        |at: f64, number| (20, chance(number, if (300.0..400.0).contains(&at) { 250 } else { 5 }));
    let log = log(20, 600, fate);
    let ran = advise(&log, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains("No rule would have helped"), "{ran:?}");
    let ran = advise(&log, &["--diverted-costs", "0.05"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn slow_calls_are_bad_from_where_one_says() {
    let fate = |at: f64, _| (if (300.0..360.0).contains(&at) { 900 } else { 20 }, false);
    let log = log(20, 600, fate);
    assert_eq!(advise(&log, &[]).code, Some(1));
    let ran = advise(&log, &["--slow", "500ms", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    assert_eq!(report["bad"], 1200);
    let settings = best(&report)["settings"].to_string();
    assert!(settings.contains("500ms"), "{settings}");
}

#[test]
fn calls_to_several_services_are_not_thrown_together() {
    let of = |cluster: &str, shift: f64| {
        log(20, 600, outage).lines().skip(1).fold(String::new(), |mut all, line| {
            let (at, rest) = line.split_once(',').unwrap();
            let at: f64 = at.parse().unwrap();
            writeln!(all, "{},{rest},{cluster}", at + shift).unwrap();
            all
        })
    };
    let log =
        format!("time,duration,status,cluster\n{}{}", of("payment", 0.0), of("stock", 1000.0));
    let ran = advise(&log, &[]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("choose by --cluster, --host or --path, of payment, stock"));
    let report = advise(&log, &["--cluster", "pay*", "--json"]).json();
    assert_eq!(report["calls"], 12_000);
    let service = &report["configuration"]["services"][0];
    assert_eq!(service["match"], json!({ "clusters": ["pay*"] }), "{service:#}");
    let ran = advise(&log, &["--cluster", "search"]);
    assert!(ran.stderr.contains("no call is meant: the first is to cluster payment"), "{ran:?}");
}

#[test]
fn what_says_nothing_of_the_service_is_left_out() {
    let log = log(20, 600, outage);
    let log =
        log.replace("time,duration,status", "time,duration,status,flags").replace('\n', ",-\n");
    let log = log.replacen(",-\n", "\n", 1);
    let turned_away = (0..300).fold(log, |mut log, number| {
        writeln!(log, "{number},1,429,RL\n{number},1,0,DC").unwrap();
        log
    });
    let report = advise(&turned_away, &["--json"]).json();
    assert_eq!((&report["calls"], &report["left_out"]), (&12_000.into(), &600.into()));
}

#[test]
fn every_rule_is_one_that_the_module_takes() {
    let report = advise(&log(20, 320, outage), &["--json"]).json();
    let rules = report["rules"].as_array().unwrap().iter();
    let services: Vec<_> = rules
        .enumerate()
        .map(|(index, rule)| {
            let mut service = rule["settings"].clone();
            service["name"] = format!("service-{index}").into();
            service["match"] = json!({ "path_prefixes": [format!("/{index}/")] });
            service
        })
        .collect();
    assert!(services.len() > 60, "{}", services.len());
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("all.json");
    fs::write(&file, json!({ "services": services }).to_string()).unwrap();
    let ran = run(&["check", file.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn the_plot_has_a_line_for_what_was_bad_and_one_for_each_rule_it_compares() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("advice.svg");
    let ran = advise(&log(20, 600, outage), &["--plot", file.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let svg = fs::read_to_string(&file).unwrap();
    let lines = svg.matches("<polyline").count();
    // The best rule may be one of the others: the first of fixed numbers, the adaptive one.
    assert!((4..=5).contains(&lines), "{lines}");
    assert!(svg.contains("bad in the log, %") && svg.contains("3 in a row, as by default"));
    assert!(svg.trim_end().ends_with("</svg>") && svg.contains("#fdedec"));
}

#[test]
fn the_example_of_the_page_is_what_it_prints() {
    let page = fs::read_to_string(repository().join("docs/breakerctl.md")).unwrap();
    let (_, rest) = page.split_once("$ breakerctl advise --trace calls.csv\n").unwrap();
    let (shown, _) = rest.split_once("\n```").unwrap();
    let ran = advise(&log(100, 600, outage), &[]);
    assert_eq!(ran.stdout.trim_end(), shown.trim_end(), "{ran:?}");
}

#[test]
fn a_number_that_makes_no_sense_is_refused_with_what_to_give() {
    for (args, said) in [
        (["--diverted-costs", "-1"], "--diverted-costs"),
        (["--diverted-costs", "1e9"], "give 0 to 1000"),
        (["--slow", "0s"], "every call takes 0s"),
        (["--slow", "fast"], "250ms"),
    ] {
        let args = [format!("{}={}", args[0], args[1])];
        let ran = advise(&log(1, 200, |_, _| (20, false)), &[&args[0]]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
}
