//! Client-named services: apart from all others, and evicting each other.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::World;

const SLOTS: &str = "edge-breaker/v1/names/slots/{host}";
const SERIES: &str = "edge-breaker/v1/names/series";

/// A service with a name that is made of any host.
fn of_hosts(fields: &Value) -> Value {
    let mut service = json!({"name": "{host}", "match": {"hosts": ["*"]}});
    for (field, value) in fields.as_object().unwrap() {
        service[field] = value.clone();
    }
    service
}

fn config(max_services: usize, fields: &Value) -> Value {
    json!({"services": [of_hosts(fields)], "max_services": max_services})
}

fn bounded(workers: usize, max_services: usize) -> World {
    World::configured(workers, &config(max_services, &json!({})))
}

/// What a worker shows: names and states.
fn shown_by(world: &World, worker: usize) -> Vec<(String, &'static str)> {
    let filter = world.filters()[worker].clone();
    let status = world.host(|host| filter.status(host)).unwrap();
    status.into_iter().map(|it| (it.service_name, it.state.name())).collect()
}

fn shown(world: &World) -> Vec<(String, &'static str)> {
    shown_by(world, 0)
}

fn names(world: &World) -> Vec<String> {
    shown(world).into_iter().map(|(name, _)| name).collect()
}

fn state_of(world: &World, name: &str) -> Option<&'static str> {
    shown(world).into_iter().find(|(shown, _)| shown == name).map(|(_, state)| state)
}

fn fail(world: &World, host: &str) {
    for _ in 0..3 {
        world.request(host).send().respond(503);
    }
}

fn good(world: &World, host: &str) {
    world.request(host).send().respond(200);
}

fn calls(world: &World, service: &str, outcome: &str) -> u64 {
    let labels = format!("cb_service=.={service};.;cb_outcome=.={outcome};.;");
    world.metric(&format!("{labels}edge_breaker_calls_total"))
}

// === Apart

/// Row 17 and its kind: who may name a host opens no breaker but that of this host.
#[test]
fn a_host_that_is_named_as_another_service_has_a_breaker_of_its_own() {
    for (other, host, shown_as) in [
        ("payment", "payment", "host=payment"),
        ("payment", "PAYMENT:8443", "host=payment"),
        ("pay.ment", "pay_ment", "host=pay_ment"),
        ("pay_ment", "pay.ment", "host=pay.ment"),
        ("a~b", "a~b", "host=a~b"),
    ] {
        let plain = json!({"name": other, "match": {"path_prefixes": ["/plain"]}});
        let world = World::configured(1, &json!({"services": [plain, of_hosts(&json!({}))]}));
        fail(&world, host);
        assert_eq!(state_of(&world, shown_as), Some("OPEN"), "{host}");
        assert_eq!(state_of(&world, other), Some("CLOSED"), "{host}");
        let plain = world.request("any").path("/plain").send();
        assert!(plain.is_admitted(), "{host}");
        plain.respond(200);
        let metric = other.replace('.', "_");
        assert_eq!((calls(&world, &metric, "failure"), calls(&world, &metric, "success")), (0, 1));
        assert_eq!(calls(&world, "{host}", "failure"), 3);
    }
}

#[test]
fn a_host_is_never_what_a_cluster_or_a_route_is_named() {
    for other in ["{cluster}", "{route}", "{cluster}-{route}"] {
        let proxys = json!({"name": other, "match": {"path_prefixes": ["/plain"]}});
        let world = World::configured(1, &json!({"services": [proxys, of_hosts(&json!({}))]}));
        let plain =
            || world.request("any").path("/plain").cluster("payment").route("payment").send();
        plain().respond(503);
        let name = names(&world).remove(0);
        // Before it and after it is there.
        fail(&world, &name);
        fail(&world, "unheard");
        assert_eq!(state_of(&world, &name), Some("CLOSED"), "{other}");
        assert!(plain().is_admitted());
        let apart = other == "{cluster}-{route}";
        let unheard = if apart { "unheard" } else { "host=unheard" };
        assert_eq!(state_of(&world, &format!("host={name}")), Some("OPEN"), "{other}");
        assert_eq!(state_of(&world, unheard), Some("OPEN"), "{other}");
    }
}

