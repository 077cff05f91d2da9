//! The bulkhead: how many calls may be under way, over all workers.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Call, PAYMENT, World, service};

const CALLS: &str = "edge-breaker/v1/payment-service/calls";

fn config(bulkhead: &Value) -> Value {
    let fields = json!({
        "bulkhead": bulkhead,
        "open": {"wait_duration": "10s", "jitter": 0},
        "fallback": {"cluster": "payment-fallback"}
    });
    json!({"services": [service(PAYMENT, &fields)], "admin": {}})
}

fn limited(calls: u32) -> World {
    World::configured(1, &config(&json!({"max_concurrent_calls": calls})))
}

fn in_flight(world: &World) -> u64 {
    let reply = world.request("localhost").path("/circuit-breaker/services/payment-service").send();
    let shown: Value = serde_json::from_slice(&reply.reply().body).unwrap();
    shown["in_flight"].as_u64().unwrap()
}

fn full(world: &World) -> u64 {
    world.of("not_permitted_total", &["reason=bulkhead"])
}

/// A worker is gone, and with it whatever its calls would have said.
fn crash(world: &World, calls: Vec<Call>, config: &Value) {
    calls.into_iter().for_each(std::mem::forget);
    world.configure(1, config);
}

#[test]
fn a_call_that_gets_no_permit_gets_the_fallback_and_is_no_failure() {
    let world = limited(2);
    let calls = [world.call(), world.call()];
    assert!(calls.iter().all(Call::is_admitted));
    let third = world.call();
    let header = |name: &str| third.diversion().iter().find(|it| it.0 == name).unwrap().1.clone();
    assert_eq!(header("x-circuit-breaker-reason"), "bulkhead");
    assert_eq!(header("x-circuit-breaker-state"), "CLOSED");
    assert_eq!((full(&world), world.of("in_flight", &[])), (1, 2));
    drop(third);
    assert_eq!((world.outcomes(), world.status().failures), ([0, 0, 0, 0], 0));
}

#[test]
fn a_permit_is_released_however_the_call_ends() {
    type End = fn(Call);
    let ends: [(&str, End); 6] = [
        ("a success", |call| drop(call.respond(200))),
        ("a failure", |call| drop(call.respond(503))),
        ("the client gone", Call::abort),
        ("a reset in mid-body", Call::reset_mid_body),
        ("a reply of the proxy", |call| drop(call.respond_by_proxy(429, "rate_limited", &[]))),
        ("a stream that ends without a word", drop),
    ];
    for (how, end) in ends {
        let world = limited(1);
        end(world.call());
        assert_eq!(in_flight(&world), 0, "{how}");
        assert!(world.call().is_admitted(), "{how}");
    }
}

#[test]
fn a_failed_call_holds_its_permit_until_its_stream_ends() {
    let world = limited(1);
    let mut call = world.call();
    call.begin(503);
    assert_eq!(world.calls("failure"), 1, "it is settled");
    assert!(world.call().is_diverted());
    call.over();
    assert!(world.call().is_admitted());
}

/// In HTTP/2 a stream stays for as long as its client leaves its window closed.
#[test]
fn a_client_that_is_slow_to_read_holds_no_permit() {
    let world = limited(1);
    let mut call = world.call();
    call.begin(200);
    assert!(!world.call().is_admitted());
    call.response_body(b"whole", true);
    call.answer_end();
    assert_eq!(world.of("in_flight", &[]), 0);
    assert!(world.call().is_admitted());
}

#[test]
fn a_full_bulkhead_may_reject() {
    let bulkhead = json!({"max_concurrent_calls": 1, "on_full": "reject"});
    let world = World::configured(1, &config(&bulkhead));
    let _call = world.call();
    let reply = world.call().reply();
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &body["fallback_reason"]), (503, &json!("Bulkhead is full")));
    assert_eq!(reply.told(), (None, None));
    assert_eq!((full(&world), world.of("fallback_total", &["kind=response"])), (1, 0));
}

#[test]
fn the_limit_holds_over_all_workers() {
    let world = World::configured(4, &config(&json!({"max_concurrent_calls": 6})));
    let calls: Vec<_> = (0..20).map(|n| world.request(PAYMENT).on(n % 4).send()).collect();
    assert_eq!(calls.iter().filter(|call| call.is_admitted()).count(), 6);
    drop(calls);
    assert_eq!(in_flight(&world), 0);
}

#[test]
fn a_lost_race_for_the_last_permit_is_decided_again() {
    let world = World::configured(2, &config(&json!({"max_concurrent_calls": 1})));
    let other = world.clone();
    world.store().before_next_write(move || {
        let call = other.request(PAYMENT).on(1).send();
        assert!(call.is_admitted());
        std::mem::forget(call);
    });
    assert!(world.call().is_diverted());
    assert_eq!(in_flight(&world), 1);
}

