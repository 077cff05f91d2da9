//! The answer that takes the place of a failed one passes the filters that the service's would, and
//! nothing takes it for the proxy's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use envoy_harness::client::{Client, Response, empty, full};
use envoy_harness::config::{cluster, http2_cluster};
use envoy_harness::{is_native, parse_yaml};
use http::HeaderMap;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use serde_json::{Value, json};
use tests::pages::Page;
use tests::{Edge, PATIENCE, PAYMENT, answered_by, primary_route};

use super::values;
use crate::upstream::{self, Body, RawUpstream, Refusing, Upstream};

const ORIGIN: &str = "https://shop.example";
const LONG: usize = 300 * 1024;
const LONGER: usize = 400 * 1024;
/// What nobody could take for text.
const ZIPPED: &[u8] = b"\x1f\x8b\x08\x00\x00\xff\xfe\x00\r\n\r\n0\r\n";

/// How calls fail, by the paths that lead there: with bodies, the last one by the proxy's own words.
const FAILING: [&str; 5] = ["/short", "/long", "/pieces", "/late", "/nobody"];
/// A path that is answered well, once.
const KEPT: &str = "/kept";
/// A failed answer that is a head and no more.
const BARE: &str = "/bare";

/// What the fallback answers, by what the request's query asks for.
const ANSWERS: [(&str, u16, Option<&str>); 4] =
    [("200", 200, None), ("204", 204, None), ("404", 404, Some("gzip")), ("long", 200, None)];

fn body_of(asked: &str) -> Bytes {
    match asked {
        "204" => Bytes::new(),
        "404" => Bytes::from_static(ZIPPED),
        "long" => (0..LONGER).map(|number| (number % 251) as u8).collect::<Vec<_>>().into(),
        _ => Bytes::from_static(b"from the fallback"),
    }
}

/// A body of unknown length.
fn pieces(late: bool) -> Body {
    let (mut frames, body) = Channel::<Bytes, anyhow::Error>::new(1);
    tokio::spawn(async move {
        for piece in ["fai", "led"] {
            if late {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let _ = frames.send_data(piece.into()).await;
        }
    });
    body.boxed_unsync()
}

async fn failing() -> Result<Upstream> {
    let has_answered = Arc::new(AtomicBool::new(false));
    Upstream::start(move |request| {
        let is_good = request.uri().path() == KEPT && !has_answered.swap(true, Ordering::SeqCst);
        async move {
            let path = request.uri().path().to_owned();
            // Only what has come to its end can be sent to another.
            request.into_body().collect().await?;
            if is_good {
                return Ok(http::Response::new(upstream::full("kept")));
            }
            failed(&path)
        }
    })
    .await
}

fn failed(path: &str) -> Result<http::Response<Body>> {
    let answer = http::Response::builder()
        .status(503)
        .header("content-type", "text/x-failed")
        .header("content-encoding", "x-failed")
        .header("etag", "failed")
        .header("retry-after", "1")
        .header("set-cookie", "failed=1");
    Ok(answer.body(match path {
        BARE => upstream::empty(),
        "/long" => upstream::full(vec![b'f'; LONG]),
        "/pieces" => pieces(false),
        "/late" => pieces(true),
        _ => upstream::full("failed"),
    })?)
}

async fn fallback() -> Result<Upstream> {
    Upstream::start(|request| async move {
        let asked = request.uri().query().unwrap_or_default();
        let (_, status, coding) =
            ANSWERS.into_iter().find(|(name, ..)| *name == asked).unwrap_or(ANSWERS[0]);
        let mut answer = http::Response::builder()
            .status(status)
            .header("content-type", "text/x-fallback")
            .header("set-cookie", "one=1")
            .header("set-cookie", "two=2");
        if let Some(coding) = coding {
            answer = answer.header("content-encoding", coding);
        }
        Ok(answer.body(upstream::full(body_of(asked)))?)
    })
    .await
}

/// Wraps and renumbers whatever it takes for the proxy's own, but for what these mappers say.
fn local_replies(mappers: &[Value]) -> Value {
    let any = json!({ "status_code_filter": { "comparison": {
        "op": "GE", "value": { "default_value": 100, "runtime_key": "any" },
    }}});
    let mut all = mappers.to_vec();
    all.push(json!({ "filter": any, "status_code": 500 }));
    let wrapped = json!({ "json_format": { "wrapped": "%LOCAL_REPLY_BODY%" } });
    json!({ "mappers": all, "body_format": wrapped })
}

fn plugin(fallback: &Value) -> Value {
    json!({ "services": [{
        "name": PAYMENT,
        "trip": { "consecutive_failures": 1_000_000 },
        "fallback": fallback,
    }] })
}

struct Site {
    edge: Edge,
    _servers: (Upstream, Upstream, Refusing),
}

impl Site {
    /// The CORS filter, the breaker, and services that fail in each way.
    async fn open(workers: u32, plugin: Value, mappers: &[Value]) -> Result<Self> {
        let servers = (failing().await?, fallback().await?, Refusing::bind()?);
        let policy = json!({ "cors": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
            "allow_origin_string_match": [{ "exact": ORIGIN }],
        }});
        let cors = json!({ "name": "cors", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors",
        }});
        let route = |prefix: &str, cluster: &str| {
            let route = envoy_harness::config::Route::prefix(prefix).cluster(cluster);
            route.timeout(PATIENCE).per_filter(policy.clone())
        };
        let edge = Edge::setup(plugin)
            .workers(workers)
            .earlier_filter(cors)
            .option("local_reply_config", local_replies(mappers))
            .cluster(cluster("failing", servers.0.address()))
            .cluster(cluster("other", servers.1.address()))
            .cluster(cluster("nobody", servers.2.address()))
            // Less than the long answers.
            .buffer_limit(32 * 1024)
            .route(route("/nobody", "nobody"))
            .route(route("/", "failing"))
            .start()
            .await?;
        Ok(Self { edge, _servers: servers })
    }

    /// Without a body, as a proxy needs to keep none to run a request again.
    async fn ask(&self, client: &Client, method: &str, path: &str) -> Result<Response> {
        self.send(client, method, path, empty()).await
    }

    /// With a body, which this proxy keeps for nobody: the filter itself calls the fallback.
    async fn ask_by_call(&self, client: &Client, path: &str) -> Result<Response> {
        self.send(client, "POST", path, full("body")).await
    }

    async fn send(
        &self,
        client: &Client,
        method: &str,
        path: &str,
        body: envoy_harness::client::Body,
    ) -> Result<Response> {
        let mut request = self.edge.request(method, path, body)?;
        request.headers_mut().insert("origin", ORIGIN.parse()?);
        client.send(request).await
    }
}