#[test]
fn hosts_under_two_templates_are_two() {
    let api = json!({"name": "api-{host}", "match": {"hosts": ["*"], "path_prefixes": ["/api"]}});
    let world = World::configured(1, &json!({"services": [api, of_hosts(&json!({}))]}));
    world.request("x").path("/api").send().respond(503);
    fail(&world, "api-x");
    fail(&world, "y");
    let all = shown(&world);
    let all: Vec<_> = all.iter().map(|(name, state)| (name.as_str(), *state)).collect();
    assert_eq!(all, [("api-host=api-x", "CLOSED"), ("host=api-x", "OPEN"), ("y", "OPEN")]);
}

/// Plugins of one proxy share the store, and what they configure does not know of each other.
#[test]
fn a_host_shares_no_record_with_a_service_of_another_configuration() {
    let world = bounded(1, 10);
    let hosts = world.filters();
    world.configure(1, &json!({"services": [{"name": "payment"}]}));
    let plain = world.filters();
    world.leave(hosts);
    fail(&world, "payment");
    assert_eq!(state_of(&world, "payment"), Some("OPEN"));
    world.leave(plain);
    assert_eq!(state_of(&world, "payment"), Some("CLOSED"));
}

#[test]
fn a_name_of_hosts_says_which_are_meant() {
    let parse = |service: &Value| {
        let config = json!({"services": [service]}).to_string();
        filter::Config::parse(config.as_bytes()).map_err(|error| error.to_string())
    };
    for name in ["{host}", "x-{host}", "{cluster}-{host}"] {
        for matches in [json!(null), json!({}), json!({"path_prefixes": ["/"]})] {
            let refused = parse(&json!({"name": name, "match": matches})).unwrap_err();
            let says = format!("services[0].name: {name:?}: clients choose the host: say in");
            assert!(refused.starts_with(&says), "{refused}");
        }
        for hosts in [json!(["*"]), json!(["*.shop.example"]), json!(["a.example"])] {
            assert!(parse(&json!({"name": name, "match": {"hosts": hosts}})).is_ok());
        }
    }
    assert!(parse(&json!({"name": "{cluster}"})).is_ok());
    let pair = json!([
        of_hosts(&json!({"name": "{host}-cluster"})),
        of_hosts(&json!({"name": "{host}-{cluster}"}))
    ]);
    let config = json!({"services": pair}).to_string();
    let refused = filter::Config::parse(config.as_bytes()).unwrap_err().to_string();
    assert!(
        refused.contains("services[1].name") && refused.contains("without braces"),
        "{refused}"
    );
}

#[test]
fn any_host_is_any_but_none() {
    let world = World::configured(1, &json!({"services": [of_hosts(&json!({"name": "all"}))]}));
    for host in ["a", "A.example:80", "[::1]"] {
        assert!(world.request(host).send().is_admitted(), "{host}");
    }
    assert!(world.request("a").without(":authority").send().is_left_alone());
}

// === Room

