//! Workers share one record of each service: races, faults, damage, reconfiguration, and what
//! all of that costs.

use std::time::Duration;

use breaker::Breaker;
use serde_json::json;

use crate::world::{By, Call, Gauges, PAYMENT, World, key, recipe, service};

const LOST: &str = "edge_breaker_lost_updates_total";
const UNREADABLE: &str = "edge_breaker_unreadable_records_total";
const UNPROTECTED: &str = "cb_reason=.=store;.;edge_breaker_unprotected_total";

fn half_opening(permitted: u32) -> serde_json::Value {
    json!({
        "open": {"wait_duration": "10s", "jitter": 0},
        "half_open": {"permitted_calls": permitted, "success_threshold": permitted}
    })
}

#[test]
fn a_record_is_there_as_soon_as_a_worker_is() {
    let world = World::with_workers(4, &json!({}));
    let status = world.status();
    assert_eq!((status.state.name(), status.failures), ("CLOSED", 0));
    assert_eq!((status.last_failure, status.last_success), (None, None));
}

#[test]
fn all_workers_know_what_one_has_seen() {
    let world = World::with_workers(3, &json!({}));
    for worker in 0..3 {
        world.request(PAYMENT).on(worker).send().respond(503);
    }
    assert_eq!(world.state(), "OPEN");
    for worker in 0..3 {
        assert!(!world.request(PAYMENT).on(worker).send().is_admitted());
    }
}

/// Row 17: a lost race is decided again, never overwritten.
#[test]
fn no_failure_is_lost_when_two_workers_count_at_once() {
    let world = World::with_workers(2, &json!({"trip": {"consecutive_failures": 100}}));
    for _ in 0..20 {
        let other = world.request(PAYMENT).on(1).send();
        world.store().before_next_write(move || drop(other.respond(503)));
        world.call().respond(503);
    }
    assert_eq!(world.status().failures, 40);
}

/// Row 17: a transition happens once, whatever the interleaving.
#[test]
fn a_trip_by_two_workers_at_once_is_published_once() {
    let world = World::with_workers(2, &json!({}));
    world.fail(2);
    let other = world.request(PAYMENT).on(1).send();
    world.store().before_next_write(move || drop(other.respond(503)));
    world.call().respond(503);
    assert_eq!(world.state(), "OPEN");
    assert_eq!(world.status().failures, 3, "the second came too late to count");
    assert_eq!(world.transitions(), 1);
    assert_eq!(world.logged("event=transition").len(), 1);
    assert_eq!(world.of("state", &[]), 1);
    assert_eq!(world.calls("failure"), 4);
}

/// Row 17: an unconditional write would wipe another worker's transition.
#[test]
fn a_success_does_not_wipe_a_trip_that_overtook_it() {
    let world = World::with_workers(2, &json!({}));
    world.fail(2);
    let success = world.call();
    let failure = world.request(PAYMENT).on(1).send();
    world.store().before_next_write(move || drop(failure.respond(503)));
    success.respond(200);
    assert_eq!((world.state(), world.status().failures), ("OPEN", 3));
}

/// Row 4: a place is taken by one, even if two find it free at the same moment.
#[test]
fn two_workers_at_once_take_no_slot_twice() {
    let world = World::with_workers(2, &half_opening(1));
    world.await_trials();
    let (sender, receiver) = std::sync::mpsc::channel();
    let rival = world.clone();
    world.store().before_next_write(move || {
        sender.send(rival.request(PAYMENT).on(1).send()).unwrap();
    });
    let first = world.call();
    let second = receiver.try_recv().expect("the rival was there");
    assert!(second.is_admitted());
    assert!(!first.is_admitted(), "it was decided anew");
    assert_eq!(world.of("transitions_total", &["to=half_open", "reason=wait_elapsed"]), 1);
}

#[test]
fn races_lost_a_few_times_are_not_logged() {
    let world = World::with(&json!({}));
    world.store().conflict_next(20);
    world.call().respond(503);
    assert_eq!(world.status().failures, 1);
    assert_eq!(world.metric(LOST), 0);
}

#[test]
fn an_update_that_loses_every_race_is_given_up_and_counted() {
    let world = World::with(&json!({}));
    let call = world.call();
    world.store().conflict_next(usize::MAX);
    assert_eq!(call.respond(503).status, 503);
    assert_eq!(world.status().failures, 0);
    assert_eq!(world.metric(LOST), 1);
    assert_eq!(world.logged("event=lost_update").len(), 1);
    assert_eq!(world.calls("failure"), 1);
}