#[test]
fn a_call_that_loses_every_race_gets_no_permit() {
    let world = limited(5);
    world.store().conflict_next(1_000);
    assert!(world.call().is_diverted());
    world.store().conflict_next(0);
    assert_eq!(world.metric("edge_breaker_lost_updates_total"), 1);
    assert_eq!(in_flight(&world), 0);
}

#[test]
fn a_permit_that_could_not_be_released_is_released_with_the_next_call_or_tick() {
    for by_tick in [false, true] {
        let world = limited(2);
        let call = world.call();
        world.store().writes_fail.set(true);
        drop(call.respond(200));
        world.store().writes_fail.set(false);
        assert_eq!(in_flight(&world), 1, "nobody knows yet");
        if by_tick {
            world.tick(0);
            assert_eq!(in_flight(&world), 0);
        }
        let _calls = [world.call(), world.call()];
        assert_eq!((in_flight(&world), full(&world)), (2, 0));
    }
}

#[test]
fn a_store_that_cannot_be_used_lets_calls_pass() {
    for reads in [true, false] {
        let world = limited(2);
        let _call = world.call();
        let fails = if reads { &world.store().reads_fail } else { &world.store().writes_fail };
        fails.set(true);
        world.advance(Duration::from_secs(6));
        let call = world.call();
        assert!(call.is_left_alone() || call.is_admitted());
        assert!(world.metric("cb_reason=.=store;.;edge_breaker_unprotected_total") > 0);
    }
}

#[test]
fn bytes_that_are_no_leases_count_as_none_and_are_reported_and_replaced() {
    let world = limited(1);
    world.store().put(CALLS, b"\x01damage".to_vec());
    let _call = world.call();
    assert_eq!((in_flight(&world), full(&world)), (1, 0));
    assert_eq!(world.metric("edge_breaker_unreadable_records_total"), 1);
    assert_eq!(world.logged("event=unreadable_record").len(), 1);
}

/// How many calls a newer module has under way cannot be told, so the limit is not kept meanwhile.
#[test]
fn a_newer_modules_leases_are_left_alone_while_they_are_written() {
    for newer in [vec![2], vec![255; 8], vec![9; 4_000]] {
        let world = limited(1);
        let held = world.call();
        for _ in 0..12 {
            world.store().put(CALLS, newer.clone());
            world.run(Duration::from_secs(10));
            assert!([world.call(), world.call()].iter().all(Call::is_admitted));
            assert_eq!(world.store().get(CALLS), Some(newer.clone()));
        }
        world.run(Duration::from_millis(19_000));
        assert_eq!(world.store().get(CALLS), Some(newer), "not for 30 s");
        world.run(Duration::from_millis(1_500));
        assert_eq!(in_flight(&world), 1, "and the timer has told of the call under way");
        assert!(!world.call().is_admitted());
        drop(held);
        assert!(world.call().is_admitted());
    }
}

/// A worker that has no call looks as well, so that its first one finds a limit.
#[test]
fn a_newer_modules_leases_are_replaced_though_nobody_calls() {
    let world = limited(1);
    world.store().put(CALLS, vec![2, 2, 2]);
    world.run(Duration::from_secs(31));
    let _held = world.call();
    assert!(!world.call().is_admitted());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Leases that anybody may have written hold no place for longer than a lease may.
    #[test]
    fn no_bytes_hold_a_permit_for_longer_than_a_lease(
        format in prop::sample::select(vec![0_u8, 1, 1, 1]),
        entries in prop::collection::vec(any::<[u8; 24]>(), 0..20),
        until in prop::sample::select(vec![0, 1_001_000_000_000, u64::MAX / 2, u64::MAX]),
    ) {
        let mut bytes = vec![format, 0, 0, 0, 255, 255, 255, 255];
        for mut entry in entries {
            entry[16..].copy_from_slice(&until.to_le_bytes());
            bytes.extend(entry);
        }
        let world = limited(1);
        world.store().put(CALLS, bytes);
        world.run(Duration::from_secs(5));
        prop_assert!(world.call().is_admitted());
    }
}

#[test]
fn workers_are_distinguished_after_their_leases_were_lost() {
    let world = World::configured(2, &config(&json!({"max_concurrent_calls": 3})));
    let on = |worker| world.request(PAYMENT).on(worker).send();
    let mut calls = vec![on(0)];
    world.store().put(CALLS, b"\x01damage".to_vec());
    world.advance(Duration::from_millis(1));
    calls.extend([on(1), on(0)]);
    assert!(calls.iter().all(Call::is_admitted));
    assert_eq!(in_flight(&world), 3);
    assert!(on(0).is_diverted() && on(1).is_diverted());
}

