//! Names that are made of what is known of a request, and their bound.

use serde_json::{Value, json};

use crate::world::World;

const LIST: &str = "edge-breaker/v1/names/list";
const BEYOND: &str = "cb_reason=.=max_services;.;edge_breaker_unprotected_total";
const UNNAMED: &str = "cb_reason=.=unnamed;.;edge_breaker_unprotected_total";

fn named(name: &str) -> World {
    let service = json!({"name": name, "match": {"hosts": ["*"]}});
    World::configured(1, &json!({"services": [service]}))
}

fn of_clusters(max_services: usize) -> Value {
    json!({"services": [{"name": "{cluster}"}], "max_services": max_services})
}

fn bounded(workers: usize, max_services: usize) -> World {
    World::configured(workers, &of_clusters(max_services))
}

/// The names that a worker shows.
fn shown(world: &World) -> Vec<String> {
    let filter = world.filters()[0].clone();
    let status = world.host(|host| filter.status(host)).unwrap();
    status.into_iter().map(|status| status.service_name).collect()
}

fn fail(world: &World, cluster: &str, calls: usize) {
    for _ in 0..calls {
        world.request("any").cluster(cluster).send().respond(503);
    }
}

#[test]
fn each_cluster_has_a_breaker_of_its_own_where_nothing_is_configured() {
    for config in
        [json!({}), json!({"services": null}), json!({"services": [{"name": "{cluster}"}]})]
    {
        let world = World::configured(1, &config);
        fail(&world, "payment", 3);
        let call = world.request("any").cluster("payment").send();
        assert_eq!(call.reply().status, 503, "it is open");
        assert!(world.request("any").cluster("inventory").send().is_admitted());
        assert_eq!(world.status_of("payment").state.name(), "OPEN");
        assert_eq!(world.status_of("inventory").failures, 0);
        assert_eq!(shown(&world), ["payment", "inventory"]);
    }
}

#[test]
fn a_name_is_made_of_host_cluster_and_route() {
    let world = named("v1-{host}.{cluster}-{route}");
    let request = world.request("Pay.Example:8443").cluster("outbound|80||pay").route("r/1");
    assert!(request.send().is_admitted());
    assert_eq!(shown(&world), ["v1-pay.example.outbound|80||pay-r_1"]);
}

#[test]
fn hosts_that_differ_in_case_port_and_the_dot_of_the_root_are_one() {
    let world = named("{host}");
    for host in ["pay.example", "PAY.example:80", "pay.Example.:8443"] {
        world.request(host).send().respond(503);
    }
    for host in ["pay.example", "pay.example.", "pay.example:"] {
        assert_eq!(world.request(host).send().reply().status, 503, "{host}: it is open");
    }
    assert_eq!(shown(&world), ["pay.example"]);
    assert!(world.request("[::1]:80").send().is_admitted());
    assert_eq!(shown(&world), ["pay.example", "[::1]"]);
}

#[test]
fn a_request_that_lacks_a_part_of_its_name_is_left_alone_and_counted() {
    let world = named("{cluster}-{route}");
    assert!(world.request("any").cluster("c").send().is_left_alone());
    assert!(world.request("any").cluster("c").route("").send().is_left_alone());
    assert!(world.request("any").route("r").send().is_left_alone());
    assert_eq!(world.metric(UNNAMED), 3);
    let steered = world.request("any").cluster("c").route("r");
    assert!(steered.header("x-circuit-breaker-cluster", "c").send().is_left_alone());
    assert_eq!(world.metric(UNNAMED), 4);
    assert!(world.request("any").cluster("c").route("r").send().is_admitted());
    assert_eq!((world.metric(UNNAMED), world.metric(BEYOND)), (4, 0));
}

/// Row 21 of the table: a key for each thing that a client can think of.
#[test]
fn exactly_as_many_names_as_allowed_are_guarded_over_all_workers() {
    let world = bounded(4, 10);
    let mut guarded = 0;
    for number in 0..40_usize {
        let cluster = format!("c{}", number / 2);
        let call = world.request("any").cluster(&cluster).on(number % 4).send();
        guarded += usize::from(call.is_admitted());
        call.respond(200);
    }
    assert_eq!((guarded, world.metric(BEYOND)), (20, 20));
    // Whoever was first is guarded still, on every worker.
    for worker in 0..4 {
        assert!(world.request("any").cluster("c9").on(worker).send().is_admitted(), "{worker}");
        assert!(world.request("any").cluster("c10").on(worker).send().is_left_alone(), "{worker}");
    }
    let records = world.store().keys().len();
    assert_eq!(records, 11, "ten breakers and the list");
    assert!(world.undefined_metrics().is_empty(), "{:?}", world.undefined_metrics());
}

#[test]
fn a_name_beyond_the_bound_is_logged_once_between_two_ticks_and_asks_for_its_cluster_only() {
    let world = bounded(1, 1);
    let call = |cluster: &str| drop(world.request("any").cluster(cluster).send().respond(200));
    call("a");
    call("b");
    let asked = world.asked(|| (0..5).for_each(|_| call("c")));
    assert_eq!((asked.values().sum::<usize>(), asked["property"]), (5, 5), "{asked:?}");
    assert_eq!(world.logged("event=left_alone reason=max_services max_services=1").len(), 1);
    world.tick(0);
    call("d");
    assert_eq!(world.logged("event=left_alone").len(), 2);
}