/// Row 18. Honest hosts are heard of every hundred made-up ones, no clock moves a tick, and one of
/// them is open all the while.
#[test]
fn honest_hosts_keep_breakers_and_state_whatever_hosts_clients_invent() {
    const HONEST: [&str; 4] = ["a.shop", "b.shop", "c.shop", "open.shop"];
    let world = World::configured(2, &config(64, &json!({"open": {"wait_duration": "24h"}})));
    for round in 0..10 {
        for host in &HONEST[..3] {
            world.request(host).on(round % 2).send().respond(200);
        }
    }
    world.request("a.shop").send().respond(503);
    fail(&world, "open.shop");
    for _ in 0..5 {
        assert_eq!(world.request("open.shop").send().reply().status, 503);
    }
    let before: Vec<_> = HONEST.iter().map(|host| state_of(&world, host)).collect();
    assert_eq!(before, [Some("CLOSED"), Some("CLOSED"), Some("CLOSED"), Some("OPEN")]);
    let honest = |worker: usize| {
        for host in &HONEST[1..3] {
            assert!(world.request(host).on(worker).send().is_admitted());
        }
        assert_eq!(world.request("open.shop").on(worker).send().reply().status, 503);
    };
    for number in 0..100_000_usize {
        let call = world.request(&format!("h{number}.example")).on(number % 2).send();
        assert!(call.is_admitted(), "{number}");
        call.respond(if number % 3 == 0 { 503 } else { 200 });
        if number % 100 == 0 {
            honest(number % 2);
        }
    }
    for number in 0..10_000_usize {
        for _ in 0..3 {
            world.request(&format!("i{number}.example")).on(number % 2).send().respond(503);
        }
    }
    honest(0);
    let after: Vec<_> = HONEST.iter().map(|host| state_of(&world, host)).collect();
    assert_eq!(after, before);
    // The failure that it had is remembered, and two more open it.
    world.request("a.shop").send().respond(503);
    world.request("a.shop").on(1).send().respond(503);
    assert_eq!(world.request("a.shop").send().reply().status, 503);
    // A host that comes now is guarded.
    fail(&world, "late.shop");
    assert_eq!(world.request("late.shop").send().reply().status, 503);
    assert_eq!(world.metric("cb_reason=.=max_services;.;edge_breaker_unprotected_total"), 0);
    assert_eq!(world.metric("cb_reason=.=store;.;edge_breaker_unprotected_total"), 0);
    assert_eq!(world.metric("edge_breaker_lost_updates_total"), 0);
}

#[test]
fn the_number_of_keys_and_metrics_is_bounded_whatever_hosts_clients_invent() {
    let stale = json!({"stale": {"max_entries": 2, "max_response_bytes": 100}});
    let fields = json!({"bulkhead": {"max_concurrent_calls": 5}, "fallback": stale});
    let world = World::configured(1, &config(8, &fields));
    for number in 0..2_000 {
        // Every tenth comes again and again.
        for _ in 0..(if number % 10 == 0 { 6 } else { 1 }) {
            let mut call = world.request(&format!("h{number}")).send();
            call.begin(200);
            call.response_body(b"x", true);
            drop(call);
        }
        if number % 100 == 0 {
            world.tick_all();
        }
    }
    let keys = world.store().keys();
    let beside = [SLOTS, SERIES, "edge-breaker/v1/events/list"];
    let slots: Vec<_> = keys.iter().filter(|key| !beside.contains(&key.as_str())).collect();
    assert!(slots.iter().all(|key| key.starts_with(SLOTS)), "{slots:?}");
    // The record, the calls, the number of answers and two of these.
    assert!(slots.len() <= 8 * 5, "{slots:?}");
    let counted: BTreeSet<_> = world
        .metric_names()
        .into_iter()
        .filter_map(|name| {
            Some(name.split_once("cb_service=.=")?.1.split_once(";.;")?.0.to_owned())
        })
        .collect();
    let of_slots = counted.iter().filter(|name| name.starts_with('{') && *name != "{host}");
    assert!(of_slots.count() <= 8, "{counted:?}");
    assert!(counted.iter().filter(|name| name.starts_with('h')).count() <= 8, "{counted:?}");
    assert!(world.undefined_metrics().is_empty(), "{:?}", world.undefined_metrics());
}

#[test]
fn a_new_name_costs_as_many_host_calls_however_many_came_before() {
    let world = bounded(1, 64);
    let mut asked = Vec::new();
    for number in 1..=10_000 {
        let questions = world.asked(|| {
            world.request(&format!("h{number}")).send().respond(200);
        });
        if [10, 1_000, 10_000].contains(&number) {
            asked.push(questions);
        }
    }
    let sums: Vec<usize> = asked.iter().map(|it| it.values().sum()).collect();
    assert!(sums[1] <= sums[0] && sums[2] <= sums[0], "{asked:?}");
    assert_eq!(asked[2]["load"], 3, "{asked:?}");
    assert_eq!(asked[2]["swap"], 2, "{asked:?}");
}

