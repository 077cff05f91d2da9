//! What is taken as it is written, and said to be hardly meant so.

use std::time::{Duration, Instant};

use filter::Config;
use serde_json::{Value, json};

use crate::world::{PAYMENT, World, service};

const EVENT: &str = "event=doubtful_configuration";

fn said(world: &World) -> Vec<String> {
    world.logged(EVENT)
}

/// What is said of a configuration, without the event.
fn warnings(config: &Value) -> Vec<String> {
    let world = World::configured(1, config);
    let lines = said(&world);
    lines.iter().map(|line| line.split_once(" path=").unwrap().1.to_owned()).collect()
}

fn of_trip(trip: &Value) -> Vec<String> {
    warnings(&json!({"services": [service(PAYMENT, &json!({ "trip": trip }))]}))
}

/// What is said of services with these matches, each named by its number.
fn of_matches(matches: &[Value]) -> Vec<String> {
    let services = matches.iter().enumerate();
    let services: Vec<_> =
        services.map(|(number, it)| json!({"name": format!("s{number}"), "match": it})).collect();
    warnings(&json!({ "services": services }))
}

/// Asserts that the last of these services is never reached, because of the one of this number.
fn assert_late(matches: &[Value], early: usize) {
    let late = matches.len() - 1;
    let told = of_matches(matches);
    assert_eq!(told.len(), 1, "{matches:?}: {told:?}");
    let start = format!("services[{late}].name value=\"s{late}\" remedy=\"never reached: ");
    assert!(told[0].starts_with(&start), "{}", told[0]);
    assert!(told[0].contains(&format!("belongs to s{early}, services[{early}],")), "{}", told[0]);
}

// === Rates

#[test]
fn a_rate_below_a_percent_is_warned_of() {
    assert_eq!(
        of_trip(&json!({"failure_rate_threshold": 0.5})),
        [
            "services[0].trip.failure_rate_threshold value=0.5 remedy=\"that is half a percent, 1 call \
          of 200: if 50 percent are meant, give 50\""
        ]
    );
    assert_eq!(
        of_trip(&json!({
            "consecutive_failures": 5, "slow_call_rate_threshold": 0.8,
            "slow_call_duration_threshold": "2s"
        })),
        [
            "services[0].trip.slow_call_rate_threshold value=0.8 remedy=\"that is 0.8 percent, 1 call \
          of 125: if 80 percent are meant, give 80\""
        ]
    );
    let both = json!({
        "failure_rate_threshold": 0.25, "slow_call_rate_threshold": 0.999,
        "slow_call_duration_threshold": "2s"
    });
    assert_eq!(of_trip(&both).len(), 2);
}

#[test]
fn a_rate_from_a_percent_on_is_not_warned_of() {
    for rate in [json!(1), json!(1.0), json!(1.5), json!(50), json!(100)] {
        assert_eq!(of_trip(&json!({ "failure_rate_threshold": rate })), [""; 0], "{rate}");
    }
}

#[test]
fn a_rate_of_the_defaults_is_warned_of_once_and_there() {
    let config = json!({
        "defaults": {"trip": {"failure_rate_threshold": 0.5}},
        "services": [
            {"name": "a", "match": {"hosts": ["a"]}}, {"name": "b", "match": {"hosts": ["b"]}},
            {"name": "c", "match": {"hosts": ["c"]}, "trip": {"consecutive_failures": 3}}
        ]
    });
    let told = warnings(&config);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("defaults.trip.failure_rate_threshold value=0.5 "), "{told:?}");
}

#[test]
fn a_rate_that_is_warned_of_is_the_rate_all_the_same() {
    let trip = json!({"failure_rate_threshold": 0.5, "minimum_number_of_calls": 1});
    let world =
        World::configured(1, &json!({"services": [service(PAYMENT, &json!({ "trip": trip }))]}));
    world.fail(1);
    assert_eq!(world.state(), "OPEN");
}

#[test]
fn a_rate_that_trips_on_what_the_adaptive_rule_tolerates_is_warned_of() {
    let trip = |rate, tolerate| {
        of_trip(&json!({"failure_rate_threshold": rate, "adaptive": {"tolerate": tolerate}}))
    };
    assert_eq!(trip(10, 10), [""; 0]);
    assert_eq!(
        trip(10, 12),
        ["services[0].trip.adaptive.tolerate value=12 remedy=\"trip.failure_rate_threshold opens \
             the breaker at 10 percent, which the adaptive rule takes for no outage: leave one of \
             them out, or tolerate less\""]
    );
}