#[test]
fn a_call_that_gets_no_slot_for_lost_races_is_diverted() {
    let world = World::with(&half_opening(1));
    world.await_trials();
    world.store().conflict_next(usize::MAX);
    let call = world.call();
    assert!(!call.is_admitted() && !call.is_left_alone());
    assert_eq!(world.metric(LOST), 1);
}

#[test]
fn a_call_that_loses_every_race_to_a_breaker_that_closes_meanwhile_passes() {
    let world = World::with(&half_opening(1));
    world.await_trials();
    world.store().conflict_next(63);
    let rival = world.clone();
    // The last of all attempts.
    for _ in 0..63 {
        world.store().before_next_write(|| {});
    }
    world.store().before_next_write(move || rival.store().put(&key(PAYMENT), closed_record()));
    assert!(world.call().is_admitted());
}

fn closed_record() -> Vec<u8> {
    Breaker::new().encode().to_vec()
}

/// Row 18: a damaged record is treated as absent, counted, logged and replaced.
#[test]
fn a_damaged_record_is_taken_as_absent_and_logged() {
    for damage in [&b""[..], &[0], &[1; 20], &[1; 368], &[0; 368], &[2; 367]] {
        let world = World::with(&json!({}));
        world.trip();
        world.store().put(&key(PAYMENT), damage.to_vec());
        let call = world.call();
        assert!(call.is_admitted(), "{damage:?}");
        assert_eq!(world.metric(UNREADABLE), 1);
        assert!(world.logged("event=unreadable_record")[0].ends_with(" action=replaced"));
        call.respond(503);
        assert_eq!((world.state(), world.status().failures), ("CLOSED", 1), "{damage:?}");
    }
}

/// Row 18: damage is repaired, not complained of for ever.
#[test]
fn a_damaged_record_is_replaced_even_if_nothing_happens() {
    let world = World::with_workers(2, &json!({}));
    world.store().put(&key(PAYMENT), vec![1; 20]);
    world.run(Duration::from_secs(60));
    assert_eq!(world.logged("event=unreadable_record").len(), 1, "said, and then repaired");
    assert_eq!(world.state(), "CLOSED");
}

/// Or no check would be made for 35 s, and no rate be counted.
#[test]
fn a_damaged_record_that_was_replaced_knows_its_health_check_and_its_window_at_once() {
    for damage in [&b""[..], &[0; 400], &[1; 3]] {
        let mut fields = recipe();
        fields["open"] = json!({"wait_duration": "1s", "jitter": 0});
        fields["trip"] = json!({"failure_rate_threshold": 50, "minimum_number_of_calls": 4});
        let world = World::with_workers(2, &json!(fields));
        world.run(Duration::from_secs(60));
        world.store().put(&key(PAYMENT), damage.to_vec());
        for status in [200, 200, 503, 503] {
            world.call().respond(status);
        }
        assert_eq!(world.state(), "OPEN", "{damage:?}");
        assert!(world.until_next_check() <= Duration::from_secs(1), "{damage:?}");
    }
}

/// What a newer module writes: its first byte tells, whatever follows.
fn newer() -> [Vec<u8>; 4] {
    let mut likely = closed_record();
    likely[0] = 4;
    [likely, vec![255], vec![255; 368], b"{}".to_vec()]
}

/// A newer version of the module may be at work beside this one until this one's last stream has
/// ended. What it wrote is not damage.
#[test]
fn a_newer_modules_record_is_left_alone_while_it_is_written() {
    for newer in newer() {
        let world = World::with_workers(2, &recipe());
        for _ in 0..12 {
            world.store().put(&key(PAYMENT), newer.clone());
            world.fail(5);
            world.call().respond(200);
            world.run(Duration::from_secs(10));
            assert_eq!(world.store().get(&key(PAYMENT)), Some(newer.clone()));
        }
        assert_eq!((world.transitions(), world.metric(LOST)), (0, 0));
        let lines = world.logged("action=left_alone").len();
        assert!((3..=15).contains(&lines), "{lines} lines of 3 threads in two minutes");
        world.run(Duration::from_millis(19_000));
        assert_eq!(world.store().get(&key(PAYMENT)), Some(newer), "not for 30 s");
        world.run(Duration::from_millis(1_500));
        assert_eq!(world.state(), "CLOSED", "by the timer, though nobody calls");
        world.trip();
        world.until_next_check();
    }
}