#[test]
fn a_name_that_is_known_costs_what_a_plain_one_does() {
    let world = bounded(1, 64);
    let plain = World::configured(1, &json!({"services": [{"name": "payment"}]}));
    let call = |world: &World| drop(world.request("payment").send().respond(200));
    for world in [&world, &plain] {
        (0..20).for_each(|_| call(world));
        world.tick_all();
    }
    assert_eq!(world.asked(|| call(&world)), plain.asked(|| call(&plain)));
}

#[test]
fn a_name_that_has_made_room_is_shown_no_more_on_any_worker() {
    let world = World::configured(2, &config(2, &json!({})));
    for host in ["a", "b", "c"] {
        world.request(host).send().respond(200);
    }
    world.tick_all();
    for worker in 0..3 {
        let names: Vec<_> = shown_by(&world, worker).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["c", "b"], "{worker}");
    }
}

#[test]
fn the_admin_api_shows_what_there_is_now() {
    let mut config = config(1, &json!({}));
    config["admin"] = json!({});
    let world = World::configured(1, &config);
    let get = |path: &str| {
        let path = format!("/circuit-breaker/services{path}");
        world.request("localhost").path(&path).send().reply().clone()
    };
    world.request("a").send().respond(200);
    assert_eq!(get("/a").status, 200);
    let shown: Value = serde_json::from_slice(&get("/a").body).unwrap();
    assert_eq!((&shown["service_name"], &shown["calls"]), (&json!("a"), &json!(null)));
    world.request("b").send().respond(200);
    assert_eq!((get("/a").status, get("/b").status), (404, 200));
    let all: Value = serde_json::from_slice(&get("").body).unwrap();
    assert_eq!(all["services"].as_array().unwrap().len(), 1);
    for _ in 0..5 {
        world.request("b").send().respond(200);
    }
    let shown: Value = serde_json::from_slice(&get("/b").body).unwrap();
    // Those before it came again and again are counted with others'.
    assert_eq!(shown["calls"]["success"], 3, "{shown}");
}

#[test]
fn names_have_metrics_of_their_own_once_they_came_again_and_again() {
    let world = bounded(2, 8);
    for _ in 0..3 {
        world.request("a.b").send().respond(503);
    }
    assert_eq!((calls(&world, "{host}", "failure"), calls(&world, "a_b", "failure")), (3, 0));
    assert_eq!(world.metric("cb_service=.={host};.;edge_breaker_state"), 0);
    world.request("a.b").send();
    world.tick_all();
    assert_eq!(world.metric("cb_service=.=a_b;.;edge_breaker_state"), 1);
    let diverted = "cb_service=.=a_b;.;cb_reason=.=open;.;edge_breaker_not_permitted_total";
    assert_eq!(world.metric(diverted), 1);
    world.request("a.b").on(1).send();
    assert_eq!(world.metric(diverted), 2);
    // When it has made room, its gauges show nothing any more.
    world.advance(Duration::from_secs(24 * 60 * 60));
    (0..20).for_each(|n| good(&world, &format!("h{n}")));
    world.tick_all();
    assert_eq!(world.metric("cb_service=.=a_b;.;edge_breaker_state"), 0);
    assert_eq!(world.metric(diverted), 2);
}

#[test]
fn a_name_that_comes_back_has_its_metrics_again() {
    let world = bounded(1, 1);
    for _ in 0..3 {
        for host in ["a", "b"] {
            (0..5).for_each(|_| good(&world, host));
        }
    }
    // One may have metrics of its own: the first that came so often.
    assert_eq!((calls(&world, "a", "success"), calls(&world, "b", "success")), (6, 0));
    assert_eq!(world.store().get(SERIES).unwrap(), b"\x01\x01a");
}

