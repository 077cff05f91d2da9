//! A proxy that withholds functions and callbacks.

use std::time::Duration;

use filter::{AnswerHead, Capability, Config, Effects, Exchange, WaitingCallers};
use serde_json::{Value, json};

use crate::world::{PAYMENT, World, recipe, service};

/// Reads a configuration where these functions are withheld.
fn read(config: &Value, withheld: &[&str]) -> Result<Config, String> {
    let bytes = || Some(config.to_string().into_bytes());
    Config::read(&mut |capability| withheld.contains(&capability.name()), &bytes)
}

/// What the filter can do without.
const OPTIONAL: [&str; 3] =
    ["proxy_set_buffer_bytes", "proxy_set_header_map_pairs", "proxy_set_property"];

/// What a configuration asks for, but for what the filter can do without.
fn needs(config: &Value) -> Vec<&'static str> {
    let mut asked = asks(config);
    asked.retain(|name| !OPTIONAL.contains(name));
    asked
}

fn asks(config: &Value) -> Vec<&'static str> {
    let mut asked = Vec::new();
    let mut withheld = |capability: &Capability| {
        asked.push(capability.name());
        false
    };
    Config::read(&mut withheld, &|| Some(config.to_string().into_bytes())).unwrap();
    asked
}

fn of(fields: &Value) -> Value {
    json!({"services": [service(PAYMENT, fields)]})
}

#[test]
fn a_function_that_is_needed_and_withheld_is_named_alone() {
    let config = of(&recipe());
    let needed = needs(&config);
    assert_eq!(needed.len(), 21);
    for name in needed {
        let refusal = read(&config, &[name]).unwrap_err();
        let line = format!(
            "the proxy withholds {name}: name it in allowed_capabilities, with all else that \
             docs/security.md lists"
        );
        assert_eq!(refusal, line);
    }
}

#[test]
fn functions_for_replacing_failed_answers_are_required_only_where_they_are_used() {
    let diverted = json!({"fallback": {"cluster": "other", "on_failure": false}});
    for (config, answers) in
        [(of(&recipe()), true), (of(&json!({})), false), (of(&diverted), false)]
    {
        let asked = asks(&config);
        for name in OPTIONAL {
            assert_eq!(asked.contains(&name), answers, "{name}: {config}");
            assert!(read(&config, &[name]).is_ok(), "{name}: {config}");
        }
    }
}

#[test]
fn all_that_is_withheld_is_named_in_one_line() {
    let refusal = read(&of(&recipe()), &["proxy_log", "clock_time_get"]).unwrap_err();
    assert!(refusal.starts_with("the proxy withholds clock_time_get, proxy_log: "), "{refusal}");
    assert!(!refusal.contains('\n'));
}

#[test]
fn calls_are_needed_where_some_are_made_and_nowhere_else() {
    const HTTP_CALL: &str = "proxy_http_call";
    const HELD: [&str; 2] = ["proxy_continue_stream", "proxy_set_effective_context"];
    let check = json!({"health_check": {"cluster": "payment", "path": "/health"}});
    let diverted = json!({"fallback": {"cluster": "other", "on_failure": false}});
    let response = json!({"fallback": {"response": {"status": 200}}});
    let mut notify = of(&json!({}));
    notify["notify"] = json!({"cluster": "runbooks", "path": "/"});
    let cases = [
        (json!({}), false, false),
        (of(&json!({})), false, false),
        (of(&diverted), false, false),
        (of(&response), false, false),
        (of(&check), true, false),
        (notify, true, false),
        (of(&recipe()), true, true),
        (of(&json!({"fallback": {"cluster": "other"}})), true, true),
    ];
    for (config, calls, holds) in cases {
        let needed = needs(&config);
        assert_eq!(needed.contains(&HTTP_CALL), calls, "{config}");
        for function in HELD {
            assert_eq!(needed.contains(&function), holds, "{config}");
        }
        let withheld = [HTTP_CALL, HELD[0], HELD[1]];
        assert_eq!(read(&config, &withheld).is_ok(), !calls && !holds, "{config}");
    }
}

#[test]
fn a_configuration_that_cannot_be_had_is_not_the_default_one() {
    let refusal = Config::read(&mut |_| false, &|| None).unwrap_err();
    assert_eq!(refusal, "configuration: the proxy does not hand it over");
    let unasked = || panic!("it cannot be had");
    let mut withheld = |capability: &Capability| *capability == Capability::GetBuffer;
    let refusal = Config::read(&mut withheld, &unasked).unwrap_err();
    assert!(refusal.contains("proxy_get_buffer_bytes"), "{refusal}");
}

const ROOT: u32 = 1;

#[test]
fn an_answer_goes_once_to_the_call_that_waits_for_it() {
    let mut calls = WaitingCallers::new();
    calls.begin(7, ROOT, 3, "seven");
    calls.begin(8, ROOT, 3, "eight");
    assert_eq!(calls.answered(8), Some("eight"));
    assert_eq!((calls.answered(8), calls.answered(9)), (None, None));
    assert_eq!(calls.answered(7), Some("seven"));
}