// === Order

#[test]
fn a_service_behind_one_that_matches_everything_is_never_reached() {
    assert_late(&[json!({}), json!({"hosts": ["a"], "path_prefixes": ["/pay"]})], 0);
    assert_late(&[json!({}), json!({})], 0);
    assert_late(&[json!({"hosts": ["*"]}), json!({"path_prefixes": ["/pay"]})], 0);
}

#[test]
fn a_service_behind_one_that_matches_all_of_its_requests_is_never_reached() {
    let pairs = [
        (json!({"hosts": ["a", "b"]}), json!({"hosts": ["b"]})),
        (json!({"hosts": ["b"]}), json!({"hosts": ["b:8443"]})),
        (json!({"hosts": ["*.b"]}), json!({"hosts": ["A.B", "*.a.b."]})),
        (json!({"hosts": ["*.b:80"]}), json!({"hosts": ["a.b:80"]})),
        (json!({"path_prefixes": ["/"]}), json!({"path_prefixes": ["/pay", "/refund"]})),
        (
            json!({"path_prefixes": ["/pay"]}),
            json!({"path_prefixes": ["/payments"], "hosts": ["a"]}),
        ),
        (json!({"methods": ["GET", "HEAD"]}), json!({"methods": ["HEAD"]})),
        (json!({"clusters": ["pay*"]}), json!({"clusters": ["payment", "pay*-v2"]})),
        (
            json!({"headers": [{"name": "x", "present": true}]}),
            json!({"headers": [{"name": "X", "exact": "1"}, {"name": "x", "prefix": "2"}]}),
        ),
        (
            json!({"headers": [{"name": "x", "prefix": "go"}]}),
            json!({"headers": [{"name": "x", "exact": "gold"}], "methods": ["GET"]}),
        ),
        (
            json!({"hosts": ["a"], "methods": ["GET"]}),
            json!({"hosts": ["a"], "methods": ["GET"], "path_prefixes": ["/x"]}),
        ),
    ];
    for (early, late) in pairs {
        assert_late(&[json!({"hosts": ["other"]}), early, late], 1);
    }
}

#[test]
fn a_service_that_any_request_can_reach_is_not_warned_of() {
    let pairs = [
        (json!({"hosts": ["a"]}), json!({})),
        (json!({"path_prefixes": ["/"]}), json!({})),
        (json!({"clusters": ["*"]}), json!({})),
        (json!({"hosts": ["a"]}), json!({"hosts": ["a", "b"]})),
        (json!({"hosts": ["a:80"]}), json!({"hosts": ["a"]})),
        (json!({"hosts": ["*:80"]}), json!({"path_prefixes": ["/"]})),
        (json!({"hosts": ["*.b"]}), json!({"hosts": ["b"]})),
        (json!({"hosts": ["*.a.b"]}), json!({"hosts": ["*.b"]})),
        (json!({"path_prefixes": ["/pay/"]}), json!({"path_prefixes": ["/pay"]})),
        (json!({"methods": ["GET"]}), json!({"methods": ["GET", "HEAD"]})),
        (json!({"methods": ["GET"]}), json!({"hosts": ["a"]})),
        (json!({"hosts": ["a"], "methods": ["GET"]}), json!({"hosts": ["a"]})),
        (json!({"clusters": ["pay*x"]}), json!({"clusters": ["pay*"]})),
        (json!({"clusters": ["pay"]}), json!({"clusters": ["pa*"]})),
        (
            json!({"headers": [{"name": "x", "present": false}]}),
            json!({"headers": [{"name": "x", "exact": "1"}]}),
        ),
        (
            json!({"headers": [{"name": "x", "exact": "1"}]}),
            json!({"headers": [{"name": "x", "prefix": "1"}]}),
        ),
        (
            json!({"headers": [{"name": "y", "exact": "1"}]}),
            json!({"headers": [{"name": "x", "exact": "1"}]}),
        ),
    ];
    for (early, late) in pairs {
        assert_eq!(of_matches(&[early.clone(), late.clone()]), [""; 0], "{early} {late}");
    }
}

