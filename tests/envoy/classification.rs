//! What counts against a service, what for it, and what says nothing of it: by real causes.

mod blame;
mod grpc;
mod timers;

use std::time::Duration;

use anyhow::Result;
use envoy_harness::client::empty;
use envoy_harness::config::{Route, cluster, http2_cluster, lua};
use serde_json::{Value, json};
use services::Mode;
use tests::{Edge, Outcomes, PATIENCE, PAYMENT, clusters, primary_route};
use tokio::io::AsyncWriteExt;

use crate::upstream::{RawUpstream, Refusing, Upstream};

/// A service with all defaults: three failures in a row trip, and nothing answers in its stead.
fn plugin() -> Value {
    plugin_of(&[PAYMENT.to_owned()])
}

/// Several such services, each for the paths that begin with its name.
fn plugin_of(services: &[String]) -> Value {
    let services = services.iter().map(|name| {
        let prefix = format!("/{name}");
        json!({ "name": name, "match": { "path_prefixes": [prefix] } })
    });
    json!({ "services": services.collect::<Vec<_>>() })
}

fn path(service: &str) -> String {
    format!("/{service}/charge")
}

/// A call is answered like this.
async fn assert_answer(edge: &Edge, service: &str, status: u16, body: &str) -> Result<()> {
    let response = edge.get(&path(service)).await?;
    assert_eq!(response.status, status, "{service}: {}", response.text());
    let text = response.text();
    assert!(text.contains(body), "{service}: {text:?} does not say {body:?}");
    Ok(())
}

/// Three calls are answered like this, each is a failure, and the third trips.
async fn assert_three_trip(edge: &Edge, service: &str, status: u16, body: &str) -> Result<()> {
    for failures in 1..=3 {
        assert_answer(edge, service, status, body).await?;
        let breaker = edge.breaker(service).await?;
        assert_eq!(breaker.failure_count, failures, "{service}: {breaker:?}");
    }
    let failed = Outcomes { failure: 3, ..Outcomes::default() };
    assert_shown(edge, service, ("OPEN", 3), failed).await
}

/// Four calls are answered like this, and none says anything of the service.
async fn assert_ignored(edge: &Edge, status: u16, body: &str) -> Result<()> {
    for _ in 0..4 {
        assert_answer(edge, PAYMENT, status, body).await?;
    }
    let ignored = Outcomes { ignored: 4, ..Outcomes::default() };
    assert_shown(edge, PAYMENT, ("CLOSED", 0), ignored).await
}

/// What became of all calls, and then the state and the failures in a row.
async fn assert_shown(
    edge: &Edge,
    service: &str,
    shown: (&str, u64),
    outcomes: Outcomes,
) -> Result<()> {
    edge.wait_for_outcomes(service, outcomes).await?;
    let breaker = edge.breaker(service).await?;
    assert_eq!((breaker.state.as_str(), breaker.failure_count), shown, "{service}: {breaker:?}");
    Ok(())
}

mod failures {
    use super::*;

    #[tokio::test]
    async fn a_refused_connection_is_a_failure() -> Result<()> {
        let nobody = Refusing::bind()?;
        let edge =
            Edge::setup(plugin()).upstream(cluster("nobody", nobody.address())).start().await?;
        assert_three_trip(&edge, PAYMENT, 503, "remote connection failure").await
    }

    #[tokio::test]
    async fn no_healthy_upstream_is_a_failure() -> Result<()> {
        let nobody = Refusing::bind()?;
        let mut empty = cluster("empty", nobody.address());
        empty["load_assignment"]["endpoints"] = json!([]);
        let edge = Edge::setup(plugin()).upstream(empty).start().await?;
        assert_three_trip(&edge, PAYMENT, 503, "no healthy upstream").await
    }

    #[tokio::test]
    async fn a_connection_closed_before_the_answer_is_a_failure() -> Result<()> {
        let edge = Edge::start(plugin(), 1).await?;
        edge.services.service(PAYMENT).set_mode(Mode::CloseBeforeAnswer);
        assert_three_trip(&edge, PAYMENT, 503, "reset reason: connection termination").await
    }