#[test]
fn an_answer_that_is_overdue_is_given_up_by_the_ticks_of_its_own_context() {
    let mut calls = WaitingCallers::new();
    calls.begin(7, ROOT, 3, "seven");
    for _ in 0..10 {
        assert!(calls.on_tick(2).callers.is_empty());
    }
    assert!(calls.on_tick(ROOT).callers.is_empty());
    assert!(calls.on_tick(ROOT).callers.is_empty());
    let given_up = calls.on_tick(ROOT);
    assert_eq!((given_up.callers, given_up.never_answered), (vec!["seven"], true));
    assert!(calls.on_tick(ROOT).callers.is_empty());
    assert_eq!(calls.answered(7), None, "too late");
}

#[test]
fn no_call_waits_where_no_answer_ever_came_and_that_is_logged_once() {
    let mut calls = WaitingCallers::new();
    assert!(calls.may_wait());
    calls.begin(7, ROOT, 1, ());
    assert!(calls.on_tick(ROOT).never_answered);
    assert!(!calls.may_wait());
    calls.begin(8, ROOT, 1, ());
    let given_up = calls.on_tick(ROOT);
    assert_eq!((given_up.callers.len(), given_up.never_answered), (1, false));
    // It was only late.
    calls.begin(9, ROOT, 1, ());
    assert_eq!(calls.answered(9), Some(()));
    assert!(calls.may_wait());
}

#[test]
fn one_answer_that_is_missing_among_others_is_no_reason_not_to_wait() {
    let mut calls = WaitingCallers::new();
    calls.begin(7, ROOT, 1, ());
    calls.answered(7);
    calls.begin(8, ROOT, 1, ());
    assert!(!calls.on_tick(ROOT).never_answered);
    assert!(calls.may_wait());
}

#[test]
fn a_call_that_waited_in_a_context_that_is_gone_is_forgotten() {
    let mut calls = WaitingCallers::new();
    calls.begin(7, ROOT, 1, "old");
    calls.begin(8, 2, 1, "new");
    calls.forget(ROOT);
    assert_eq!(calls.answered(7), None);
    assert_eq!(calls.on_tick(2).callers, ["new"]);
}

/// Ticks take at least their period, so that this many are more than the timeout.
#[test]
fn an_answer_is_awaited_for_its_timeout_and_two_ticks() {
    let world = World::with(&recipe());
    let filter = world.filters()[0].clone();
    let period = filter.tick_period();
    for (timeout, ticks) in [(0, 2), (1, 3), (500, 3), (501, 4), (1_000, 4), (60_000, 122)] {
        let timeout = Duration::from_millis(timeout);
        assert_eq!(filter.callout_ticks(timeout), ticks, "{timeout:?}");
        assert!(period * (ticks - 1) >= timeout + period);
    }
    assert_eq!(filter.callout_ticks(Duration::MAX), u32::MAX);
}

const TICK: &str = "callback=proxy_on_tick";

#[test]
fn a_timer_that_never_ticks_is_logged_once_when_calls_are_diverted() {
    let world = World::with(&recipe());
    world.trip();
    let divert = |calls: usize| (0..calls).for_each(|_| drop(world.call()));
    divert(100);
    assert!(world.logged(TICK).is_empty(), "it may yet come");
    world.advance(Duration::from_secs(5));
    divert(8);
    assert_eq!(world.logged(TICK).len(), 1);
    divert(100);
    assert_eq!(world.logged(TICK).len(), 1);
}

#[test]
fn a_timer_that_has_ticked_is_trusted() {
    let world = World::with(&recipe());
    world.tick_all();
    world.trip();
    world.advance(Duration::from_secs(50));
    (0..100).for_each(|_| drop(world.call()));
    assert!(world.logged(TICK).is_empty());
}

/// What is said when answers come whose requests did not: of so many, after so many requests.
fn told(world: &World, answers: usize) -> usize {
    let filter = world.filters()[0].clone();
    let mut effects = Effects::new();
    for _ in 0..answers {
        let mut exchange = Exchange::default();
        world.host(|host| {
            let head = || AnswerHead::default();
            drop(filter.on_response(&mut exchange, head, true, host, &mut effects));
        });
    }
    effects.lines.iter().filter(|(_, line)| line.contains("proxy_on_request_headers")).count()
}

#[test]
fn requests_that_never_pass_the_filter_are_logged_once() {
    let world = World::with(&recipe());
    assert_eq!(told(&world, 99), 0, "a filter before this one may have answered them");
    assert_eq!(told(&world, 1), 1);
    assert_eq!(told(&world, 200), 0);
}

#[test]
fn requests_that_were_answered_earlier_are_not_reported_where_one_passed_the_filter() {
    let world = World::with(&recipe());
    world.call().respond(200);
    assert_eq!(told(&world, 200), 0);
}
