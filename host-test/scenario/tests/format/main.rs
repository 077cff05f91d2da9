//! What is not a scenario is refused with file, line, and what would be right.

use std::path::Path;

use scenario::{Event, FormatError, Need, Scenario};

const GOOD: &str = "\
title: A failure is counted.
semantics: [9]
needs: [crash]
workers: 2
config:
  services: [{name: payment-service}]
steps:
  - request: {name: first, worker: 1}
    expect: {verdict: forwarded}
  - answer: {to: first, status: 503}
    expect: {state: CLOSED, failures: 1}
  - crash: 1
";

fn parse(text: &str) -> Result<Scenario, FormatError> {
    Scenario::parse(Path::new("x.yaml"), text)
}

/// The message for the good scenario with a part of it replaced.
#[track_caller]
fn refused(part: &str, by: &str) -> String {
    assert!(GOOD.contains(part), "{part:?} is not in the good one");
    let error = parse(&GOOD.replace(part, by)).expect_err("it is refused");
    error.to_string()
}

#[track_caller]
fn assert_refused(part: &str, by: &str, line: u64, problem: &str, remedy: &str) {
    let message = refused(part, by);
    assert!(message.starts_with(&format!("x.yaml:{line}: ")), "line {line}: {message}");
    assert!(message.contains(problem), "{problem:?}: {message}");
    assert!(message.contains(remedy), "{remedy:?}: {message}");
}

#[test]
fn a_scenario_is_read_with_every_default_filled_in() {
    let scenario = parse(GOOD).expect("it is one");
    assert_eq!(scenario.service, "payment-service");
    assert!(scenario.needs.contains(&Need::Crash));
    let Some(Event::Request { request, .. }) = scenario.steps.first().map(|step| &step.event)
    else {
        panic!("{:?}", scenario.steps);
    };
    assert_eq!((request.host.as_str(), request.path.as_str()), ("payment-service", "/"));
    let lines: Vec<_> = scenario.steps.iter().map(|step| step.line).collect();
    assert_eq!(lines, [8, 10, 12]);
}

#[test]
fn an_unknown_key_is_refused_with_those_there_are() {
    assert_refused("workers: 2", "worker: 2", 4, "worker", "workers");
    assert_refused("state: CLOSED", "stat: CLOSED", 11, "stat", "state");
    assert_refused("- crash: 1", "- crush: 1", 12, "crush", "crash");
    assert_refused("worker: 1}", "wrker: 1}", 8, "wrker", "worker");
}

#[test]
fn an_expectation_that_no_host_can_meet_is_refused() {
    assert_refused("state: CLOSED", "state: closed", 10, "state `closed`", "CLOSED");
    assert_refused("forwarded", "sent", 8, "verdict `sent`", "forwarded");
    assert_refused(
        "- crash: 1",
        "- crash: 1\n    expect: {verdict: passed}",
        12,
        "verdict",
        "leave",
    );
    let header = "failures: 1, headers: {Retry-After: '1'}";
    assert_refused("failures: 1", header, 10, "header `Retry-After`", "lower case");
    assert_refused("failures: 1", "service: payment", 10, "not configured", "config.services");
}

#[test]
fn a_need_that_is_not_declared_is_refused() {
    assert_refused("needs: [crash]", "needs: []", 12, "needs crash", "needs: [crash]");
    assert_refused("- crash: 1", "- after: 1h", 12, "longer than", "virtual-time");
}

#[test]
fn a_scenario_that_does_not_hang_together_is_refused() {
    assert_refused("to: first", "to: second", 10, "no request is called `second`", "step before");
    assert_refused("- crash: 1", "- crash: 2", 12, "no worker 2", "0 to 1");
    assert_refused("- crash: 1", "- answer: {to: first, status: 200}", 12, "ended before", "one");
    assert_refused("- crash: 1", "- request: {name: first}", 12, "called `first`", "of its own");
    assert_refused("- crash: 1", "- {crash: 1, abort: first}", 12, "two things", "a step for each");
    let back = "- {after: 2s, crash: 1}\n  - {at: 1s, crash: 1}";
    assert_refused("- crash: 1", back, 13, "at 1s when it is 2s", "order");
}

#[test]
fn a_scenario_that_expects_nothing_is_refused() {
    let text = GOOD.lines().filter(|line| !line.contains("expect:"));
    let text = text.collect::<Vec<_>>().join("\n");
    let message = parse(&text).expect_err("it is refused").to_string();
    assert!(message.contains("nothing is expected"), "{message}");
}

#[test]
fn a_title_is_a_sentence() {
    assert_refused("A failure is counted.", "failures", 1, "title `failures`", "a sentence");
}

#[test]
fn a_fault_or_an_answer_that_does_not_exist_is_refused_with_those_there_are() {
    assert_refused("status: 503", "fault: broken", 10, "unknown fault `broken`", "refused, reset");
    assert_refused("status: 503", "status: 99", 10, "status 99", "200 to 999");
    assert_refused("status: 503", "status: 503, fault: reset", 10, "both status and fault", "one");
    let message = refused("- crash: 1", "- call: {answer: broken}");
    assert!(message.starts_with("x.yaml:12: "), "{message}");
    assert!(message.contains("broken") && message.contains("refused, reset"), "{message}");
}

#[test]
fn a_time_without_a_unit_is_refused() {
    assert_refused("- crash: 1", "- {after: 5, crash: 1}", 12, "5", "250ms, 30s or 1m30s");
}

#[test]
fn a_duration_is_written_as_in_a_configuration() {
    let good = GOOD.replace("needs: [crash]", "needs: [crash, virtual-time]");
    let at = |text: &str| {
        let step = format!("- {{after: {text}, crash: 1}}");
        parse(&good.replace("- crash: 1", &step)).map(drop).map_err(|error| error.to_string())
    };
    for text in ["0s", "250ms", "1.5m", "1m30s", "24h"] {
        assert_eq!(at(text), Ok(()), "{text}");
    }
    for text in ["5min", "1day", "1s 5ms", "30s1m", "1M", "7"] {
        let refused = at(text).expect_err("it is refused");
        assert!(refused.contains("a duration, such as"), "{text}: {refused}");
    }
}
