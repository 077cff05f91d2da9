//! The recipe's trace, row by row, on the configuration that people copy, as in Envoy.

use services::trace::{BODY, PATH, Row, SERVICE, Seen, TRACE, who_answered};
use services::{Ports, Services};

use super::{Proxy, Service, background, eventually};
use crate::support::repository;

/// The recipe's file, with ports that are free, and with shorter waits.
fn recipe(services: &Services) -> String {
    let file = repository().join("envoy/recipe.yaml");
    let mut text = std::fs::read_to_string(file).unwrap();
    let mut change = |old: &str, new: &str| {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    };
    change("port_value: 10000", "port_value: 0");
    change("port_value: 10001", "port_value: 0");
    for (port, address) in
        [(8081, services.downstream()), (8082, services.fallback()), (8083, services.health())]
    {
        change(&format!("port_value: {port}"), &format!("port_value: {}", address.port()));
    }
    change("base_interval: 1s, max_interval: 2s", "base_interval: 0.1s, max_interval: 0.2s");
    change("\"interval\": \"5s\"", "\"interval\": \"1s\"");
    change("\"interval\": \"2s\"", "\"interval\": \"200ms\"");
    text
}

#[test]
fn the_trace_of_the_recipe_is_the_same_row_by_row_with_one_and_with_four_workers() {
    std::thread::scope(|scope| {
        for workers in ["1", "4"] {
            scope.spawn(|| follow(workers));
        }
    });
}

fn follow(workers: &str) {
    let runtime = background();
    let services = runtime.block_on(Services::start(Ports::default())).unwrap();
    let service = services.service(SERVICE);
    let proxy = Proxy::start_with(&recipe(&services), &[], &["--workers", workers]);
    let mut before = "CLOSED";
    for (index, row) in TRACE.iter().enumerate() {
        row.prepare(&service);
        if before == "OPEN" && row.seen.state == "CLOSED" {
            eventually("a health check closes the breaker", || {
                proxy.breaker(SERVICE).0 == "CLOSED"
            });
        }
        before = row.seen.state;
        let calls = service.calls();
        let (status, head, body) = proxy.post(PATH, BODY);
        let calls = service.calls() - calls;
        let (state, failures) = proxy.breaker(SERVICE);
        let header =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let answered_by = who_answered(status, header, &serde_json::from_str(&body).unwrap());
        let (number, Row { service, health, seen: expected }) = (index + 1, row);
        let place = format!("row {number}, {workers} workers, service {service}, health {health}");
        let answered_by = answered_by.unwrap_or_else(|error| panic!("{place}: {error}"));
        let seen = Seen { answered_by, calls, state: &state, failures };
        assert_eq!(seen, *expected, "{place}: {head}");
        assert_eq!(header("x-circuit-breaker-state"), Some(expected.state), "{place}: {head}");
    }
    assert_eq!(proxy.breaker("inventory-service"), ("CLOSED".to_owned(), 0));
}

#[test]
fn an_address_on_the_command_line_replaces_the_one_of_the_file() {
    let runtime = background();
    let services = runtime.block_on(Services::start(Ports::default())).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::start(&recipe(&services), &[("payment", nobody), ("fallback", nobody)]);
    let (status, ..) = proxy.post(PATH, BODY);
    assert_eq!(status, 503);
}

#[test]
fn a_call_that_is_made_again_is_made_with_all_of_its_body() {
    let runtime = background();
    let services = runtime.block_on(Services::start(Ports::default())).unwrap();
    let payment = Service::start("payment");
    payment.gate.forget_permits(1_000_000);
    payment.set_status(503);
    let proxy = Proxy::start(&recipe(&services), &[("payment", payment.address)]);
    let (status, _, body) = std::thread::scope(|scope| {
        let client = scope.spawn(|| proxy.post(PATH, BODY));
        eventually("it is asked", || payment.calls() == 1);
        payment.gate.add_permits(1);
        eventually("it is asked again", || payment.calls() == 2);
        payment.set_status(200);
        payment.gate.add_permits(1);
        client.join().unwrap()
    });
    assert_eq!((status, body), (200, format!("payment:{BODY}")));
    assert_eq!(proxy.breaker(SERVICE), ("CLOSED".to_owned(), 0), "what counts is how it ended");
}