// === What is under way

/// The worker itself, or another one, gave the slot away.
#[test]
fn a_call_of_a_name_that_has_made_room_changes_nothing() {
    for worker in [0, 1] {
        let world = bounded(2, 1);
        let calls: Vec<_> = (0..5).map(|_| world.request("a").send()).collect();
        world.request("b").on(worker).send().respond(200);
        calls.into_iter().for_each(|call| drop(call.respond(503)));
        world.tick_all();
        assert_eq!(shown(&world), [("b".to_owned(), "CLOSED")]);
        let record = world.store().get(&format!("{SLOTS}/0")).unwrap();
        assert!(record.windows(2).any(|part| part == b"\x01b"));
        assert_eq!(world.logged("event=lost_update").len(), 0);
        assert_eq!(world.metric("edge_breaker_lost_updates_total"), 0);
        fail(&world, "b");
        assert_eq!(state_of(&world, "b"), Some("OPEN"));
    }
}

#[test]
fn a_worker_that_remembers_a_name_that_has_made_room_asks_again() {
    let world = bounded(2, 1);
    for _ in 0..3 {
        world.request("a").send().respond(200);
    }
    world.request("b").on(1).send().respond(200);
    // Here `a` is remembered as closed. It comes back, and its slot is `a`'s again, and new.
    fail(&world, "a");
    world.request("b").on(1).send().respond(200);
    assert!(world.request("a").send().is_admitted());
    world.request("a").on(1).send().respond(503);
    world.request("a").on(1).send().respond(503);
    world.request("a").on(1).send().respond(503);
    assert_eq!(world.request("a").send().reply().status, 503, "no worker sends it a call");
}

#[test]
fn places_of_a_bulkhead_are_those_of_the_name_that_has_the_slot() {
    let world = World::configured(1, &config(1, &json!({"bulkhead": {"max_concurrent_calls": 1}})));
    let a = world.request("a").send();
    assert!(a.is_admitted());
    let b = world.request("b").send();
    assert!(b.is_admitted(), "another's calls are no concern of it");
    assert_eq!(world.request("b").send().reply().status, 503);
    a.respond(200);
    assert_eq!(world.request("b").send().reply().status, 503, "its place is taken still");
    b.respond(200);
    assert!(world.request("b").send().is_admitted());
}

/// Whoever had the slot before, even the same name: it may have had other answers then.
#[test]
fn an_answer_that_was_kept_before_a_name_made_room_is_given_no_more() {
    let stale = json!({"stale": {"max_entries": 1, "max_response_bytes": 100}});
    let world = World::configured(1, &config(1, &json!({"fallback": stale})));
    let keep = || {
        let mut call = world.request("a").send();
        call.begin(200);
        call.response_body(b"good", true);
    };
    keep();
    fail(&world, "a");
    assert_eq!(world.request("a").send().reply().status, 200, "it is kept");
    good(&world, "b");
    fail(&world, "a");
    assert_eq!(world.request("a").send().reply().status, 503);
    good(&world, "b");
    keep();
    fail(&world, "a");
    assert_eq!(world.request("a").send().reply().status, 200, "a new one is");
}

#[test]
fn a_health_check_of_a_name_that_has_made_room_says_nothing_of_another() {
    let check = json!({"cluster": "health", "path": "/", "then": "close"});
    let config = config(1, &json!({"health_check": check, "open": {"wait_duration": "1s"}}));
    let world = World::configured(1, &config);
    fail(&world, "a");
    world.until_next_check();
    let check = world.take_check();
    fail(&world, "b");
    assert_eq!(shown(&world), [("b".to_owned(), "OPEN")]);
    world.put_check(check);
    world.answer_check(200);
    assert_eq!(shown(&world), [("b".to_owned(), "OPEN")]);
    world.until_next_check();
    world.answer_check(200);
    assert_eq!(shown(&world), [("b".to_owned(), "CLOSED")]);
}