    #[tokio::test]
    async fn a_reset_stream_is_a_failure() -> Result<()> {
        let service = Upstream::start(|_| async { anyhow::bail!("reset") }).await?;
        let edge = Edge::setup(plugin())
            .upstream(http2_cluster("resetting", service.address()))
            .start()
            .await?;
        assert_three_trip(&edge, PAYMENT, 503, "reset reason: remote reset").await
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_in_time_is_a_failure() -> Result<()> {
        let timeout = Duration::from_millis(200);
        let edge = Edge::start_with(plugin(), 1, primary_route().timeout(timeout)).await?;
        edge.services.service(PAYMENT).set_mode(Mode::Hang);
        assert_three_trip(&edge, PAYMENT, 504, "upstream request timeout").await
    }

    #[tokio::test]
    async fn an_answer_that_stops_in_the_middle_is_a_failure() -> Result<()> {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf.";
        let service = RawUpstream::start(move |mut stream| async move {
            let _ = stream.write_all(half.as_bytes()).await;
            std::future::pending().await
        })
        .await?;
        let route = primary_route().cluster("stalling").timeout(Duration::from_millis(200));
        let edge = Edge::setup(plugin())
            .cluster(cluster("stalling", service.address()))
            .route(route)
            .start()
            .await?;
        for failures in 1..=3 {
            let answer = edge.get(&path(PAYMENT)).await;
            assert!(answer.is_err(), "a whole answer: {answer:?}");
            let failed = Outcomes { failure: failures, ..Outcomes::default() };
            let state = if failures < 3 { "CLOSED" } else { "OPEN" };
            assert_shown(&edge, PAYMENT, (state, failures), failed).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_status_of_the_services_own_is_a_failure_from_500_on() -> Result<()> {
        let statuses = [500, 502, 503, 504, 599];
        let services = statuses.map(|status| format!("answers-{status}"));
        let edge = Edge::start(plugin_of(&services), 1).await?;
        for (status, service) in statuses.into_iter().zip(services) {
            edge.services.service(&service).set_mode(Mode::Status(status));
            let body = "Service temporarily unavailable";
            assert_three_trip(&edge, &service, status, body).await?;
        }
        Ok(())
    }
}

mod successes {
    use super::*;

    #[tokio::test]
    async fn a_status_of_the_services_own_is_a_success_below_500() -> Result<()> {
        let statuses = [200, 301, 401, 404, 429];
        let services = statuses.map(|status| format!("answers-{status}"));
        let edge = Edge::start(plugin_of(&services), 1).await?;
        for (status, service) in statuses.into_iter().zip(services) {
            let downstream = edge.services.service(&service);
            // The run of failures ends with the third answer: two and two do not make three.
            for answer in [500, 500, status, 500, 500] {
                downstream.set_mode(Mode::Status(answer));
                assert_answer(&edge, &service, answer, "").await?;
            }
            let outcomes = Outcomes { success: 1, failure: 4, ..Outcomes::default() };
            assert_shown(&edge, &service, ("CLOSED", 2), outcomes).await?;
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_call_that_the_routes_retry_saves_is_one_success() -> Result<()> {
        let route = primary_route().retries(2, Duration::from_millis(20));
        let edge = Edge::start_with(plugin(), 1, route).await?;
        let payment = edge.services.service(PAYMENT);
        // Every other call fails, beginning with the first.
        payment.set_failure_rate(0.5);
        for calls in 1..=4 {
            assert_eq!(edge.get(&path(PAYMENT)).await?.status, 200);
            assert_eq!(payment.calls(), 2 * calls);
        }
        let saved = Outcomes { success: 4, ..Outcomes::default() };
        assert_shown(&edge, PAYMENT, ("CLOSED", 0), saved).await
    }

    #[tokio::test]
    async fn a_call_that_no_retry_saves_is_one_failure() -> Result<()> {
        let route = primary_route().retries(2, Duration::from_millis(20));
        let edge = Edge::start_with(plugin(), 1, route).await?;
        let payment = edge.services.service(PAYMENT);
        payment.set_mode(Mode::CloseBeforeAnswer);
        assert_three_trip(&edge, PAYMENT, 503, "reset reason: connection termination").await?;
        assert_eq!(payment.calls(), 9);
        Ok(())
    }
}

mod ignored {
    use super::*;

    #[tokio::test]
    async fn an_answer_by_the_route_itself_is_ignored() -> Result<()> {
        let route = Route::prefix("/").direct_response(503, "by the route");
        let edge = Edge::setup(plugin()).route(route).start().await?;
        assert_ignored(&edge, 503, "by the route").await
    }

    #[tokio::test]
    async fn an_ignored_answer_does_not_end_a_run_of_failures() -> Result<()> {
        let elsewhere = Route::prefix("/payment-service/elsewhere").direct_response(200, "");
        let edge = Edge::setup(plugin()).route(elsewhere).route(primary_route()).start().await?;
        edge.services.service(PAYMENT).set_mode(Mode::Status(500));
        for (path, failures) in [("a", 1), ("b", 2), ("elsewhere", 2), ("c", 3)] {
            edge.get(&format!("/payment-service/{path}")).await?;
            let breaker = edge.breaker(PAYMENT).await?;
            assert_eq!(breaker.failure_count, failures, "after {path}: {breaker:?}");
        }
        let outcomes = Outcomes { failure: 3, ignored: 1, ..Outcomes::default() };
        assert_shown(&edge, PAYMENT, ("OPEN", 3), outcomes).await
    }

    #[tokio::test]
    async fn a_request_without_a_route_is_ignored() -> Result<()> {
        let elsewhere = Route::prefix("/elsewhere").cluster(clusters::SERVICE);
        let edge = Edge::setup(plugin()).route(elsewhere).start().await?;
        assert_ignored(&edge, 404, "").await
    }

    #[tokio::test]
    async fn an_answer_by_another_filter_is_ignored() -> Result<()> {
        let refusal = lua(r#"
            function envoy_on_request(request)
                request:respond({[":status"] = "503"}, "by a script")
            end
        "#);
        let edge = Edge::setup(plugin()).filter(refusal).start().await?;
        assert_ignored(&edge, 503, "by a script").await
    }

    #[tokio::test]
    async fn an_answer_by_an_earlier_filter_is_no_call() -> Result<()> {
        let refusal = lua(r#"
            function envoy_on_request(request)
                if request:headers():get("x-refused") then
                    request:respond({[":status"] = "503"}, "by a script")
                end
            end
            "#);
        let edge = Edge::setup(plugin()).earlier_filter(refusal).start().await?;
        for _ in 0..4 {
            let mut request = edge.request("GET", &path(PAYMENT), empty())?;
            request.headers_mut().insert("x-refused", "yes".parse()?);
            let response = edge.client.send(request).await?;
            assert_eq!((response.status.as_u16(), response.text().as_str()), (503, "by a script"));
        }
        assert_answer(&edge, PAYMENT, 200, "").await?;
        let others = Outcomes { success: 1, ..Outcomes::default() };
        assert_shown(&edge, PAYMENT, ("CLOSED", 0), others).await
    }

    #[tokio::test]
    async fn an_injected_fault_is_ignored() -> Result<()> {
        let fault = json!({
            "name": "envoy.filters.http.fault",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
                "abort": { "http_status": 503, "percentage": { "numerator": 100 } },
            },
        });
        let edge = Edge::setup(plugin()).filter(fault).start().await?;
        assert_ignored(&edge, 503, "fault filter abort").await
    }

    #[tokio::test]
    async fn a_rate_limit_is_ignored() -> Result<()> {
        let always = json!({ "default_value": { "numerator": 100 } });
        let limit = json!({
            "name": "envoy.filters.http.local_ratelimit",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
                "stat_prefix": "limit",
                "token_bucket": { "max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s" },
                "filter_enabled": always,
                "filter_enforced": always,
            },
        });
        let edge = Edge::setup(plugin()).filter(limit).start().await?;
        assert_eq!(edge.get(&path(PAYMENT)).await?.status, 200);
        for _ in 0..4 {
            assert_answer(&edge, PAYMENT, 429, "local_rate_limited").await?;
        }
        let limited = Outcomes { success: 1, ignored: 4, ..Outcomes::default() };
        assert_shown(&edge, PAYMENT, ("CLOSED", 0), limited).await
    }
}

mod overflow {
    use super::*;

    /// Lets one call through at a time, of which one has come and stays.
    async fn full_edge(plugin: Value) -> Result<(Edge, tokio::task::JoinHandle<()>)> {
        let busy = Upstream::start(|_| std::future::pending()).await?;
        let mut one_at_a_time = cluster("one-at-a-time", busy.address());
        one_at_a_time["circuit_breakers"] = json!({ "thresholds": [{ "max_requests": 1 }] });
        let edge = Edge::setup(plugin).upstream(one_at_a_time).start().await?;
        let (client, request) =
            (edge.client.clone(), edge.request("GET", &path(PAYMENT), empty())?);
        let first = tokio::spawn(async move {
            let _ = client.open(request).await;
            drop(busy);
        });
        let active = "cluster.one-at-a-time.upstream_rq_active";
        edge.envoy.wait_for_counter(active, 1, PATIENCE).await?;
        Ok((edge, first))
    }

    #[tokio::test]
    async fn a_call_that_envoys_own_breaker_refuses_is_ignored() -> Result<()> {
        let (edge, first) = full_edge(plugin()).await?;
        assert_ignored(&edge, 503, "reset reason: overflow").await?;
        first.abort();
        Ok(())
    }

    #[tokio::test]
    async fn a_call_that_envoys_own_breaker_refuses_is_a_failure_where_configured_so() -> Result<()>
    {
        let mut counting = plugin();
        counting["services"][0]["classify"] = json!({ "overflow": "failure" });
        let (edge, first) = full_edge(counting).await?;
        assert_three_trip(&edge, PAYMENT, 503, "reset reason: overflow").await?;
        first.abort();
        Ok(())
    }
}
