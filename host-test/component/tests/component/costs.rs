//! How often each path goes to the store: a host with a slow one has to know.

use std::time::Duration;

use host_test_component::field;
use host_test_component::types::{
    Command, Ending, Origin, RequestVerdict, ResponseHead, ResponseVerdict, State,
};
use serde_json::{Value, json};

use crate::world::{SERVICE, World, config, get, head, instance};

const PAGE: &str = include_str!("../../../../docs/component.md");
const HEAD: &str = "| path | loads | swaps |\n| --- | ---: | ---: |\n";

/// What each path took: loads, then swaps.
#[derive(Default)]
struct Bill(Vec<(&'static str, usize, usize)>);

impl Bill {
    /// What the world's store was asked since this was last called.
    fn add(&mut self, path: &'static str, world: &World) {
        let (loads, swaps) = world.shared.take_store_calls();
        self.0.push((path, loads, swaps));
    }
}

#[test]
fn each_path_goes_to_the_store_as_often_as_the_page_says() {
    let mut bill = Bill::default();
    configurations(&mut bill);
    calls(&mut bill);
    recovery(&mut bill);
    operators(&mut bill);
    bulkhead(&mut bill);
    stale(&mut bill);
    let rows =
        bill.0.iter().map(|(path, loads, swaps)| format!("| {path} | {loads} | {swaps} |\n"));
    let table = HEAD.to_owned() + &rows.collect::<String>();
    assert!(PAGE.contains(&format!("{table}\n")), "the page has another table than\n{table}");
}

fn fresh(fields: &Value) -> World {
    let world = World::one(fields);
    let _ = world.shared.take_store_calls();
    world
}

fn configurations(bill: &mut Bill) {
    let mut world = World::one(&json!({}));
    bill.add("`configure`, with one service that is new to the store", &world);
    let mut second = instance(&world.shared);
    second.configure(&config(&json!({}))).unwrap().unwrap();
    bill.add("`configure`, with one that is there", &world);
    world.workers.push(second);
    world.tick_all();
    let _ = world.shared.take_store_calls();
}

fn calls(bill: &mut Bill) {
    let mut world = fresh(&json!({}));
    world.call(0, 200);
    bill.add("a good call", &world);
    world.call(0, 503);
    bill.add("a failed call", &world);
    world.call(0, 200);
    bill.add("the good call after it", &world);
    world.call(0, 503);
    world.call(0, 503);
    let _ = world.shared.take_store_calls();
    world.call(0, 503);
    bill.add("the failed call that opens the breaker", &world);
    assert!(matches!(world.request(0).verdict, RequestVerdict::Reply(_)));
    bill.add("a request while it is open", &world);
    let mut others = instance(&world.shared);
    others.configure(&config(&json!({"match": {"hosts": ["others"]}}))).unwrap().unwrap();
    let _ = world.shared.take_store_calls();
    assert_eq!(others.request(&get("/")).unwrap().call, None);
    bill.add("a request that matches no service", &world);
    world.workers[0].tick().unwrap();
    bill.add("a tick", &world);
}

fn recovery(bill: &mut Bill) {
    let mut world = fresh(&json!({
        "half_open": {"permitted_calls": 1},
        "health_check": {"cluster": "payment", "path": "/health"},
    }));
    world.trip();
    let _ = world.shared.take_store_calls();
    world.shared.advance(Duration::from_secs(60));
    let (worker, errand) = world.tick_all().remove(0);
    bill.add("a tick that takes a health check", &world);
    world.workers[worker].reported(errand.id, Some(200)).unwrap();
    bill.add("a health check that is passed", &world);
    assert_eq!(world.state(), State::HalfOpen);
    let _ = world.shared.take_store_calls();
    world.call(0, 200);
    bill.add("a trial that closes the breaker", &world);
    assert_eq!(world.state(), State::Closed);
}

fn operators(bill: &mut Bill) {
    let mut world = fresh(&json!({}));
    world.workers[0].status().unwrap().unwrap();
    bill.add("`status`, for each service", &world);
    world.workers[0].steer(SERVICE, Command::ForceOpen).unwrap().unwrap();
    bill.add("`steer`", &world);
}

fn bulkhead(bill: &mut Bill) {
    let mut world = fresh(&json!({"bulkhead": {"max_concurrent_calls": 10}}));
    world.call(0, 200);
    let _ = world.shared.take_store_calls();
    world.call(0, 200);
    bill.add("with a bulkhead: a good call", &world);
}

fn stale(bill: &mut Bill) {
    let mut world = fresh(&json!({"fallback": {"stale": {}}}));
    let keep = |world: &mut World| {
        let guard = &mut world.workers[0];
        let call = guard.request(&get("/a")).unwrap().call.unwrap();
        let answer = ResponseHead {
            fields: vec![field("cache-control", "public, max-age=60")],
            ..head(200)
        };
        assert!(matches!(guard.respond(call, &answer).unwrap(), ResponseVerdict::Pass(_)));
        guard.response_body(call, b"kept", true).unwrap();
        guard.finish(call, &Ending { origin: Origin::Service, trailers: vec![] }).unwrap();
    };
    world.call(0, 200);
    let _ = world.shared.take_store_calls();
    keep(&mut world);
    bill.add("with `fallback.stale`: a good call whose answer is kept", &world);
    world.trip();
    let _ = world.shared.take_store_calls();
    let verdict = world.workers[0].request(&get("/a")).unwrap().verdict;
    assert!(matches!(verdict, RequestVerdict::Reply(reply) if reply.body == b"kept"));
    bill.add("with `fallback.stale`: a request that is given it", &world);
}