#[test]
fn events_that_could_not_be_written_are_when_their_name_makes_room() {
    const EVENTS: &str = "edge-breaker/v1/events/list";
    let world = bounded(1, 1);
    world.store().fail_writes_to(Some(EVENTS));
    fail(&world, "a");
    world.store().fail_writes_to(None);
    world.request("b").send().respond(200);
    let events = world.store().get(EVENTS).unwrap();
    assert!(events.windows(2).any(|part| part == b"\x01a"), "{events:?}");
}

// === Workers, crashes, configurations

#[test]
fn a_name_that_one_worker_registers_is_known_to_all_by_their_next_tick() {
    let check = json!({"health_check": {"cluster": "health", "path": "/"}});
    let world = World::configured(2, &config(8, &check));
    for _ in 0..3 {
        world.request("a").on(1).send().respond(503);
    }
    assert!(names(&world).is_empty(), "the first worker has not ticked");
    assert_eq!(world.request("a").send().reply().status, 503, "but it meets it");
    world.tick(2);
    assert_eq!(shown_by(&world, 2), [("a".to_owned(), "OPEN")]);
    assert_eq!(world.pending_checks(), 1, "and makes the check");
}

#[test]
fn workers_that_meet_names_at_once_agree() {
    for (one, other) in [("a", "b"), ("a", "a")] {
        for max_services in [1, 2] {
            let world = bounded(2, max_services);
            let second = world.clone();
            // Right before the directory is written, or the slot.
            for earlier in 0..3 {
                let interrupted = second.clone();
                (0..earlier).for_each(|_| world.store().before_next_write(|| ()));
                world.store().before_next_write(move || {
                    interrupted.request(other).on(1).send().respond(503);
                });
                world.request(one).on(0).send().respond(503);
                world.store().forget_interruptions();
            }
            world.tick_all();
            let all: Vec<_> = (0..3).map(|worker| shown_by(&world, worker)).collect();
            assert!(all.iter().all(|it| *it == all[0]), "{one} {other} {max_services}: {all:?}");
            let distinct: BTreeSet<_> = all[0].iter().map(|(name, _)| name).collect();
            assert_eq!(distinct.len(), all[0].len(), "one breaker a name: {all:?}");
            fail(&world, other);
            let diverted = world.request(other).on(1).send();
            assert_eq!(diverted.reply().status, 503, "{one} {other} {max_services}");
        }
    }
}

#[test]
fn a_name_is_registered_though_its_worker_was_lost_before_it_wrote_the_slot() {
    let world = bounded(2, 2);
    world.store().fail_writes_to(Some("edge-breaker/v1/names/slots/{host}/0"));
    assert!(world.request("a").send().is_left_alone());
    world.store().fail_writes_to(None);
    world.tick_all();
    assert!(names(&world).is_empty());
    for _ in 0..3 {
        world.request("a").on(1).send().respond(503);
    }
    world.tick_all();
    assert_eq!(shown(&world), [("a".to_owned(), "OPEN")]);
    assert_eq!(shown_by(&world, 1), [("a".to_owned(), "OPEN")]);
}

#[test]
fn names_and_their_state_survive_a_change_of_the_configuration() {
    let world = bounded(1, 4);
    fail(&world, "a");
    for max_services in [4, 8, 1] {
        world.configure(1, &config(max_services, &json!({"open": {"wait_duration": "1m"}})));
        assert_eq!(shown(&world), [("a".to_owned(), "OPEN")], "{max_services}");
    }
    // Another template is another's.
    let service = of_hosts(&json!({"name": "x-{host}"}));
    world.configure(1, &json!({"services": [service], "max_services": 4}));
    assert!(names(&world).is_empty());
    fail(&world, "a");
    world.configure(1, &config(4, &json!({})));
    assert_eq!(shown(&world), [("a".to_owned(), "OPEN")]);
}