/// The version in the store tells, be the bytes the same.
#[test]
fn a_newer_module_that_comes_back_wins() {
    let world = World::with(&json!({}));
    let [first, second, ..] = newer();
    world.store().put(&key(PAYMENT), first);
    world.run(Duration::from_millis(29_500));
    let (rival, written) = (world.clone(), second.clone());
    world.store().before_next_write(move || rival.store().put(&key(PAYMENT), written));
    world.run(Duration::from_secs(29));
    assert_eq!(world.store().get(&key(PAYMENT)), Some(second));
    world.run(Duration::from_secs(2));
    assert_eq!(world.state(), "CLOSED");
}

/// A module that was put back to this version takes over from the newer one, which is gone.
#[test]
fn a_module_that_is_put_back_to_this_version_takes_over_after_thirty_seconds() {
    let world = World::with(&json!({}));
    let [first, ..] = newer();
    world.store().put(&key(PAYMENT), first.clone());
    world.configure(1, &json!({"services": [service(PAYMENT, &recipe())]}));
    world.run(Duration::from_secs(29));
    assert_eq!(world.store().get(&key(PAYMENT)), Some(first));
    world.run(Duration::from_secs(2));
    world.trip();
    world.until_next_check();
}

#[test]
fn an_operator_is_told_that_a_newer_modules_record_is_not_written() {
    let config = json!({"services": [service(PAYMENT, &json!({}))], "admin": {"token": "t"}});
    let world = World::configured(1, &config);
    let [first, ..] = newer();
    world.store().put(&key(PAYMENT), first.clone());
    let request = world.request("localhost").method("POST").header("authorization", "Bearer t");
    let reply = request.path("/circuit-breaker/services/payment-service/force-open").send().reply();
    assert_eq!(reply.status, 503);
    assert_eq!(world.store().get(&key(PAYMENT)), Some(first));
}

/// Row 23: the breaker must never be what stops traffic.
#[test]
fn a_store_that_cannot_be_read_lets_traffic_pass_and_is_counted() {
    let world = World::with(&recipe());
    world.trip();
    world.store().reads_fail.set(true);
    let mut call = world.call();
    assert!(call.is_left_alone());
    call.begin(503);
    drop(call);
    assert_eq!(world.metric(UNPROTECTED), 1);
    world.tick_all();
    world.store().reads_fail.set(false);
    assert!(world.call().is_diverted(), "the record is as it was");
}

#[test]
fn a_store_that_cannot_be_written_keeps_an_open_breaker_open() {
    let world = World::with(&recipe());
    world.trip();
    world.store().writes_fail.set(true);
    assert!(world.call().is_diverted());
    world.tick_all();
    assert_eq!(world.pending_checks(), 0, "without the lease nobody probes");
}

#[test]
fn a_store_that_cannot_be_written_loses_failures_and_counts_them() {
    let world = World::with(&json!({}));
    world.store().writes_fail.set(true);
    world.fail(5);
    assert_eq!(world.metric(LOST), 5);
    assert_eq!(world.logged("event=lost_update").len(), 1, "once between two ticks");
    assert_eq!(world.calls("failure"), 5);
    world.store().writes_fail.set(false);
    assert_eq!(world.state(), "CLOSED");
}

#[test]
fn a_failed_call_is_answered_by_the_fallback_even_if_it_cannot_be_written_down() {
    let world = World::with(&recipe());
    world.store().writes_fail.set(true);
    let answer = world.call().respond(503);
    assert_eq!((answer.by, answer.status), (By::Replay, 200));
    world.store().writes_fail.set(false);
    let call = world.call();
    world.store().conflict_next(usize::MAX);
    assert_eq!(call.respond(503).by, By::Replay);
}

/// Row 16: a configuration update keeps the state of what it still names.
#[test]
fn a_new_configuration_keeps_an_open_breaker_open() {
    let world = World::with_workers(2, &recipe());
    world.trip();
    let before = world.status();
    let mut fields = recipe();
    fields["trip"]["consecutive_failures"] = json!(50);
    fields["fallback"]["cluster"] = json!("another-fallback");
    world.configure(
        2,
        &json!({"services": [service("new", &json!({})), service(PAYMENT, &fields)]}),
    );
    assert_eq!(world.status(), before);
    let call = world.call();
    assert_eq!(call.diversion()[0].1, "another-fallback");
    assert_eq!(world.transitions(), 1);
}

