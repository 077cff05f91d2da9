//! Failed calls that the proxy itself runs again, through the fallback's own route. The module for proxies
//! cannot have that done, and calls the fallback itself: what holds for both is asked of both.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use envoy_harness::client::{Body, Client, RawConnection, Response, chunks, empty, full};
use envoy_harness::config::{Route, Wasm, cluster, lua};
use envoy_harness::is_native;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use serde_json::{Value, json};
use tests::{Edge, Outcomes, PATIENCE, PAYMENT, answered_by, is_left_to_wasm, primary_route};

use super::{PATH, values};
use crate::upstream::{self, RawUpstream, Refusing, Upstream};

const MIB: usize = 1024 * 1024;
/// The longest body that is copied.
const COPIED: usize = 64 * 1024;

/// One service that fails as often as it likes.
fn plugin(fallback: &Value) -> Value {
    json!({ "services": [{
        "name": PAYMENT,
        "trip": { "consecutive_failures": 1_000_000 },
        "fallback": fallback,
    }] })
}

/// Whether a test is about the dynamic module alone, and this is not it.
fn is_left_to_native() -> bool {
    if !is_native() {
        eprintln!(
            "left to the dynamic module: a module for proxies cannot have a request run again"
        );
    }
    !is_native()
}

/// Fails each request when all of it has come, with a body or without one.
async fn failing(body: &'static str) -> Result<Upstream> {
    Upstream::start(move |request| async move {
        let came = request.into_body().collect().await?.to_bytes().len();
        let answer = http::Response::builder().status(503).header("x-came", came.to_string());
        let body = if body.is_empty() { upstream::empty() } else { upstream::full(body) };
        Ok(answer.body(body)?)
    })
    .await
}

/// The route of the services, whose requests the router keeps for retries that are never made.
fn keeping() -> Route {
    primary_route().cluster("failing").retries(0, Duration::from_millis(25))
}

fn not_keeping() -> Route {
    primary_route().cluster("failing")
}

async fn edge(fallback: &Value, to: &Upstream, service: &Upstream, route: Route) -> Result<Edge> {
    Edge::setup(plugin(fallback))
        .cluster(cluster("other", to.address()))
        .cluster(cluster("failing", service.address()))
        .route(route)
        .start()
        .await
}

fn bytes(size: usize) -> Bytes {
    (0..size).map(|number| (number % 251) as u8).collect::<Vec<_>>().into()
}

/// In one piece of known length, or in some of an unknown one.
fn body_of(bytes: &Bytes, streamed: bool) -> Body {
    if !streamed {
        return full(bytes.clone());
    }
    let (sender, body) = chunks();
    let pieces: Vec<_> = bytes.chunks(50_000).map(Bytes::copy_from_slice).collect();
    tokio::spawn(async move {
        for piece in pieces {
            let _ = sender.send(piece).await;
        }
    });
    body
}

/// Bodies at all limits that there are, each of them with a length and without, over both versions.
async fn ask_with_all_bodies(edge: &Edge, check: impl Fn(usize, &Bytes, &Response)) -> Result<u64> {
    let mut asked = 0;
    for size in [0, 1, COPIED, MIB - 1, MIB + 1] {
        let bytes = bytes(size);
        for client in [Client::new(), Client::http2()] {
            for streamed in [false, true] {
                let request = edge.request("POST", PATH, body_of(&bytes, streamed))?;
                let response = client.send(request).await;
                let response = response.with_context(|| format!("{size}, streamed: {streamed}"))?;
                check(size, &bytes, &response);
                asked += 1;
            }
        }
    }
    edge.wait_for_outcomes(PAYMENT, Outcomes { failure: asked, ..Outcomes::default() }).await?;
    edge.metric(PAYMENT, "cb_kind=.=replay;.;", "fallback_total").await
}

/// Whether the fallback has got all of a request, and not the service's failure passed.
fn is_replayed(size: usize, bytes: &Bytes, response: &Response) -> bool {
    if answered_by(response) == "replay" {
        assert!(
            response.status == 200 && response.body == bytes,
            "{size}: {}",
            response.body.len()
        );
        return true;
    }
    assert_eq!((response.status.as_u16(), response.text().as_str()), (503, "failed"), "{size}");
    assert_eq!(values(response, "x-came"), [size.to_string().as_bytes()]);
    false
}