/// A version before had these names in the list of those of clusters, and their records beside others'.
#[test]
fn names_of_a_version_before_keep_their_state() {
    let world = World::configured(1, &json!({"services": [{"name": "{cluster}"}]}));
    for cluster in ["open.example", "well.example"] {
        world.request("any").cluster(cluster).send().respond(200);
    }
    for _ in 0..3 {
        world.request("any").cluster("open.example").send().respond(503);
    }
    let list = b"\x01\x06{host}\x0copen.example\x09{cluster}\x01c\x06{host}\x0cwell.example";
    world.store().put("edge-breaker/v1/names/list", list.to_vec());
    world.configure(2, &config(4, &json!({})));
    let all = [("open.example".to_owned(), "OPEN"), ("well.example".to_owned(), "CLOSED")];
    for worker in 0..3 {
        assert_eq!(shown_by(&world, worker), all);
    }
    // Once: what has made room since does not come back.
    world.configure(1, &config(1, &json!({})));
    world.request("new").send().respond(200);
    world.configure(1, &config(1, &json!({})));
    assert_eq!(names(&world), ["new"]);
}

/// Those who may send what one service takes push nobody out of another's.
#[test]
fn each_template_has_room_of_its_own() {
    let api = json!({"name": "api-{host}", "match": {"hosts": ["*"], "path_prefixes": ["/api"]}});
    let services = json!([api, of_hosts(&json!({}))]);
    let world = World::configured(2, &json!({"services": services, "max_services": 2}));
    let api = |host: &str| world.request(host).path("/api").send();
    for _ in 0..3 {
        api("a").respond(503);
    }
    (0..500).for_each(|n| good(&world, &format!("h{n}")));
    world.tick_all();
    assert_eq!(api("a").reply().status, 503, "open still");
    assert_eq!(names(&world).len(), 3);
}

#[test]
fn a_lower_bound_is_the_bound_and_a_higher_one_has_more_room() {
    let world = bounded(1, 2);
    ["a", "b", "c"].iter().for_each(|host| good(&world, host));
    assert_eq!(names(&world), ["c", "b"]);
    world.configure(1, &config(3, &json!({})));
    world.request("d").send().respond(200);
    assert_eq!(names(&world), ["c", "b", "d"]);
    world.configure(1, &config(1, &json!({})));
    assert_eq!(names(&world).len(), 1);
    world.request("e").send().respond(200);
    assert_eq!(names(&world), ["e"]);
}

#[test]
fn two_configurations_of_different_templates_leave_each_other_s_names_alone() {
    let world = bounded(1, 4);
    let first = world.filters();
    fail(&world, "a");
    let service = of_hosts(&json!({"name": "x-{host}"}));
    world.configure(1, &json!({"services": [service], "max_services": 4}));
    world.tick_replaced(&first);
    world.request("a").send().respond(200);
    world.tick_all();
    assert_eq!(shown(&world), [("x-a".to_owned(), "CLOSED")]);
    world.leave(first);
    world.tick_all();
    assert_eq!(shown(&world), [("a".to_owned(), "OPEN")]);
}

#[test]
fn a_damaged_directory_is_logged_counted_and_repaired() {
    for damaged in [&b"\x01garbage"[..], b"", &[0; 500]] {
        let world = bounded(1, 4);
        fail(&world, "a");
        world.store().put(SLOTS, damaged.to_vec());
        world.request("b").send().respond(200);
        assert_eq!(world.metric("edge_breaker_unreadable_records_total"), 1);
        assert_eq!(world.logged("event=unreadable_record problem=\"names\"").len(), 1);
        world.tick_all();
        assert_eq!(world.metric("edge_breaker_unreadable_records_total"), 1);
        for worker in 0..2 {
            let all = shown_by(&world, worker);
            assert_eq!(all, [("a".to_owned(), "OPEN"), ("b".to_owned(), "CLOSED")], "{worker}");
        }
    }
}