#[test]
fn the_first_earlier_service_is_named_and_each_unreachable_one_is_warned_of() {
    let told =
        of_matches(&[json!({"hosts": ["a"]}), json!({}), json!({"hosts": ["a"]}), json!({})]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("services[2]") && told[0].contains("s0, services[0]"), "{told:?}");
    assert!(told[1].starts_with("services[3]") && told[1].contains("s1, services[1]"), "{told:?}");
}

/// As the listener of the admin API has them, which no calls come to.
#[test]
fn services_beside_an_admin_api_without_calls_of_their_own_are_there_to_be_shown() {
    let of = |one: Value, other: Value| json!([{"name": "a", "match": one}, {"name": "b", "match": other}]);
    let told = |services: &Value, admin: Value| {
        warnings(&json!({"services": services, "admin": admin})).len()
    };
    let plain = of(json!({}), json!({}));
    let answered = of(json!({"path_prefixes": ["/ops"]}), json!({"path_prefixes": ["/ops/x"]}));
    let others = of(json!({}), json!({"path_prefixes": ["/ops", "/pay"]}));
    let ops = || json!({"token": "s3cret", "path_prefix": "/ops"});
    assert_eq!((told(&plain, ops()), told(&plain, Value::Null)), (0, 1));
    assert_eq!((told(&answered, ops()), told(&answered, json!({"token": "s3cret"}))), (0, 1));
    assert_eq!(told(&others, ops()), 1);
}

#[test]
fn a_partition_behind_one_that_has_all_of_its_calls_is_warned_of_too() {
    let config = json!({"services": [{"name": "a", "bulkhead": {
        "max_concurrent_calls": 10,
        "partitions": [
            {"name": "reads", "match": {"methods": ["GET"]}, "max_concurrent_calls": 5},
            {"name": "batch", "match": {"methods": ["GET"], "hosts": ["b"]}, "max_concurrent_calls": 2}
        ]
    }}]});
    let told = warnings(&config);
    assert_eq!(told.len(), 1, "{told:?}");
    let start = "services[0].bulkhead.partitions[1].name value=\"batch\" remedy=\"never reached: ";
    assert!(told[0].starts_with(start), "{told:?}");
    assert!(told[0].contains("reads, services[0].bulkhead.partitions[0],"), "{told:?}");
}

#[test]
fn a_thousand_services_with_long_lists_are_looked_through_in_bounded_time() {
    let hosts: Vec<_> = (0..200).map(|number| format!("h{number}.example")).collect();
    let services: Vec<_> = (0..1024)
        .map(|number| {
            let prefix = format!("/{number}/");
            json!({"name": format!("s{number}"), "match": {"hosts": hosts, "path_prefixes": [prefix]}})
        })
        .collect();
    let begun = Instant::now();
    Config::parse(json!({ "services": services }).to_string().as_bytes()).unwrap();
    // Pair by pair, these would be twenty thousand million comparisons.
    assert!(begun.elapsed() < Duration::from_secs(60));
}

// === Saying it

#[test]
fn a_warning_is_logged_once_for_all_workers_and_again_when_there_is_another() {
    let config = |rate: f64| json!({"services": [service(PAYMENT, &json!({"trip": {"failure_rate_threshold": rate}}))]});
    let world = World::configured(4, &config(0.5));
    assert_eq!(said(&world).len(), 1, "four workers and the main thread");
    world.configure(4, &config(0.5));
    assert_eq!(said(&world).len(), 1, "nothing new");
    world.configure(4, &config(0.25));
    assert_eq!(said(&world).len(), 2);
    world.configure(4, &config(50.0));
    world.configure(4, &config(0.5));
    assert_eq!(said(&world).len(), 2, "it was said before");
}

#[test]
fn a_configuration_without_warnings_costs_no_look_at_the_store() {
    let world = World::configured(1, &json!({"services": [{"name": PAYMENT}]}));
    assert_eq!(said(&world).len(), 0);
    let warned_of = json!({"services": [{"name": "a"}, {"name": "b"}]});
    let fine = json!({"services": [{"name": "a", "match": {"hosts": ["a"]}}, {"name": "b"}]});
    let reads = |config: &Value| {
        let asked = world.asked(|| world.configure(1, config));
        asked.get("load").copied().unwrap_or_default()
    };
    world.configure(1, &fine);
    assert_eq!(reads(&warned_of), reads(&fine) + 2, "one each");
}