#[tokio::test]
async fn a_request_is_replayed_whole_or_not_at_all() -> Result<()> {
    let (service, fallback) = (failing("failed").await?, Upstream::echo().await?);
    let to = json!({ "cluster": "other" });
    let not_kept = edge(&to, &fallback, &service, not_keeping()).await?;
    let replayed = ask_with_all_bodies(&not_kept, |size, bytes, response| {
        assert_eq!(is_replayed(size, bytes, response), size <= COPIED, "{size} bytes, not kept");
    });
    assert_eq!(replayed.await?, 12);
    let mut route = keeping().build();
    route["per_request_buffer_limit_bytes"] = json!(MIB);
    let kept = edge(&to, &fallback, &service, route.into()).await?;
    let replayed = ask_with_all_bodies(&kept, |size, bytes, response| {
        let expected = size <= COPIED || (is_native() && size <= MIB);
        assert_eq!(is_replayed(size, bytes, response), expected, "{size} bytes, kept");
    });
    assert_eq!(replayed.await?, if is_native() { 16 } else { 12 });
    // By whatever limits the proxy has.
    let kept = edge(&to, &fallback, &service, keeping()).await?;
    let replayed = ask_with_all_bodies(&kept, |size, bytes, response| {
        is_replayed(size, bytes, response);
    });
    ensure!(replayed.await? >= 12);
    Ok(())
}

#[tokio::test]
async fn a_failed_call_is_answered_through_the_fallbacks_own_route() -> Result<()> {
    if is_left_to_native() {
        return Ok(());
    }
    let (service, fallback) = (failing("failed").await?, Upstream::echo().await?);
    let own: Route = json!({
        "match": { "prefix": "/", "headers": [{ "name": "x-circuit-breaker-cluster", "present_match": true }] },
        "route": {
            "cluster_header": "x-circuit-breaker-cluster",
            "host_rewrite_literal": "fallback.internal",
            "regex_rewrite": { "pattern": { "regex": "^/(.*)$" }, "substitution": "/spare/\\1" },
        },
        "request_headers_to_add": [{
            "header": { "key": "authorization", "value": "Bearer of-the-fallback" },
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }],
        "response_headers_to_add": [{ "header": { "key": "x-route", "value": "spare" } }],
    })
    .into();
    let first: Route = json!({
        "match": { "prefix": "/" },
        "route": {
            "cluster": "failing",
            "prefix_rewrite": "/rewritten/",
            "host_rewrite_literal": "service.internal",
            "retry_policy": { "retry_on": "5xx", "num_retries": 0 },
        },
        "request_headers_to_add": [
            { "header": { "key": "x-api-key", "value": "of-the-service" } },
            { "header": { "key": "x-tag", "value": "added" }, "append_action": "APPEND_IF_EXISTS_OR_ADD" },
        ],
        "request_headers_to_remove": ["x-removed"],
    })
    .into();
    // What a call of the filter's own would have is of no account here.
    let by_call = json!({ "cluster": "other", "host": "of.a.call", "timeout": "1ms" });
    let edge = Edge::setup(plugin(&by_call))
        .without_diverted_route()
        .cluster(cluster("other", fallback.address()))
        .cluster(cluster("failing", service.address()))
        .route(own)
        .route(first)
        .start()
        .await?;
    for client in [Client::new(), Client::http2()] {
        let mut request = edge.request("POST", "/charge?x=1", full("body"))?;
        for (name, value) in [("x-tag", "client"), ("x-removed", "kept"), ("x-empty", "")] {
            request.headers_mut().append(name, value.parse()?);
        }
        let response = client.send(request).await?;
        assert_eq!((response.status.as_u16(), response.text().as_str()), (200, "body"));
        assert_eq!(answered_by(&response), "replay");
        assert_eq!(values(&response, "x-route"), [b"spare"]);
    }
    for (call, first) in fallback.calls().into_iter().zip(service.calls()) {
        let all = |parts: &http::request::Parts, name: &str| -> Vec<String> {
            let values = parts.headers.get_all(name).iter();
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
        };
        assert_eq!(call.uri.path_and_query().context("no path")?, "/spare/charge?x=1");
        assert_eq!(all(&call, "host"), ["fallback.internal"]);
        assert_eq!(all(&call, "authorization"), ["Bearer of-the-fallback"]);
        // Nothing of what the service's route has done is left.
        assert_eq!(all(&call, "x-api-key"), Vec::<String>::new());
        assert_eq!(
            (all(&call, "x-tag"), all(&call, "x-removed")),
            (vec!["client".into()], vec!["kept".into()])
        );
        assert_eq!(all(&call, "x-empty"), [""]);
        assert_eq!(all(&call, "x-forwarded-for"), all(&first, "x-forwarded-for"));
        assert_eq!(all(&call, "x-request-id"), all(&first, "x-request-id"));
        for (name, value) in [
            ("x-circuit-breaker-cluster", "other"),
            ("x-circuit-breaker-service", PAYMENT),
            ("x-circuit-breaker-state", "CLOSED"),
            ("x-circuit-breaker-reason", "failure"),
        ] {
            assert_eq!(all(&call, name), [value], "{name}");
        }
        assert_eq!(first.uri.path_and_query().context("no path")?, "/rewritten/charge?x=1");
        assert_eq!(all(&first, "x-circuit-breaker-cluster"), Vec::<String>::new());
    }
    assert_eq!(fallback.calls().len(), 2);
    Ok(())
}

