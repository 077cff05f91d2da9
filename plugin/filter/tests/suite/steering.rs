//! A client cannot steer: the filter's own request headers are removed before anything reads
//! them.

use filter::RequestAction;
use serde_json::json;

use crate::world::{PAYMENT, World, recipe};

const OWN: [&str; 4] = [
    "x-circuit-breaker-cluster",
    "x-circuit-breaker-service",
    "x-circuit-breaker-state",
    "x-circuit-breaker-reason",
];

#[test]
fn a_clients_copies_are_removed_and_the_call_goes_on() {
    let world = World::with(&json!({}));
    for name in OWN {
        let call = world.request(PAYMENT).header(name, "payment-fallback").send();
        assert_eq!(call.removed(), [name]);
        assert!(call.is_admitted());
    }
}

#[test]
fn each_of_the_filters_headers_is_removed_once_however_often_it_is_sent() {
    let world = World::with(&json!({}));
    let mut request = world.request(PAYMENT);
    for _ in 0..50 {
        for name in OWN {
            request = request.header(name, [0xff, 0x00]);
        }
    }
    let mut removed = request.send().removed();
    removed.sort_unstable();
    let mut own = OWN;
    own.sort_unstable();
    assert_eq!(removed, own);
}

#[test]
fn the_filters_headers_are_removed_from_requests_that_match_no_service() {
    let world = World::with(&json!({}));
    let call = world.request("another").header(OWN[0], "payment-fallback").send();
    assert!(call.is_left_alone());
    assert_eq!(call.removed(), [OWN[0]]);
}

#[test]
fn the_filters_headers_are_removed_from_requests_to_the_admin_api() {
    let config = json!({"services": [{"name": PAYMENT}], "admin": {}});
    let world = World::configured(1, &config);
    let request = world.request("localhost").path("/circuit-breaker/services");
    let call = request.header(OWN[0], "payment-fallback").send();
    assert_eq!(call.removed(), [OWN[0]]);
    assert!(matches!(call.verdict.action, RequestAction::Reply(_)));
}

#[test]
fn a_diverted_request_carries_the_filters_values_alone() {
    let world = World::with(&recipe());
    world.trip();
    let call = world.request(PAYMENT).header(OWN[0], "mine").header(OWN[2], "CLOSED").send();
    assert_eq!(call.removed(), [OWN[0], OWN[2]]);
    assert_eq!(call.diversion()[0], (OWN[0], "payment-fallback".to_owned()));
}

#[test]
fn a_header_that_only_begins_like_one_of_the_filters_is_left_alone() {
    let world = World::with(&json!({}));
    let call = world.request(PAYMENT).header("x-circuit-breaker-cluster-2", "a").send();
    assert!(call.removed().is_empty());
}

/// The proxy chose the route by the client's header, so its cluster says nothing of where the
/// request will go once the header is gone.
#[test]
fn a_cluster_chosen_by_the_client_is_not_matched_and_is_counted_as_unprotected() {
    let config = json!({"services": [{"name": PAYMENT, "match": {"clusters": ["payment*"]}}]});
    let world = World::configured(1, &config);
    assert!(world.request("any").cluster("payment").send().is_admitted());
    let steered = world.request("any").cluster("payment").header(OWN[0], "payment").send();
    assert!(steered.is_left_alone());
    assert_eq!(world.metric("cb_reason=.=client_header;.;edge_breaker_unprotected_total"), 1);
}

#[test]
fn a_match_that_asks_for_no_cluster_protects_steered_requests_too() {
    let world = World::with(&json!({}));
    world.trip();
    let steered = world.request(PAYMENT).header(OWN[0], "payment").send();
    assert!(!steered.is_left_alone() && !steered.is_admitted());
    assert_eq!(world.metric("cb_reason=.=client_header;.;edge_breaker_unprotected_total"), 0);
}
