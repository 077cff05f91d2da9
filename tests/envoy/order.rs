//! Where the breaker stands among other filters, and what it sees there.

use anyhow::Result;
use envoy_harness::client::{Response, empty};
use http::Request;
use serde_json::{Value, json};
use tests::{Edge, Outcomes, PATIENCE, PAYMENT, answered_by, clusters, primary_route};

const DYNAMIC: &str = "dynamic";
/// A name that leads nowhere, whoever is asked (RFC 2606).
const NOWHERE: &str = "nowhere.invalid";

fn names() -> Value {
    json!({
        "name": "names",
        "dns_lookup_family": "V4_ONLY",
        "dns_query_timeout": "2s",
        "dns_failure_refresh_rate": { "base_interval": "0.1s", "max_interval": "0.1s" },
    })
}

/// The filter that looks a request's host up.
fn forward_proxy() -> Value {
    json!({
        "name": "envoy.filters.http.dynamic_forward_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
            "dns_cache_config": names(),
        },
    })
}

/// The cluster of all hosts that were looked up.
fn dynamic() -> Value {
    json!({
        "name": DYNAMIC,
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "5s",
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
                "dns_cache_config": names(),
            },
        },
    })
}

fn plugin(mode: &str) -> Value {
    json!({ "services": [{
        "name": PAYMENT, "mode": mode, "open": { "wait_duration": "5m" },
        "fallback": { "cluster": clusters::FALLBACK },
    }] })
}

async fn ask(edge: &Edge, host: &str) -> Result<Response> {
    let request = Request::get(edge.url("/payment-service/charge")).header("host", host);
    edge.client.send(request.body(empty())?).await
}

#[tokio::test]
async fn a_breaker_before_the_forward_proxy_sees_that_a_name_leads_nowhere() -> Result<()> {
    let setup = Edge::setup(plugin("enabled")).filter(forward_proxy()).upstream(dynamic());
    let edge = setup.start().await?;
    let here = edge.services.downstream().to_string();
    assert_eq!(answered_by(&ask(&edge, &here).await?), "downstream");
    for answered in ["replay", "replay", "replay", "cluster"] {
        let answer = ask(&edge, NOWHERE).await?;
        assert_eq!((answer.status.as_u16(), answered_by(&answer)), (200, answered));
    }
    let outcomes = Outcomes { success: 1, failure: 3, ..Outcomes::default() };
    edge.wait_for_outcomes(PAYMENT, outcomes).await
}

#[tokio::test]
async fn a_breaker_behind_the_forward_proxy_does_not_see_that_a_name_leads_nowhere() -> Result<()> {
    for mode in ["enabled", "forced_open"] {
        let setup = Edge::setup(plugin(mode)).earlier_filter(forward_proxy()).upstream(dynamic());
        let edge = setup.start().await?;
        for _ in 0..4 {
            let answer = ask(&edge, NOWHERE).await?;
            assert_eq!((answer.status.as_u16(), answered_by(&answer)), (503, "downstream"));
        }
        assert_eq!(edge.services.fallback_calls(), 0, "{mode}");
        edge.wait_for_outcomes(PAYMENT, Outcomes::default()).await?;
    }
    Ok(())
}

/// A filter that answers each failure in its own way.
fn custom_response() -> Value {
    const CUSTOM: &str =
        "type.googleapis.com/envoy.extensions.filters.http.custom_response.v3.CustomResponse";
    const POLICY: &str = "type.googleapis.com/envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy";
    const CLASS: &str =
        "type.googleapis.com/envoy.type.matcher.v3.HttpResponseStatusCodeClassMatchInput";
    json!({
        "name": "envoy.filters.http.custom_response",
        "typed_config": { "@type": CUSTOM, "custom_response_matcher": { "matcher_list": { "matchers": [{
            "predicate": { "single_predicate": {
                "input": { "name": "class", "typed_config": { "@type": CLASS } },
                "value_match": { "exact": "5xx" },
            } },
            "on_match": { "action": { "name": "answer", "typed_config": {
                "@type": POLICY, "status_code": 299, "body": { "inline_string": "custom" },
            } } },
        }] } } },
    })
}

#[tokio::test]
async fn a_filter_behind_the_breaker_that_answers_failures_hides_these() -> Result<()> {
    let behind = Edge::setup(plugin("enabled")).filter(custom_response()).start().await?;
    let before = Edge::setup(plugin("enabled")).earlier_filter(custom_response()).start().await?;
    let never = Outcomes { aborted: 4, ..Outcomes::default() };
    let three = Outcomes { failure: 3, ..Outcomes::default() };
    for (edge, status, answered, outcomes) in [
        (behind, 299, ["downstream"; 4], never),
        (before, 200, ["replay", "replay", "replay", "cluster"], three),
    ] {
        edge.services.service(PAYMENT).set_failure_rate(1.0);
        for answered in answered {
            let answer = edge.get("/payment-service/charge").await?;
            assert_eq!((answer.status.as_u16(), answered_by(&answer)), (status, answered));
        }
        edge.wait_for_outcomes(PAYMENT, outcomes).await?;
    }
    Ok(())
}

#[tokio::test]
async fn preflights_that_a_cors_filter_before_the_breaker_answers_are_no_calls() -> Result<()> {
    const CORS: &str = "type.googleapis.com/envoy.extensions.filters.http.cors.v3";
    let cors = "envoy.filters.http.cors";
    let policy = json!({
        "@type": format!("{CORS}.CorsPolicy"),
        "allow_origin_string_match": [{ "exact": "https://shop.example" }],
        "allow_methods": "POST",
    });
    let edge = Edge::setup(plugin("forced_open"))
        .earlier_filter(
            json!({ "name": cors, "typed_config": { "@type": format!("{CORS}.Cors") } }),
        )
        .route(primary_route().per_filter(json!({ cors: policy })))
        .start()
        .await?;
    let preflight = Request::options(edge.url("/payment-service/charge"))
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST");
    let answer = edge.client.send(preflight.body(empty())?).await?;
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"), "{answer:?}");
    assert_eq!(answered_by(&answer), "downstream");
    let within = edge.envoy.wait_for_counter("http.edge.downstream_rq_total", 1, PATIENCE).await?;
    assert_eq!((within, edge.services.service(PAYMENT).calls()), (1, 0));
    assert_eq!(edge.metric(PAYMENT, "cb_reason=.=forced_open;.;", "not_permitted_total").await?, 0);
    Ok(())
}