#[tokio::test]
async fn without_a_route_of_its_own_the_fallback_is_called() -> Result<()> {
    let (service, fallback) = (failing("failed").await?, Upstream::echo().await?);
    let edge = Edge::setup(plugin(&json!({ "cluster": "other" })))
        .without_diverted_route()
        .cluster(cluster("other", fallback.address()))
        .cluster(cluster("failing", service.address()))
        .route(keeping())
        .start()
        .await?;
    for client in [Client::new(), Client::http2()] {
        let response = client.send(edge.request("POST", PATH, full("body"))?).await?;
        assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
        assert_eq!(response.text(), "body");
    }
    assert_eq!((service.calls().len(), fallback.calls().len()), (2, 2));
    Ok(())
}

#[tokio::test]
async fn the_fallbacks_answer_to_a_failed_call_streams() -> Result<()> {
    if is_left_to_native() {
        return Ok(());
    }
    let (told, go) = tokio::sync::watch::channel(false);
    let fallback = Upstream::start(move |_| {
        let mut go = go.clone();
        async move {
            let (mut frames, body) = Channel::<Bytes, anyhow::Error>::new(1);
            tokio::spawn(async move {
                let _ = frames.send_data("first".into()).await;
                let _ = go.wait_for(|go| *go).await;
                let _ = frames.send_data("second".into()).await;
            });
            Ok(http::Response::new(body.boxed_unsync()))
        }
    })
    .await?;
    for failed in ["", "failed"] {
        let service = failing(failed).await?;
        let edge = edge(&json!({ "cluster": "other" }), &fallback, &service, keeping()).await?;
        for client in [Client::new(), Client::http2()] {
            told.send_replace(false);
            let request = edge.request("POST", PATH, full("body"))?;
            let response = tokio::time::timeout(PATIENCE, client.open(request)).await??;
            let mut body = response.into_body();
            let first = tokio::time::timeout(PATIENCE, body.frame()).await?;
            let first = first.context("nothing")??.into_data().ok();
            assert_eq!(first.as_deref(), Some(&b"first"[..]));
            told.send_replace(true);
            assert_eq!(body.collect().await?.to_bytes(), "second");
        }
    }
    Ok(())
}