#[test]
fn a_name_that_one_worker_registers_is_known_to_all_by_their_next_tick() {
    let config = json!({"defaults": {"health_check": {"cluster": "health", "path": "/"}}});
    let world = World::configured(2, &config);
    for _ in 0..3 {
        world.request("any").cluster("payment").on(1).send().respond(503);
    }
    assert!(shown(&world).is_empty(), "the first worker has not ticked");
    world.tick(0);
    assert_eq!(shown(&world), ["payment"]);
    assert_eq!(world.pending_checks(), 1, "and it makes the check");
}

#[test]
fn two_workers_that_meet_names_at_once_agree() {
    let world = bounded(2, 2);
    let other = world.clone();
    world.store().before_next_write(move || {
        assert!(other.request("any").cluster("b").on(1).send().is_admitted());
    });
    assert!(world.request("any").cluster("a").on(0).send().is_admitted());
    world.store().forget_interruptions();
    assert_eq!(shown(&world), ["b", "a"]);
    assert!(world.request("any").cluster("c").on(1).send().is_left_alone());
}

#[test]
fn names_and_their_state_survive_a_change_of_the_configuration() {
    let world = World::configured(1, &json!({}));
    fail(&world, "payment", 3);
    world.configure(1, &json!({"defaults": {"open": {"wait_duration": "1m"}}}));
    assert_eq!(shown(&world), ["payment"]);
    assert_eq!(world.status_of("payment").state.name(), "OPEN");
    // Another template is another's.
    world.configure(1, &json!({"services": [{"name": "x-{cluster}"}]}));
    assert!(shown(&world).is_empty());
}

#[test]
fn names_beyond_a_lower_bound_are_left_alone() {
    let world = bounded(1, 3);
    for cluster in ["a", "b", "c"] {
        assert!(world.request("any").cluster(cluster).send().is_admitted());
    }
    world.configure(1, &of_clusters(2));
    assert!(world.request("any").cluster("b").send().is_admitted());
    assert!(world.request("any").cluster("c").send().is_left_alone());
    assert_eq!(world.metric(BEYOND), 1);
}

#[test]
fn a_dynamic_service_named_like_a_service_is_that_service() {
    let services = json!([{"name": "payment", "match": {"hosts": ["pay"]}}, {"name": "{cluster}"}]);
    let world = World::configured(1, &json!({"services": services}));
    fail(&world, "payment", 3);
    assert_eq!(world.request("pay").send().reply().status, 503);
    assert_eq!(shown(&world), ["payment"]);
    assert_eq!(world.store().get(LIST), None);
}

#[test]
fn a_damaged_list_is_logged_counted_and_repaired() {
    let world = bounded(1, 10);
    assert!(world.request("any").cluster("a").send().is_admitted());
    world.store().put(LIST, b"\x01garbage".to_vec());
    assert!(world.request("any").cluster("b").send().is_admitted());
    assert_eq!(world.metric("edge_breaker_unreadable_records_total"), 1);
    assert_eq!(world.logged("event=unreadable_record problem=\"names\"").len(), 1);
    world.tick_all();
    assert_eq!(world.metric("edge_breaker_unreadable_records_total"), 1);
    assert_eq!(world.store().get(LIST).unwrap(), b"\x01\x09{cluster}\x01a\x09{cluster}\x01b");
    assert_eq!(shown(&world), ["a", "b"]);
}

#[test]
fn a_newer_list_is_left_as_it_is() {
    let world = bounded(1, 10);
    world.store().put(LIST, b"\x02new".to_vec());
    assert!(world.request("any").cluster("b").send().is_left_alone());
    assert_eq!(world.metric("cb_reason=.=store;.;edge_breaker_unprotected_total"), 1);
    assert_eq!(world.store().get(LIST).unwrap(), b"\x02new");
}

#[test]
fn a_newer_list_makes_way_after_thirty_seconds_without_a_write() {
    let world = World::configured(1, &json!({}));
    world.store().put(LIST, b"\x02new".to_vec());
    for _ in 0..3 {
        assert!(world.request("any").cluster("b").send().is_left_alone());
        world.store().put(LIST, b"\x02new".to_vec());
        world.advance_millis(20_000);
    }
    assert!(world.request("any").cluster("b").send().is_left_alone());
    world.advance_millis(30_000);
    assert!(world.request("any").cluster("b").send().is_admitted());
}

#[test]
fn a_name_that_is_known_costs_one_question_for_each_part() {
    let world = World::configured(1, &json!({}));
    let plain = World::configured(1, &json!({"services": [{"name": "payment"}]}));
    let call = |world: &World| drop(world.request("any").cluster("payment").send().respond(200));
    call(&world);
    call(&plain);
    let (made, fixed) = (world.asked(|| call(&world)), plain.asked(|| call(&plain)));
    let sum = |asked: &std::collections::BTreeMap<&str, usize>| asked.values().sum::<usize>();
    assert_eq!(sum(&made), sum(&fixed) + 1, "{made:?} {fixed:?}");
}

#[test]
fn plain_names_never_ask_for_the_list() {
    let plain = World::configured(1, &json!({"services": [{"name": "payment"}]}));
    assert_eq!(plain.store().keys(), ["edge-breaker/v1/payment"]);
    let loads = |world: &World| world.asked(|| world.tick(0)).get("load").copied();
    assert_eq!(loads(&plain), Some(1));
    assert_eq!(loads(&World::configured(1, &json!({}))), Some(1), "the list");
}

#[test]
fn max_services_has_bounds() {
    let refusal = |max: Value| {
        let config = json!({"max_services": max}).to_string();
        filter::Config::parse(config.as_bytes()).unwrap_err().to_string()
    };
    assert_eq!(refusal(json!(0)), "max_services: 0: give 1 to 4096");
    assert_eq!(refusal(json!(4097)), "max_services: 4097: give 1 to 4096");
    assert!(refusal(json!("9")).starts_with("max_services: "));
}
