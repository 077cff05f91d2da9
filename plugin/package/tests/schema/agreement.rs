//! Whole configurations: what the filter takes, the schema takes; and it refuses common mistakes.

use serde_json::{Value, json};

use crate::{refused, refused_by_filter, written};

#[test]
fn every_configuration_in_the_repository_that_the_filter_takes_is_valid() {
    let all = written::all();
    assert!(all.len() > 100, "{}", all.len());
    let places = [
        "README.md",
        "configuration.md",
        "breakerctl.md",
        "recipe.yaml",
        "istio/gateway.yaml",
        "istio/trafficextension.yaml",
        "envoy-gateway/gateway.yaml",
        "scenarios/a-",
    ];
    for place in places {
        assert!(all.iter().any(|(found, _)| found.contains(place)), "none of {place}");
    }
    for (place, config) in all {
        if let Some(why) = refused(&config) {
            assert!(refused_by_filter(&config).is_some(), "{place}\n{why}");
        }
    }
}

#[test]
fn an_empty_configuration_is_valid() {
    assert_eq!(refused(&json!({})), None);
}

fn service(fields: Value) -> Value {
    let mut service = fields;
    service["name"] = json!("payment-service");
    json!({ "services": [service] })
}

#[test]
fn common_mistakes_are_refused() {
    let mistakes = [
        // Misspelt, or at another place.
        json!({ "service": [] }),
        json!({ "$schema": "edge-breaker.schema.json" }),
        service(json!({ "trips": {} })),
        service(json!({ "trip": { "consecutive_failure": 3 } })),
        service(json!({ "trip": { "consecutiveFailures": 3 } })),
        service(json!({ "health_check": { "interval_ms": 5 } })),
        service(json!({ "cluster": "payment" })),
        // The wrong unit, or none.
        service(json!({ "open": { "wait_duration": 30 } })),
        service(json!({ "open": { "wait_duration": "30" } })),
        service(json!({ "open": { "wait_duration": "30 s" } })),
        service(json!({ "open": { "wait_duration": "30sec" } })),
        service(json!({ "open": { "wait_duration": "" } })),
        service(json!({ "open": { "wait_duration": "30s1m" } })),
        service(json!({ "open": { "jitter": "20%" } })),
        service(json!({ "trip": { "failure_rate_threshold": "50" } })),
        service(json!({ "fallback": { "max_request_bytes": "64k" } })),
        // Out of bounds.
        json!({ "services": [] }),
        json!({ "max_services": 0 }),
        json!({ "limits": { "max_copied_bytes": 268_435_457 } }),
        json!({ "limits": { "max_copied_bytes": "32MiB" } }),
        service(json!({ "trip": { "failure_rate_threshold": 0 } })),
        service(json!({ "trip": { "failure_rate_threshold": 101 } })),
        service(json!({ "trip": { "consecutive_failures": 0 } })),
        service(json!({ "trip": { "consecutive_failures": 2.5 } })),
        service(json!({ "trip": { "consecutive_failures": -1 } })),
        service(json!({ "half_open": { "permitted_calls": 33 } })),
        service(json!({ "open": { "backoff_rate": 0.5 } })),
        service(json!({ "classify": { "failure_status": ["6xx"] } })),
        service(json!({ "classify": { "failure_status": [500] } })),
        service(json!({ "classify": { "failure_status": "5xx" } })),
        service(json!({ "classify": { "failure_grpc_status": ["unavailable"] } })),
        service(json!({ "mode": "off" })),
        // Half of what is needed, or too much.
        json!({ "services": [{ "match": {} }] }),
        json!({ "services": [{ "name": "payment service" }] }),
        json!({ "services": [{ "name": "{tenant}" }] }),
        json!({ "services": [{ "name": "{host}" }] }),
        json!({ "services": [{ "name": "x-{host}", "match": { "path_prefixes": ["/"] } }] }),
        json!({ "services": [{ "name": "{host}", "match": { "hosts": null } }] }),
        service(json!({ "trip": {} })),
        service(json!({ "trip": { "slow_call_rate_threshold": 80 } })),
        service(json!({ "match": { "hosts": [] } })),
        service(json!({ "match": { "path_prefixes": ["payments"] } })),
        service(json!({ "match": { "path_prefixes": ["/pay/*"] } })),
        service(json!({ "match": { "path_prefixes": ["/users/{id}"] } })),
        service(json!({ "match": { "path_prefixes": ["/my shop"] } })),
        service(json!({ "match": { "hosts": ["pay.*"] } })),
        service(json!({ "match": { "hosts": ["https://pay.example"] } })),
        service(json!({ "match": { "hosts": ["pay.example:http"] } })),
        service(json!({ "match": { "methods": [] } })),
        service(json!({ "match": { "methods": ["get"] } })),
        service(json!({ "match": { "methods": ["GET,HEAD"] } })),
        service(json!({ "match": { "methods": "GET" } })),
        service(json!({ "match": { "headers": [{ "name": "x" }] } })),
        service(json!({ "match": { "headers": [{ "name": "x", "exact": "", "prefix": "" }] } })),
        service(
            json!({ "bulkhead": { "max_concurrent_calls": 1, "partitions": [{ "name": "batch" }] } }),
        ),
        json!({ "admin": { "path_prefix": "/breaker/" } }),
        json!({ "admin": { "path_prefix": "/ops/*" } }),
        json!({ "admin": ["/ops", null, null] }),
        json!({ "admin": { "token": "" } }),
        json!({ "notify": {} }),
        json!({ "notify": { "cluster": "ops", "num_retries": 11 } }),
    ];
    for mistake in mistakes {
        assert!(refused_by_filter(&mistake).is_some(), "the filter takes {mistake}");
        assert!(refused(&mistake).is_some(), "the schema takes {mistake}");
    }
}