/// What a genuine second run looks like gives nobody who sends the same.
#[tokio::test]
async fn no_client_can_pass_a_call_off_as_one_that_runs_again() -> Result<()> {
    let (service, fallback) = (failing("failed").await?, Upstream::echo().await?);
    let edge = edge(&json!({ "cluster": "other" }), &fallback, &service, keeping()).await?;
    edge.get(PATH).await?;
    let genuine = fallback.calls().pop().context("no replay")?.headers;
    for client in [Client::new(), Client::http2()] {
        let before = (service.calls().len(), edge.outcomes(PAYMENT).await?.failure);
        let mut request = edge.request("GET", PATH, empty())?;
        for (name, value) in &genuine {
            if name != "host" && !name.as_str().starts_with("transfer") {
                request.headers_mut().append(name, value.clone());
            }
        }
        let response = client.send(request).await?;
        // It goes to the service, and fails, and is replayed like any other.
        assert_eq!(answered_by(&response), "replay");
        let after = (service.calls().len(), edge.outcomes(PAYMENT).await?.failure);
        assert_eq!(after, (before.0 + 1, before.1 + 1));
        let last = fallback.calls().pop().context("no replay")?.headers;
        assert_eq!(last.get_all("x-circuit-breaker-cluster").iter().count(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_fallback_that_fails_too_is_asked_once() -> Result<()> {
    if is_left_to_native() {
        return Ok(());
    }
    let service = failing("failed").await?;
    let (broken, nobody) = (failing("of the fallback").await?, Refusing::bind()?);
    let closing = RawUpstream::answering("").await?;
    let mut nowhere = cluster("empty", nobody.address());
    nowhere["load_assignment"]["endpoints"] = json!([]);
    let names = ["broken", "nobody", "closing", "empty"];
    let services = names.map(|name| {
        let prefix = format!("/{name}");
        json!({
            "name": name,
            "match": { "path_prefixes": [prefix] },
            "trip": { "consecutive_failures": 1_000_000 },
            "fallback": { "cluster": name },
        })
    });
    let edge = Edge::setup(json!({ "services": services }))
        .cluster(cluster("failing", service.address()))
        .cluster(cluster("broken", broken.address()))
        .cluster(cluster("nobody", nobody.address()))
        .cluster(cluster("closing", closing.address()))
        .cluster(nowhere)
        .route(keeping())
        .start()
        .await?;
    for name in names {
        let before = service.calls().len();
        for client in [Client::new(), Client::http2()] {
            let request = edge.request("POST", &format!("/{name}/call"), full("body"))?;
            let response = client.send(request).await?;
            assert_eq!(response.status, 503, "{name}: {response:?}");
            assert_ne!(response.text(), "failed", "{name}");
            let by = if name == "broken" { "replay" } else { "downstream" };
            assert_eq!(answered_by(&response), by, "{name}");
        }
        assert_eq!(service.calls().len(), before + 2, "{name}");
        edge.wait_for_outcomes(name, Outcomes { failure: 2, ..Outcomes::default() }).await?;
        assert_eq!(edge.breaker(name).await?.failure_count, 2, "{name}");
        let counted = edge.metric(name, "cb_kind=.=replay;.;", "fallback_total").await?;
        assert_eq!(counted, 0, "{name}: only good answers count");
    }
    assert_eq!((broken.calls().len(), closing.heads().len()), (2, 2));
    Ok(())
}

/// A cluster that is gone cannot be run to: it is called in vain, and the failure passes.
#[tokio::test]
async fn a_fallback_that_the_proxy_does_not_know_leaves_the_failure_as_it_is() -> Result<()> {
    let (service, fallback) = (failing("failed").await?, Upstream::echo().await?);
    let edge = edge(&json!({ "cluster": "unknown" }), &fallback, &service, keeping()).await?;
    for client in [Client::new(), Client::http2()] {
        let response = client.send(edge.request("POST", PATH, full("body"))?).await?;
        assert_eq!((response.status.as_u16(), response.text().as_str()), (503, "failed"));
        assert_eq!(answered_by(&response), "downstream");
    }
    assert_eq!(service.calls().len(), 2);
    Ok(())
}

/// Who would answer is not there, and the proxy says so before the request has gone anywhere.
#[tokio::test]
async fn a_call_that_fails_before_it_is_sent_is_replayed_too() -> Result<()> {
    let (fallback, nobody) = (Upstream::echo().await?, Refusing::bind()?);
    let mut nowhere = cluster("failing", nobody.address());
    nowhere["load_assignment"]["endpoints"] = json!([]);
    for service in [nowhere, cluster("failing", nobody.address())] {
        let edge = Edge::setup(plugin(&json!({ "cluster": "other" })))
            .cluster(cluster("other", fallback.address()))
            .cluster(service)
            .route(keeping())
            .start()
            .await?;
        for client in [Client::new(), Client::http2()] {
            for _ in 0..3 {
                let response = client.get(&edge.url(PATH)).await?;
                assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
            }
        }
        let failed = Outcomes { failure: 6, ..Outcomes::default() };
        edge.wait_for_outcomes(PAYMENT, failed).await?;
    }
    Ok(())
}

/// Filters before the breaker come to know a call that runs again a second time, as the page says.
#[tokio::test]
async fn filters_before_the_breaker_see_a_call_that_runs_again_twice() -> Result<()> {
    const COUNT: &str = "
        function envoy_on_request(handle)
          handle:headers():add('x-seen', 'once')
        end
        function envoy_on_response(handle)
          handle:headers():add('x-seen', 'answered')
        end";
    let (service, fallback) = (failing("failed").await?, Upstream::echo().await?);
    let edge = Edge::setup(plugin(&json!({ "cluster": "other" })))
        .earlier_filter(lua(COUNT))
        .cluster(cluster("other", fallback.address()))
        .cluster(cluster("failing", service.address()))
        .route(keeping())
        .start()
        .await?;
    let response = edge.get(PATH).await?;
    assert_eq!(answered_by(&response), "replay");
    assert_eq!(values(&response, "x-seen"), [b"answered"]);
    let calls = fallback.calls();
    let seen = calls[0].headers.get_all("x-seen").iter().count();
    assert_eq!(seen, if is_native() { 2 } else { 1 });
    Ok(())
}

#[tokio::test]
async fn a_filter_that_refuses_the_second_run_has_the_last_word() -> Result<()> {
    if is_left_to_native() {
        return Ok(());
    }
    // As one that takes away what it asks for.
    const ONCE: &str = "
        function envoy_on_request(handle)
          if handle:headers():get('x-ticket') == nil then
            handle:respond({ [':status'] = '401' }, 'no ticket')
          else
            handle:headers():remove('x-ticket')
          end
        end";
    let (service, fallback) = (failing("failed").await?, Upstream::echo().await?);
    let edge = Edge::setup(plugin(&json!({ "cluster": "other" })))
        .earlier_filter(lua(ONCE))
        .cluster(cluster("other", fallback.address()))
        .cluster(cluster("failing", service.address()))
        .route(keeping())
        .start()
        .await?;
    for client in [Client::new(), Client::http2()] {
        let mut request = edge.request("GET", PATH, empty())?;
        request.headers_mut().insert("x-ticket", "1".parse()?);
        let response = client.send(request).await?;
        assert_eq!((response.status.as_u16(), response.text().as_str()), (401, "no ticket"));
        // Nothing of it is left for the next one.
        let mut request = edge.request("GET", "/other", empty())?;
        request.headers_mut().insert("x-ticket", "1".parse()?);
        assert_eq!(client.send(request).await?.status, 401);
    }
    assert_eq!((service.calls().len(), fallback.calls().len()), (4, 0));
    assert_eq!(edge.metric(PAYMENT, "cb_kind=.=replay;.;", "fallback_total").await?, 0);
    Ok(())
}

/// Each knows its own calls when they run again, and neither sends one round and round.
#[tokio::test]
async fn two_breakers_before_one_service_end() -> Result<()> {
    let (service, fallback) = (failing("failed").await?, failing("also").await?);
    let second = Wasm::new("second", &tests::module()?).vm_id("second-of-two");
    let second = second.configuration(&plugin(&json!({ "cluster": "other" })));
    let edge = Edge::setup(plugin(&json!({ "cluster": "other" })))
        .filter(second)
        .cluster(cluster("other", fallback.address()))
        .cluster(cluster("failing", service.address()))
        .route(keeping())
        .start()
        .await?;
    for client in [Client::new(), Client::http2()] {
        let response = client.send(edge.request("POST", PATH, full("body"))?).await?;
        assert_eq!(response.status, 503);
    }
    // For each of two calls, each breaker has asked the fallback.
    assert_eq!((service.calls().len(), fallback.calls().len()), (2, 4));
    // That another filter has had it run again says nothing of a service.
    let aborted = if is_native() { 2 } else { 0 };
    // Both are counted under the one name.
    edge.wait_for_outcomes(PAYMENT, Outcomes { failure: 4, aborted, ..Outcomes::default() }).await
}

#[tokio::test]
async fn what_a_call_holds_is_free_before_it_runs_again() -> Result<()> {
    let service = failing("failed").await?;
    let (told, go) = tokio::sync::watch::channel(false);
    let fallback = Upstream::start(move |_| {
        let mut go = go.clone();
        async move {
            go.wait_for(|go| *go).await?;
            Ok(http::Response::new(upstream::full("ok")))
        }
    })
    .await?;
    let mut plugin = plugin(&json!({ "cluster": "other", "timeout": "2m" }));
    plugin["services"][0]["bulkhead"] = json!({ "max_concurrent_calls": 1 });
    let edge = Edge::setup(plugin)
        .cluster(cluster("other", fallback.address()))
        .cluster(cluster("failing", service.address()))
        .route(keeping())
        .start()
        .await?;
    let (client, request) = (edge.client.clone(), edge.request("GET", PATH, empty())?);
    let first = tokio::spawn(async move { client.send(request).await });
    let asked = async {
        while fallback.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await?;
    // A call that the filter makes itself holds on to it.
    let expected = u64::from(!is_native());
    let began = Instant::now();
    while edge.metric(PAYMENT, "", "in_flight").await? != expected {
        ensure!(began.elapsed() < PATIENCE, "not {expected} under way");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    told.send_replace(true);
    assert_eq!(answered_by(&first.await??), "replay");
    Ok(())
}

/// Over one connection, one after the other and at the same time.
#[tokio::test]
async fn a_connection_can_be_used_again_after_each_call_that_ran_again() -> Result<()> {
    let (service, fallback) = (failing("").await?, Upstream::echo().await?);
    let edge = edge(&json!({ "cluster": "other" }), &fallback, &service, keeping()).await?;
    for client in [Client::new(), Client::http2()] {
        for size in [0, 1, 1000, COPIED, 10] {
            let bytes = bytes(size);
            let response = client.send(edge.request("POST", PATH, full(bytes.clone()))?).await?;
            assert_eq!(answered_by(&response), "replay");
            ensure!(response.body == bytes, "{size} bytes");
        }
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..50 {
            let (client, bytes) = (client.clone(), bytes(number * 100));
            let request = edge.request("POST", PATH, full(bytes.clone()))?;
            calls.spawn(async move { anyhow::Ok((client.send(request).await?, bytes)) });
        }
        while let Some(call) = calls.join_next().await {
            let (response, bytes): (Response, _) = call??;
            ensure!(answered_by(&response) == "replay" && response.body == bytes, "{response:?}");
        }
    }
    edge.wait_for_outcomes(PAYMENT, Outcomes { failure: 110, ..Outcomes::default() }).await?;
    assert_eq!(edge.metric(PAYMENT, "cb_kind=.=replay;.;", "fallback_total").await?, 110);
    assert_eq!((service.calls().len(), fallback.calls().len()), (110, 110));
    Ok(())
}

/// A client that wants its connection closed sees it closed.
#[tokio::test]
async fn a_connection_ends_after_a_call_that_ran_again_if_its_client_wants_that() -> Result<()> {
    let (service, fallback) = (failing("failed").await?, Upstream::echo().await?);
    let edge = edge(&json!({ "cluster": "other" }), &fallback, &service, keeping()).await?;
    let mut connection = RawConnection::connect(edge.address).await?;
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
    connection.send(format!("{head}content-length: 4\r\n\r\nbody")).await?;
    let answer = tokio::time::timeout(PATIENCE, connection.read_to_end()).await??;
    let answer = String::from_utf8(answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200") && answer.contains("body"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_while_its_call_runs_again_harms_nobody() -> Result<()> {
    let service = failing("failed").await?;
    let fallback = Upstream::start(|_| std::future::pending()).await?;
    let edge = edge(&json!({ "cluster": "other" }), &fallback, &service, keeping()).await?;
    for client in [Client::new(), Client::http2()] {
        let before = fallback.calls().len();
        let request = edge.request("POST", PATH, full("body"))?;
        let call = tokio::spawn(async move { client.open(request).await });
        let asked = async {
            while fallback.calls().len() == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await?;
        call.abort();
    }
    edge.wait_for_outcomes(PAYMENT, Outcomes { failure: 2, ..Outcomes::default() }).await?;
    if !is_left_to_wasm("the calls of a module go on") {
        return Ok(());
    }
    edge.envoy.wait_for_counter("http.edge.downstream_rq_rx_reset", 1, PATIENCE).await?;
    assert_eq!(edge.metric(PAYMENT, "cb_kind=.=replay;.;", "fallback_total").await?, 0);
    Ok(())
}

/// Each run has a line of its own, and counts as a request; the second one knows what the first has said.
#[tokio::test]
async fn the_access_log_has_a_line_for_each_run() -> Result<()> {
    if is_left_to_native() {
        return Ok(());
    }
    const FORMAT: &str = "ran %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %UPSTREAM_CLUSTER% %REQ(:PATH)% \
                          %FILTER_STATE(wasm.edge_breaker_replaced_status:PLAIN)%\n";
    let (service, fallback) = (failing("failed").await?, Upstream::echo().await?);
    let log = tempfile::NamedTempFile::new()?;
    let access = json!([{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": log.path(),
            "log_format": { "text_format_source": { "inline_string": FORMAT } },
        },
    }]);
    let edge = Edge::setup(plugin(&json!({ "cluster": "other" })))
        .alone()
        .option("access_log", access)
        .cluster(cluster("other", fallback.address()))
        .cluster(cluster("failing", service.address()))
        .route(keeping())
        .start()
        .await?;
    assert_eq!(answered_by(&edge.get(PATH).await?), "replay");
    let began = Instant::now();
    let lines = loop {
        let lines = std::fs::read_to_string(log.path())?;
        if lines.lines().count() >= 2 || began.elapsed() > PATIENCE {
            break lines;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(
        lines,
        [
            format!("ran 503 internal_redirect failing {PATH} -"),
            format!("ran 200 via_upstream other {PATH} 503"),
        ]
    );
    let stats = edge.envoy.stats().await?;
    assert_eq!(stats.get("http.edge.downstream_rq_total"), Some(2));
    assert_eq!(stats.get("http.edge.downstream_rq_5xx"), Some(0));
    Ok(())
}

/// The answer is compressed on its way, as the service's would be.
#[tokio::test]
async fn filters_before_the_breaker_work_on_the_answer_to_a_call_that_runs_again() -> Result<()> {
    let answer = "from the fallback ".repeat(1000);
    let body = answer.clone();
    let fallback = Upstream::start(move |_| {
        let response = http::Response::builder().header("content-type", "text/plain");
        let response = response.body(upstream::full(body.clone()));
        async { Ok(response?) }
    })
    .await?;
    let compressor = json!({ "name": "compressor", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor",
        "compressor_library": { "name": "gzip", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip",
        }},
    }});
    // A failed answer with a body can be written into, by whichever form.
    for failed in if is_native() { vec!["", "failed"] } else { vec!["failed"] } {
        let service = failing(failed).await?;
        let edge = Edge::setup(plugin(&json!({ "cluster": "other" })))
            .earlier_filter(compressor.clone())
            .cluster(cluster("other", fallback.address()))
            .cluster(cluster("failing", service.address()))
            .route(keeping())
            .start()
            .await?;
        let mut request = edge.request("POST", PATH, full("body"))?;
        request.headers_mut().insert("accept-encoding", "gzip".parse()?);
        let response = edge.client.send(request).await?;
        assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
        assert_eq!(values(&response, "content-encoding"), [b"gzip"], "after {failed:?}");
        let mut text = String::new();
        std::io::Read::read_to_string(
            &mut flate2::read::GzDecoder::new(&response.body[..]),
            &mut text,
        )?;
        assert_eq!(text, answer);
    }
    Ok(())
}