#[test]
fn a_call_that_comes_while_the_calls_are_being_counted_does_not_hide_the_others() {
    let world = World::configured(2, &config(&json!({"max_concurrent_calls": 3})));
    let _first = world.request(PAYMENT).on(1).send();
    let other = world.clone();
    world.store().before_next_read_of(CALLS, move || {
        other.advance(Duration::from_millis(1));
        std::mem::forget(other.request(PAYMENT).on(1).send());
    });
    assert_eq!(in_flight(&world), 2);
}

#[test]
fn a_crashed_workers_permits_return_in_five_seconds() {
    let config = config(&json!({"max_concurrent_calls": 2}));
    let world = World::configured(1, &config);
    let calls = vec![world.call(), world.call()];
    crash(&world, calls, &config);
    world.run(Duration::from_millis(4_900));
    assert!(world.call().is_diverted());
    world.run(Duration::from_millis(200));
    assert!(world.call().is_admitted());
    assert_eq!(world.of("in_flight", &[]), 0);
}

#[test]
fn a_living_workers_permits_are_kept_for_as_long_as_its_calls_take() {
    let world = limited(1);
    let call = world.call();
    world.run(Duration::from_secs(3_600));
    assert!(world.call().is_diverted());
    drop(call.respond(200));
    assert!(world.call().is_admitted());
}

#[test]
fn an_idle_worker_writes_nothing() {
    // With an admin API, whoever keeps the histories would renew its lease.
    let mut config = config(&json!({"max_concurrent_calls": 1}));
    config.as_object_mut().unwrap().remove("admin");
    let world = World::configured(1, &config);
    drop(world.call().respond(200));
    let asked = world.asked(|| world.run(Duration::from_secs(60)));
    assert_eq!(asked.get("swap").copied().unwrap_or_default(), 1, "the last success: {asked:?}");
}

#[test]
fn another_configuration_counts_the_calls_under_way() {
    let world = limited(3);
    let calls = [world.call(), world.call(), world.call()];
    let replaced = world.filters();
    world.configure(1, &config(&json!({"max_concurrent_calls": 2})));
    assert!(world.call().is_diverted());
    drop(calls);
    world.leave(replaced);
    assert!(world.call().is_admitted());
}

#[test]
fn a_trial_that_gets_no_permit_leaves_its_slot_to_the_next() {
    let world = limited(3);
    let hung = [world.call(), world.call()];
    world.trip();
    let replaced = world.filters();
    world.configure(1, &config(&json!({"max_concurrent_calls": 2})));
    world.advance(world.wait());
    // The others are alive, and say so.
    world.tick_replaced(&replaced);
    assert!(world.call().is_diverted());
    assert_eq!((world.state(), world.status().trials_in_flight), ("HALF_OPEN", 0));
    assert_eq!(full(&world), 1);
    drop(hung);
    world.leave(replaced);
    world.call().respond(200);
    assert_eq!(world.state(), "CLOSED");
}

#[test]
fn for_metrics_only_a_full_bulkhead_is_reported_and_diverts_nothing() {
    let mut config = config(&json!({"max_concurrent_calls": 1}));
    config["services"][0]["mode"] = json!("metrics_only");
    let world = World::configured(1, &config);
    let calls = [world.call(), world.call(), world.call()];
    assert!(calls.iter().all(Call::is_admitted));
    assert_eq!((full(&world), in_flight(&world)), (2, 3));
    drop(calls);
    assert_eq!(in_flight(&world), 0);
}

#[test]
fn for_metrics_only_a_call_that_the_breaker_would_have_diverted_is_reported_once() {
    let mut config = config(&json!({"max_concurrent_calls": 1}));
    config["services"][0]["mode"] = json!("metrics_only");
    let world = World::configured(1, &config);
    world.trip();
    let calls = [world.call(), world.call()];
    assert!(calls.iter().all(Call::is_admitted));
    assert_eq!((world.of("not_permitted_total", &["reason=open"]), full(&world)), (2, 0));
    assert_eq!(in_flight(&world), 2);
}

fn partitioned() -> World {
    World::configured(
        1,
        &config(&json!({
            "max_concurrent_calls": 4,
            "partitions": [
                {
                    "name": "batch",
                    "match": {"headers": [{"name": "x-priority", "exact": "batch"}]},
                    "max_concurrent_calls": 1
                },
                {"name": "report", "match": {"path_prefixes": ["/reports"]}, "max_concurrent_calls": 2}
            ]
        })),
    )
}