#[test]
fn a_newer_directory_is_left_as_it_is() {
    let world = bounded(1, 4);
    world.store().put(SLOTS, b"\x02new".to_vec());
    assert!(world.request("b").send().is_left_alone());
    world.tick_all();
    assert_eq!(world.metric("cb_reason=.=store;.;edge_breaker_unprotected_total"), 1);
    assert_eq!(world.store().get(SLOTS).unwrap(), b"\x02new");
}

/// Bytes of a newer format: nobody writes them any more, or somebody does.
#[test]
fn newer_bytes_of_names_make_way_after_thirty_seconds_without_a_write() {
    for key in [SLOTS.to_owned(), format!("{SLOTS}/0")] {
        let world = bounded(1, 1);
        world.store().put(&key, b"\x02new".to_vec());
        for _ in 0..4 {
            assert!(world.request("b").send().is_left_alone(), "{key}");
            world.store().put(&key, b"\x02new".to_vec());
            world.advance_millis(20_000);
        }
        assert!(world.request("b").send().is_left_alone(), "{key}");
        world.advance_millis(29_999);
        assert!(world.request("b").send().is_left_alone(), "{key}");
        world.advance_millis(1);
        assert!(world.request("b").send().is_admitted(), "{key}");
    }
}

#[test]
fn a_newer_list_of_series_makes_way_after_thirty_seconds_without_a_write() {
    let world = bounded(1, 1);
    let key = "edge-breaker/v1/names/series";
    world.store().put(key, b"\x02new".to_vec());
    let calls = || (0..8).for_each(|_| drop(world.request("b").send().respond(200)));
    calls();
    assert_eq!(world.store().get(key).unwrap(), b"\x02new");
    world.advance_millis(30_000);
    calls();
    world.tick_all();
    assert_eq!(world.store().get(key).unwrap(), b"\x01\x01b");
}

#[test]
fn damaged_slots_are_new_breakers_and_do_no_harm() {
    let whole = {
        let world = bounded(1, 2);
        fail(&world, "a");
        world.store().get(&format!("{SLOTS}/0")).unwrap()
    };
    for at in 0..whole.len() {
        let world = bounded(1, 2);
        fail(&world, "a");
        let key = format!("{SLOTS}/0");
        let mut damaged = world.store().get(&key).unwrap();
        damaged[at] ^= 0xff;
        world.store().put(&key, damaged);
        world.tick_all();
        let call = world.request("a").send();
        drop(call);
        for host in ["a", "b"] {
            fail(&world, host);
        }
        world.tick_all();
        let state = state_of(&world, "b");
        assert_eq!(state, Some("OPEN"), "at {at}: {:?}", shown(&world));
    }
}

#[test]
fn a_store_that_cannot_be_used_lets_new_hosts_pass_and_is_reported() {
    let world = bounded(1, 4);
    world.store().reads_fail.set(true);
    assert!(world.request("a").send().is_left_alone());
    world.tick_all();
    world.store().reads_fail.set(false);
    world.store().writes_fail.set(true);
    assert!(world.request("a").send().is_left_alone());
    world.store().writes_fail.set(false);
    assert!(world.request("a").send().is_admitted());
    assert_eq!(world.metric("cb_reason=.=store;.;edge_breaker_unprotected_total"), 2);
}

#[test]
fn proxies_without_gauges_guard_names_all_the_same() {
    use crate::world::Gauges;
    for gauges in [Gauges::None, Gauges::Dropped] {
        let world = World::with_gauges(gauges, 2, &config(1, &json!({})));
        for host in ["a", "b", "a", "b"] {
            for _ in 0..3 {
                world.request(host).send().respond(503);
            }
            assert_eq!(world.request(host).on(1).send().reply().status, 503, "{gauges:?}");
        }
    }
}

/// However many workers see it once each.
#[test]
fn calls_of_a_name_on_many_workers_are_counted_together() {
    let world = bounded(4, 4);
    for worker in 0..4 {
        world.request("a").on(worker).send().respond(503);
    }
    (0..100).for_each(|n| good(&world, &format!("h{n}")));
    assert_eq!(world.request("a").on(1).send().reply().status, 503);
}