/// Row 16: and its counts.
#[test]
fn a_new_configuration_keeps_the_run_of_failures() {
    let world = World::with(&json!({}));
    world.fail(2);
    world.configure(1, &json!({"services": [service(PAYMENT, &json!({}))]}));
    world.fail(1);
    assert_eq!(world.state(), "OPEN");
}

#[test]
fn a_call_admitted_under_the_old_configuration_counts_under_the_new() {
    let world = World::with(&json!({}));
    let call = world.call();
    world.configure(1, &json!({"services": [service(PAYMENT, &json!({}))]}));
    call.respond(503);
    assert_eq!(world.status().failures, 1);
}

/// What the proxy is asked while a request is sent, and while it is answered.
fn cost(world: &World, answer: impl FnOnce(Call)) -> [Vec<(&'static str, usize)>; 2] {
    let request = world.request(PAYMENT);
    let mut call = None;
    let sent = world.asked(|| call = Some(request.send()));
    let answered = world.asked(|| answer(call.unwrap()));
    [sent, answered].map(|asked| asked.into_iter().collect())
}

/// A pinned budget: a change here makes every request dearer, or cheaper.
#[test]
fn the_closed_and_clean_path_asks_the_proxy_for_next_to_nothing() {
    let world = World::with(&json!({}));
    let good = |call: Call| drop(call.respond(200));
    let answered = vec![("adjust", 1), ("gauge", 1)];
    assert_eq!(cost(&world, good), [vec![("gauge", 1), ("load", 1)], answered.clone()]);
    for _ in 0..10 {
        assert_eq!(cost(&world, good), [vec![("gauge", 1)], answered.clone()]);
    }
    assert_eq!(world.outcomes(), [11, 0, 0, 0]);
    assert_eq!(world.asked(|| drop(world.request("another").send())).len(), 0);
    let config = json!({"services": [service(PAYMENT, &json!({}))]});
    for gauges in [Gauges::Dropped, Gauges::None] {
        let world = World::with_gauges(gauges, 1, &config);
        assert_eq!(cost(&world, good), [vec![("load", 1)], vec![("load", 1), ("property", 1)]]);
    }
}

/// A pinned budget: without Envoy's header the proxy is asked who gave the answer.
#[test]
fn an_answer_without_the_routers_header_costs_one_more_host_call() {
    let world = World::with(&json!({}));
    let good = |call: Call| drop(call.head_tells_of_service(false).respond(200));
    drop(cost(&world, good));
    assert_eq!(cost(&world, good), [vec![("gauge", 1)], vec![("gauge", 1), ("property", 1)]]);
}

/// A filter behind this one, such as a cache, may repeat an answer with all its headers.
#[test]
fn the_header_alone_makes_no_breaker_forget_a_failure() {
    let world = World::with(&json!({}));
    world.call().respond(503);
    let cached = |call: Call| {
        drop(call.head_tells_of_service(true).respond_by_proxy(200, "response_from_cache", &[]));
    };
    cached(world.call());
    assert_eq!(world.status().failures, 1);
    world.call().respond(200);
    assert_eq!(world.status().failures, 0);
}

/// The header tells who began the answer, not that all of it came.
#[test]
fn an_answer_of_the_service_that_is_cut_off_is_a_failure_all_the_same() {
    let world = World::with(&json!({}));
    world.call().respond(200);
    world.call().head_tells_of_service(true).reset_mid_body();
    assert_eq!(world.status().failures, 1);
}

/// A pinned budget: the state of a breaker known to be clean is told without reading it.
#[test]
fn a_clean_state_is_shown_without_a_read() {
    let config = json!({"expose_state": "always", "services": [service(PAYMENT, &json!({}))]});
    let world = World::configured(1, &config);
    let good = |call: Call| drop(call.respond(200));
    drop(cost(&world, good));
    assert_eq!(cost(&world, good), [vec![("gauge", 1)], vec![("adjust", 1), ("gauge", 2)]]);
}

/// A pinned budget.
#[test]
fn a_diverted_request_writes_nothing() {
    let world = World::with(&recipe());
    world.trip();
    let diverted = |call: Call| drop(call.respond(200));
    let [sent, answered] = cost(&world, diverted);
    assert_eq!(sent, [("gauge", 1), ("load", 1), ("now", 1)]);
    assert_eq!(answered, [("property", 2)]);
}

/// A pinned budget: a failure is written through at once.
#[test]
fn a_failure_is_one_read_and_one_write() {
    let world = World::with(&json!({}));
    world.call().respond(200);
    let [sent, answered] = cost(&world, |call| drop(call.respond(503)));
    assert_eq!(sent, [("gauge", 1)]);
    let expected = [
        ("adjust", 2),
        ("gauge", 1),
        ("load", 1),
        ("now", 1),
        ("property", 1),
        // `retry-after-ms`, and `Retry-After`.
        ("response_header", 2),
        ("swap", 1),
    ];
    assert_eq!(answered, expected);
}

// === Remembered records

/// All workers have seen the record as it is, and remember it.
fn warmed(workers: usize, fields: &serde_json::Value) -> World {
    let world = World::with_workers(workers, fields);
    for worker in 0..workers {
        world.request(PAYMENT).on(worker).send().respond(200);
    }
    world
}

#[test]
fn a_remembered_record_is_read_again_once_another_has_written() {
    let world = warmed(3, &recipe());
    for _ in 0..3 {
        world.request(PAYMENT).on(1).send().respond(503);
    }
    for worker in 0..3 {
        assert!(world.request(PAYMENT).on(worker).send().is_diverted(), "worker {worker}");
    }
}

#[test]
fn a_record_that_is_read_while_another_worker_writes_is_not_remembered() {
    let world = warmed(2, &recipe());
    world.fail(2);
    let rival = world.clone();
    // The third failure is about to be stored when another worker reads the record.
    world.store().before_next_write(move || {
        assert!(rival.request(PAYMENT).on(1).send().is_admitted());
    });
    world.fail(1);
    assert!(world.request(PAYMENT).on(1).send().is_diverted());
}

#[test]
fn a_worker_that_crashed_while_it_wrote_makes_the_others_read_each_time() {
    let world = warmed(2, &json!({}));
    world.adjust_gauge("record_version", (1 << 32) + 1);
    world.call().respond(200);
    for _ in 0..5 {
        let [sent, _] = cost(&world, |call| drop(call.respond(200)));
        assert_eq!(sent, [("gauge", 1), ("load", 1)]);
    }
    world.trip();
    assert!(!world.request(PAYMENT).on(1).send().is_admitted());
}

#[test]
fn a_record_that_was_written_without_its_gauge_is_seen_by_the_next_tick() {
    let world = warmed(1, &recipe());
    let open = World::with(&recipe());
    open.trip();
    let record = open.store().get(&key(PAYMENT)).unwrap();
    world.store().put(&key(PAYMENT), record);
    assert!(world.call().is_admitted());
    world.tick_all();
    assert!(world.call().is_diverted());
}

#[test]
fn a_proxy_without_gauges_shares_all_the_same() {
    for gauges in [Gauges::Dropped, Gauges::None] {
        let config = json!({"services": [service(PAYMENT, &recipe())]});
        let world = World::with_gauges(gauges, 3, &config);
        for worker in 0..3 {
            world.request(PAYMENT).on(worker).send().respond(503);
        }
        for worker in 0..3 {
            assert!(world.request(PAYMENT).on(worker).send().is_diverted(), "{gauges:?}");
        }
    }
}

#[test]
fn last_success_is_written_by_a_tick_and_lags_less_than_a_second() {
    let world = World::with_workers(4, &json!({}));
    let mut written = 0;
    for number in 0..600 {
        world.request(PAYMENT).on(number % 4).send().respond(200);
        let asked = world.asked(|| world.run(Duration::from_millis(50)));
        written += asked.get("swap").copied().unwrap_or_default();
    }
    // Thirty seconds of steady traffic on four workers.
    assert!((30..=60).contains(&written), "{written} writes");
    let last = world.status().last_success.expect("there was one");
    world.request(PAYMENT).send().respond(200);
    world.run(Duration::from_secs(1));
    let later = world.status().last_success.expect("there was one");
    assert!(later.as_nanos() > last.as_nanos());
    let asked = world.asked(|| world.run(Duration::from_secs(10)));
    assert_eq!(asked.get("swap"), None, "without traffic there is nothing to write");
}

#[test]
fn gauges_agree_with_the_record_once_all_is_at_rest() {
    let world = World::with_workers(2, &json!({}));
    world.fail(2);
    assert_eq!((world.of("state", &[]), world.of("failure_count", &[])), (0, 2));
    world.fail(1);
    assert_eq!((world.of("state", &[]), world.of("failure_count", &[])), (1, 3));
    // What another worker told last need not be what was stored last.
    world.store().put(&key(PAYMENT), closed_record());
    world.tick_all();
    assert_eq!((world.of("state", &[]), world.of("failure_count", &[])), (0, 0));
}