#[test]
fn a_partition_has_no_more_than_its_share() {
    let world = partitioned();
    let batch = || world.request(PAYMENT).header("x-priority", "batch").send();
    let report = || world.request(PAYMENT).path("/reports/7").send();
    let first = batch();
    assert!(first.is_admitted());
    assert!(batch().is_diverted());
    let reports = [report(), report(), report()];
    assert_eq!(reports.iter().filter(|call| call.is_admitted()).count(), 2);
    assert!(world.call().is_admitted(), "it has a place, which it gives back here");
    drop(first.respond(200));
    assert!(batch().is_admitted());
}

#[test]
fn the_calls_of_partitions_are_among_those_of_the_service() {
    let world = partitioned();
    let _others: Vec<_> = (0..4).map(|_| world.call()).collect();
    let batch = world.request(PAYMENT).header("x-priority", "batch").send();
    assert!(batch.is_diverted());
}

#[test]
fn a_call_belongs_to_the_first_partition_that_it_matches() {
    let world = partitioned();
    let both = || world.request(PAYMENT).path("/reports").header("x-priority", "batch").send();
    let _first = both();
    assert!(both().is_diverted(), "the share of the first is taken");
    assert!(world.request(PAYMENT).path("/reports").send().is_admitted());
}

#[test]
fn a_partition_keeps_its_calls_when_the_order_of_partitions_changes() {
    let world = partitioned();
    let batch = || world.request(PAYMENT).header("x-priority", "batch").send();
    let call = batch();
    let replaced = world.filters();
    world.configure(
        1,
        &config(&json!({
            "max_concurrent_calls": 4,
            "partitions": [
                {"name": "report", "match": {"path_prefixes": ["/reports"]}, "max_concurrent_calls": 1},
                {
                    "name": "batch",
                    "match": {"headers": [{"name": "x-priority", "exact": "batch"}]},
                    "max_concurrent_calls": 1
                }
            ]
        })),
    );
    assert!(batch().is_diverted());
    assert!(world.request(PAYMENT).path("/reports").send().is_admitted());
    drop(call);
    world.leave(replaced);
    assert!(batch().is_admitted());
}

#[test]
fn a_partition_may_be_matched_by_its_cluster() {
    let partition =
        json!({"name": "slow", "match": {"clusters": ["slow-*"]}, "max_concurrent_calls": 1});
    let bulkhead = json!({"max_concurrent_calls": 3, "partitions": [partition]});
    let world = World::configured(1, &config(&bulkhead));
    let to = |cluster: &str| world.request(PAYMENT).cluster(cluster).send();
    let _slow = to("slow-1");
    assert!(to("slow-2").is_diverted());
    assert!(to("fast").is_admitted());
}

#[test]
fn a_service_without_a_bulkhead_has_no_calls_under_way_to_show() {
    let world = World::configured(1, &json!({"services": [{"name": PAYMENT}], "admin": {}}));
    let _call = world.call();
    let path = "/circuit-breaker/services/payment-service";
    let shown = world.request("localhost").path(path).send().reply();
    let shown: Value = serde_json::from_slice(&shown.body).unwrap();
    assert_eq!(shown["in_flight"], Value::Null);
    assert_eq!(world.store().get(CALLS), None);
}

#[test]
fn an_error_in_a_bulkhead_is_reported() {
    let partition = |fields: Value| {
        let mut partition =
            json!({"name": "a", "match": {"hosts": ["a"]}, "max_concurrent_calls": 1});
        for (field, value) in fields.as_object().unwrap() {
            partition[field] = value.clone();
        }
        json!({"max_concurrent_calls": 5, "partitions": [partition]})
    };
    let twice = partition(json!({}))["partitions"][0].clone();
    let many: Vec<_> = (0..17).map(|n| json!({"name": format!("p{n}")})).collect();
    let cases = [
        (json!({}), "max_concurrent_calls: nothing: say how many"),
        (json!({"max_concurrent_calls": 0}), "max_concurrent_calls: 0: give at least 1"),
        (json!({"max_concurrent_calls": 1_000_001}), "max_concurrent_calls: 1000001: give at most"),
        (
            json!({"max_concurrent_calls": 1, "on_full": "wait"}),
            "on_full: unknown variant `wait`, expected `fallback` or `reject`",
        ),
        (
            json!({"max_concurrent_calls": 1, "partitions": many}),
            "partitions: 17 entries: give at most 16",
        ),
        (partition(json!({"name": "a/b"})), "partitions[0].name: \"a/b\": use 1 to 128 letters"),
        (partition(json!({"match": null})), "partitions[0].match: nothing: say which calls"),
        (
            partition(json!({"match": {"hosts": []}})),
            "partitions[0].match.hosts: []: an empty list",
        ),
        (
            partition(json!({"max_concurrent_calls": null})),
            "partitions[0].max_concurrent_calls: nothing: say how many",
        ),
        (
            partition(json!({"max_concurrent_calls": 6})),
            "partitions[0].max_concurrent_calls: 6: give at most the service's own",
        ),
        (
            json!({"max_concurrent_calls": 5, "partitions": [twice, twice]}),
            "partitions[1].name: \"a\": give each partition a name of its own",
        ),
    ];
    for (bulkhead, expected) in cases {
        let config = json!({"services": [{"name": "a", "bulkhead": bulkhead}]}).to_string();
        let refusal = filter::Config::parse(config.as_bytes()).unwrap_err().to_string();
        assert!(refusal.starts_with(&format!("services[0].bulkhead.{expected}")), "{refusal}");
    }
}