fn is_the_fallbacks(response: &Response, asked: &str) -> Result<()> {
    let (_, status, coding) = ANSWERS.into_iter().find(|it| it.0 == asked).context("unknown")?;
    let body = body_of(asked);
    ensure!(response.status == status, "{} {}", response.status, response.text());
    ensure!(response.body == body, "{} bytes", response.body.len());
    assert_eq!(answered_by(response), "replay");
    assert_eq!(values(response, "content-type"), [b"text/x-fallback"]);
    let codings = values(response, "content-encoding");
    assert_eq!(codings, coding.iter().map(|it| it.as_bytes()).collect::<Vec<_>>());
    assert_eq!(values(response, "set-cookie"), [b"one=1", b"two=2"]);
    let length = body.len().to_string();
    let length = if status == 204 { vec![] } else { vec![length.as_bytes()] };
    assert_eq!(values(response, "content-length"), length);
    for name in ["etag", "retry-after", "transfer-encoding"] {
        assert_eq!(values(response, name), [b""; 0], "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_replaces_a_failed_one_passes_other_filters_unchanged() -> Result<()> {
    for workers in [1, 2, 4] {
        let site = Site::open(workers, plugin(&json!({ "cluster": "other" })), &[]).await?;
        for failing in FAILING {
            for (asked, ..) in ANSWERS {
                // Connections go to the workers in turn.
                for client in [Client::new(), Client::http2(), Client::new(), Client::http2()] {
                    let path = format!("{failing}?{asked}");
                    let mut responses = vec![site.ask(&client, "GET", &path).await?];
                    // Who refuses may be quicker than a body.
                    if failing != "/nobody" {
                        responses.push(site.ask_by_call(&client, &path).await?);
                    }
                    for response in responses {
                        is_the_fallbacks(&response, asked).with_context(|| path.clone())?;
                        let allowed = values(&response, "access-control-allow-origin");
                        assert_eq!(allowed, [ORIGIN.as_bytes()], "{path}, {workers} workers");
                    }
                }
            }
        }
        let log = site.edge.envoy.log();
        ensure!(!log.contains("event=callback_missing"), "{log}");
    }
    Ok(())
}

#[tokio::test]
async fn a_connection_can_be_used_again_after_each_replaced_answer() -> Result<()> {
    let site = Site::open(1, plugin(&json!({ "cluster": "other" })), &[]).await?;
    for client in [Client::new(), Client::http2()] {
        for failing in FAILING {
            for (asked, ..) in ANSWERS {
                let response = site.ask(&client, "GET", &format!("{failing}?{asked}")).await?;
                is_the_fallbacks(&response, asked).with_context(|| format!("{failing}?{asked}"))?;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_configured_and_a_stale_answer_pass_other_filters_too() -> Result<()> {
    let response = json!({ "response": {
        "status": 404, "headers": { "content-type": "text/x-later" }, "body": "later",
    }});
    let site = Site::open(2, plugin(&response), &[]).await?;
    for failing in FAILING {
        for client in [Client::new(), Client::http2()] {
            let response = site.ask(&client, "POST", failing).await?;
            assert_eq!((response.status.as_u16(), response.text().as_str()), (404, "later"));
            assert_eq!(answered_by(&response), "response");
            assert_eq!(values(&response, "content-type"), [b"text/x-later"]);
            assert_eq!(values(&response, "access-control-allow-origin"), [ORIGIN.as_bytes()]);
        }
    }
    let site = Site::open(2, plugin(&json!({ "stale": {} })), &[]).await?;
    assert_eq!(site.ask(&Client::new(), "GET", KEPT).await?.status, 200);
    for client in [Client::new(), Client::http2(), Client::new(), Client::http2()] {
        let response = site.ask(&client, "GET", KEPT).await?;
        assert_eq!((response.status.as_u16(), response.text().as_str()), (200, "kept"));
        assert_eq!(answered_by(&response), "stale");
        assert_eq!(values(&response, "access-control-allow-origin"), [ORIGIN.as_bytes()]);
    }
    Ok(())
}

/// The mapper of the page.
fn mapper() -> Result<Value> {
    parse_yaml(Page::read("docs/envoy.md")?.block("yaml mapper")?)
}

#[tokio::test]
async fn the_answer_that_replaces_a_bare_head_is_the_proxys_own_reply() -> Result<()> {
    let site = Site::open(1, plugin(&json!({ "cluster": "other" })), &[]).await?;
    for client in [Client::new(), Client::http2()] {
        let response = site.ask_by_call(&client, &format!("{BARE}?200")).await?;
        assert_eq!(response.status, 500);
        assert_eq!(response.json()?, json!({ "wrapped": "from the fallback" }));
        assert_eq!(values(&response, "access-control-allow-origin"), [b""; 0]);
    }
    Ok(())
}

/// One that ran again has an answer of its own to pass.
#[tokio::test]
async fn the_answer_to_a_call_that_runs_again_passes_other_filters_whatever_failed() -> Result<()> {
    if !is_native() {
        return Ok(());
    }
    let site = Site::open(2, plugin(&json!({ "cluster": "other" })), &[]).await?;
    for failing in FAILING.into_iter().chain([BARE]) {
        for (asked, ..) in ANSWERS {
            for client in [Client::new(), Client::http2()] {
                let path = format!("{failing}?{asked}");
                let response = site.ask(&client, "GET", &path).await?;
                is_the_fallbacks(&response, asked).with_context(|| path.clone())?;
                let allowed = values(&response, "access-control-allow-origin");
                assert_eq!(allowed, [ORIGIN.as_bytes()], "{path}");
                let head = site.ask(&client, "HEAD", &path).await?;
                assert_eq!((answered_by(&head), head.body.len()), ("replay", 0), "{path}");
                assert_eq!(values(&head, "access-control-allow-origin"), [ORIGIN.as_bytes()]);
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_mapper_leaves_the_filters_own_answers_unchanged() -> Result<()> {
    let mappers = [mapper()?];
    let mut plugin = plugin(&json!({ "cluster": "other" }));
    let response = json!({ "response": {
        "status": 429, "headers": { "content-type": "text/x-later" }, "body": "later",
    }});
    plugin["services"].as_array_mut().context("services")?.insert(
        0,
        json!({
            "name": "closed-for-good",
            "match": { "path_prefixes": ["/closed"] },
            "mode": "forced_open",
            "fallback": response,
        }),
    );
    let site = Site::open(1, plugin, &mappers).await?;
    for client in [Client::new(), Client::http2()] {
        for asked in ["200", "404", "long"] {
            let response = site.ask_by_call(&client, &format!("{BARE}?{asked}")).await?;
            is_the_fallbacks(&response, asked)?;
        }
        let empty = site.ask_by_call(&client, &format!("{BARE}?204")).await?;
        assert_eq!((empty.status.as_u16(), empty.body.len()), (204, 0));
        let head = site.ask(&client, "HEAD", "/short?200").await?;
        assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
        let closed = site.ask(&client, "GET", "/closed").await?;
        assert_eq!((closed.status.as_u16(), closed.text().as_str()), (429, "later"));
        assert_eq!(values(&closed, "content-type"), [b"text/x-later"]);
        // So does the admin API, and the proxy's own are wrapped as before.
        assert_eq!(site.edge.breaker(PAYMENT).await?.state, "CLOSED");
        let missing = site.edge.get("/circuit-breaker/services/nobody").await?;
        assert_eq!(missing.status, 404, "{missing:?}");
        assert_eq!(values(&missing, "content-type"), [b"application/json"]);
        ensure!(missing.json()?["error"].is_string(), "{missing:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_services_headers_about_who_may_read_stay_in_the_fallbacks_answer() -> Result<()> {
    let service = Upstream::start(|_| async {
        let answer = http::Response::builder().status(503);
        let answer = answer.header("access-control-allow-origin", ORIGIN).header("vary", "origin");
        Ok(answer.header("x-failed", "1").body(upstream::full("failed"))?)
    })
    .await?;
    let edge = Edge::setup(plugin(&json!({ "cluster": "fallback" })))
        .upstream(cluster("failing", service.address()))
        .start()
        .await?;
    if is_native() {
        let response = edge.get("/charge").await?;
        assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
        assert_eq!(values(&response, "access-control-allow-origin"), [b""; 0], "it ran again");
    }
    let response = edge.post("/charge", "body").await?;
    assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
    assert_eq!(values(&response, "access-control-allow-origin"), [ORIGIN.as_bytes()]);
    assert_eq!(values(&response, "vary"), [b"origin"]);
    assert_eq!(values(&response, "x-failed"), [b""; 0]);
    Ok(())
}

/// A failed answer of HTTP/2 with trailers, after a body or after none.
async fn with_trailers(body: &'static str) -> Result<Upstream> {
    Upstream::start(move |request| async move {
        request.into_body().collect().await?;
        let trailers = HeaderMap::from_iter([("x-sum".parse()?, "1".parse()?)]);
        let body = if body.is_empty() { upstream::empty() } else { upstream::full(body) };
        let body = body.with_trailers(async { Some(Ok(trailers)) }).boxed_unsync();
        Ok(http::Response::builder().status(503).body(body)?)
    })
    .await
}

async fn trailing(service: &Upstream) -> Result<Edge> {
    Edge::setup(plugin(&json!({ "cluster": "fallback" })))
        .upstream(http2_cluster("failing", service.address()))
        .start()
        .await
}

#[tokio::test]
async fn trailers_of_a_failed_answer_do_not_follow_the_fallbacks() -> Result<()> {
    let service = with_trailers("failed").await?;
    let edge = trailing(&service).await?;
    for client in [Client::new(), Client::http2()] {
        let response = client.send(edge.request("POST", "/charge", full("{}"))?).await?;
        assert_eq!((response.status.as_u16(), answered_by(&response)), (200, "replay"));
        assert_eq!(response.json()?["source"], "fallback-service");
        assert_eq!(response.trailers, HeaderMap::new());
    }
    Ok(())
}

#[tokio::test]
async fn trailers_that_follow_no_body_cut_the_fallbacks_answer_off() -> Result<()> {
    let service = with_trailers("").await?;
    let edge = trailing(&service).await?;
    for client in [Client::new(), Client::http2()] {
        let request = edge.request("POST", "/charge", full("{}"))?;
        // Where its client can see no reset, it sees that the length is another.
        if let Ok(response) = client.send(request).await {
            let length = response.header("content-length").context("no length")?;
            ensure!(length != "0" && response.body.is_empty(), "{response:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_fallbacks_answer_is_there_at_once_and_ends_when_the_failed_one_does() -> Result<()> {
    const ROUTE: Duration = Duration::from_secs(3);
    // It begins to fail, and never ends.
    let cut = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 100\r\n\r\nhalf";
    let service = RawUpstream::start(move |mut stream| async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, cut.as_bytes()).await;
        std::future::pending::<()>().await;
    })
    .await?;
    let route = primary_route().cluster("failing").timeout(ROUTE);
    let edge = Edge::setup(plugin(&json!({ "response": { "status": 200, "body": "later" } })))
        .cluster(cluster("failing", service.address()))
        .route(route)
        .start()
        .await?;
    // In HTTP/1.1 its length says where it ends.
    let response = edge.get("/charge").await?;
    assert_eq!((response.status.as_u16(), response.text().as_str()), (200, "later"));
    // In HTTP/2 its stream does: all of it is there, and then the route's time is over.
    let mut body =
        Client::http2().open(edge.request("GET", "/charge", empty())?).await?.into_body();
    let piece = body.frame().await.context("nothing")??;
    assert_eq!(piece.into_data().ok().as_deref(), Some(&b"later"[..]));
    let began = Instant::now();
    ensure!(body.frame().await.is_none_or(|it| it.is_err()), "more than the fallback's answer");
    ensure!(began.elapsed() > ROUTE / 2, "after {:?}", began.elapsed());
    Ok(())
}