#[test]
fn a_bulkhead_of_the_defaults_is_every_services_and_its_fields_are_merged() {
    let world = World::configured(
        1,
        &json!({
            "defaults": {"bulkhead": {"max_concurrent_calls": 1, "on_full": "reject"}},
            "services": [
                service(PAYMENT, &json!({})),
                service("inventory-service", &json!({"bulkhead": {"max_concurrent_calls": 2}}))
            ]
        }),
    );
    let _payment = world.call();
    assert_eq!(world.call().reply().status, 503);
    let inventory = || world.request("inventory-service").send();
    let _calls = [inventory(), inventory()];
    assert_eq!(inventory().reply().status, 503, "rejected");
}

/// What happens next, to one of three workers.
#[derive(Clone, Debug)]
enum Step {
    Begin(usize),
    End(usize),
    Crash(usize),
    Wait(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_usize).prop_map(Step::Begin),
        4 => any::<usize>().prop_map(Step::End),
        1 => (0..3_usize).prop_map(Step::Crash),
        2 => (1..3_000_u64).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
    ]
}

/// Another worker stands in for this one, which is gone.
fn restart(world: &World, worker: usize, config: &Value) {
    let mut filters = world.filters();
    world.configure(filters.len(), config);
    filters[worker] = world.filters()[worker].clone();
    world.leave(filters);
}

proptest! {
    /// Against a list of the calls under way: whatever the order, never one too many, and never one
    /// turned away while there is a place. Only the calls of a worker that has crashed may hold
    /// theirs when they are over, for no more than five seconds.
    #[test]
    fn as_many_calls_are_under_way_as_may_be(
        limit in 1..6_usize,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let config = config(&json!({"max_concurrent_calls": limit}));
        let world = World::configured(3, &config);
        let mut calls: Vec<(usize, Call)> = Vec::new();
        let mut lost: Vec<Duration> = Vec::new();
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Begin(worker) => {
                    let call = world.request(PAYMENT).on(worker).send();
                    if call.is_admitted() {
                        prop_assert!(calls.len() < limit);
                        calls.push((worker, call));
                    } else {
                        prop_assert!(calls.len() + lost.len() >= limit);
                    }
                }
                Step::End(which) if !calls.is_empty() => {
                    let (_, call) = calls.swap_remove(which % calls.len());
                    call.respond(200);
                }
                Step::End(_) => {}
                Step::Crash(crashed) => {
                    for (_, call) in calls.extract_if(.., |(worker, _)| *worker == crashed) {
                        std::mem::forget(call);
                        lost.push(now + Duration::from_secs(5));
                    }
                    restart(&world, crashed, &config);
                }
                Step::Wait(time) => {
                    world.run(time);
                    now += time;
                    lost.retain(|until| now < *until);
                }
            }
            let possible = calls.len() as u64..=(calls.len() + lost.len()) as u64;
            prop_assert!(possible.contains(&in_flight(&world)), "{possible:?}");
            prop_assert!(possible.contains(&world.of("in_flight", &[])), "shown: {possible:?}");
        }
    }
}

#[test]
fn each_worker_takes_the_next_number() {
    let world = World::configured(2, &config(&json!({"max_concurrent_calls": 5})));
    let _calls = [world.call(), world.request(PAYMENT).on(1).send()];
    let leases = world.store().get(CALLS).unwrap();
    let number = |at: usize| u32::from_le_bytes(leases[at..at + 4].try_into().unwrap());
    let (last, first, second) = (number(4), number(8), number(32));
    assert_eq!((second, last), (first.wrapping_add(1), second));
}
