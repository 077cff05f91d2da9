//! What differs between the forms, row by row of the table on the page: each is the same configuration in
//! one Envoy with the Wasm form and in one with the native form.

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use envoy_harness::client::{Client, Response, full};
use envoy_harness::config::{Bootstrap, Listener, RightsIn, Route, Wasm, cluster};
use envoy_harness::{Envoy, EnvoyOptions, repo_root};
use serde_json::{Value, json};
use tests::pages::Page;
use tests::rights::rights;
use tests::{PATIENCE, answered_by, module, protected};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The rows of the table, by how they begin, and the test that holds each: below, or among those of
/// answers in a failed one's place.
const HELD: [(&str, &str); 16] = [
    ("timers", TICKS),
    ("a failed call whose request Envoy has kept", ROUTED),
    ("a body beyond `max_request_bytes`", "a_request_is_replayed_whole_or_not_at_all"),
    ("`fallback.host` and `fallback.timeout`", ROUTED),
    ("a fallback that fails too", "a_fallback_that_fails_too_is_asked_once"),
    ("a failed answer without a body", FILTERED),
    ("`vary` and `access-control-*` of a failed answer", READABLE),
    ("a bulkhead permit of a failed call", "what_a_call_holds_is_free_before_it_runs_again"),
    ("a call to the fallback whose client goes away", LEFT),
    ("`x-forwarded-for` of [callouts]", TICKS),
    ("`edge_breaker_record_version`", TICKS),
    ("a failed call with more than 1,024 headers", REPLACED),
    ("a configuration that is given as a `Struct`", GIVEN),
    ("capabilities that are withheld", GIVEN),
    ("log lines are under the component", TICKS),
    ("an answer in a failed one's place has headers with empty values", REPLACED),
];
const ROUTED: &str = "a_failed_call_is_answered_through_the_fallbacks_own_route";
const FILTERED: &str = "filters_before_the_breaker_work_on_the_answer_to_a_call_that_runs_again";
const READABLE: &str = "the_services_headers_about_who_may_read_stay_in_the_fallbacks_answer";
const TICKS: &str = "timers_checks_metrics_and_log_lines_are_each_of_their_form";
const REPLACED: &str =
    "a_failed_call_is_asked_again_with_more_headers_and_answered_without_empty_ones";
const LEFT: &str = "a_call_to_the_fallback_ends_with_its_client_in_the_native_form_only";
const GIVEN: &str = "a_struct_is_for_the_native_form_and_rights_are_for_the_other";

#[test]
fn every_row_of_the_table_is_held_by_a_test_that_exists() -> Result<()> {
    let page = Page::read("docs/dynamic-module.md")?;
    let (_, table) = page.text().split_once("## What differs").context("no such section")?;
    let rows: Vec<_> = table.lines().filter_map(|line| line.strip_prefix("| ")).skip(2).collect();
    assert_eq!(rows.len(), HELD.len(), "{rows:#?}");
    let files = [
        "tests/dynamic-module/differences.rs",
        "tests/envoy/diversion/rerun.rs",
        "tests/envoy/diversion/in_place.rs",
    ];
    let tests = files.map(|file| fs::read_to_string(repo_root().join(file)));
    let tests = tests.into_iter().collect::<Result<String, _>>()?;
    for (row, (begin, test)) in rows.into_iter().zip(HELD) {
        assert!(row.starts_with(begin), "{row}: {begin}");
        assert!(tests.contains(&format!("async fn {test}(")), "{test}");
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Wasm,
    Native,
}

const FORMS: [Form; 2] = [Form::Wasm, Form::Native];

/// A server that answers each request with these bytes, or does not, and keeps the heads that it got.
struct Raw {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    _connections: JoinSet<()>,
}

impl Raw {
    async fn start(answer: Option<&'static str>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.spawn(serve(stream, answer, Arc::clone(&seen)));
            }
        });
        Ok(Self { address, heads, _connections: connections })
    }

    /// The first head, once it has come.
    async fn asked(&self) -> Result<String> {
        let asked = async {
            loop {
                let first =
                    self.heads.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
                match first {
                    Some(first) => return first,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        Ok(tokio::time::timeout(PATIENCE, asked).await?)
    }
}

async fn serve(mut stream: TcpStream, answer: Option<&str>, heads: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        if !stream.read_buf(&mut read).await.is_ok_and(|count| count > 0) {
            return;
        }
    }
    let head = String::from_utf8_lossy(&read).into_owned();
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(head);
    if let Some(answer) = answer {
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
    // Until the other side closes.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}

const FAILED: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 6\r\n\r\nfailed";
const FINE: &str = "HTTP/1.1 200 OK\r\nx-empty:\r\nx-full: 1\r\ncontent-length: 8\r\n\r\nfallback";

/// An Envoy with one of the forms before a service that fails, with this server as its fallback.
struct Edge {
    envoy: Envoy,
    address: SocketAddr,
    _service: Raw,
}

impl Edge {
    async fn start(form: Form, fallback: &Raw, rules: &Value) -> Result<Self> {
        let service = Raw::start(Some(FAILED)).await?;
        let mut guarded = json!({
            "name": "a", "open": { "wait_duration": "1h" },
            "fallback": { "cluster": "fallback", "timeout": "2s" },
        });
        for (field, value) in rules.as_object().context("no rules")? {
            guarded[field] = value.clone();
        }
        let many = json!({ "max_headers_count": 4000 });
        let route = Route::prefix("/").cluster("service").timeout(PATIENCE);
        let listener = protected(&json!({ "services": [guarded] }), route)?
            .option("common_http_protocol_options", many)
            .option("max_request_headers_kb", json!(96));
        let config = Bootstrap::new()
            .cluster(cluster("service", service.address))
            .cluster(cluster("fallback", fallback.address))
            .listener(listener);
        let options = EnvoyOptions::new(config.build());
        let options = if form == Form::Native { options.native() } else { options };
        let envoy = options.start().await?;
        let address = envoy.listener_addr("edge").await?;
        Ok(Self { envoy, address, _service: service })
    }

    /// A request with a body, which Envoy keeps no copy of.
    async fn post(&self, headers: usize) -> Result<Response> {
        let mut request = http::Request::post(format!("http://{}/", self.address));
        for number in 0..headers {
            request = request.header(format!("x-{number}"), "1");
        }
        Client::new().send(request.body(full("body"))?).await
    }
}

/// The names of a process' threads.
fn threads(process: u32) -> Result<Vec<String>> {
    let tasks = fs::read_dir(format!("/proc/{process}/task"))?;
    let name = |task: std::io::Result<fs::DirEntry>| fs::read_to_string(task?.path().join("comm"));
    Ok(tasks.map(name).collect::<std::io::Result<Vec<_>>>()?)
}

#[tokio::test]
async fn timers_checks_metrics_and_log_lines_are_each_of_their_form() -> Result<()> {
    for form in FORMS {
        let checked = Raw::start(Some(FINE)).await?;
        let rules = json!({
            "trip": { "consecutive_failures": 1 },
            "open": { "wait_duration": "0s" },
            "fallback": { "response": {} },
            "health_check": { "cluster": "fallback", "path": "/health", "interval": "100ms" },
        });
        let edge = Edge::start(form, &checked, &json!(rules)).await?;
        edge.post(0).await?;
        let line = edge.envoy.wait_for_log("from=CLOSED to=OPEN", PATIENCE).await?;
        edge.envoy.wait_for_log("reason=health_check", PATIENCE).await?;
        let heads = checked.heads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let check = heads.iter().find(|head| head.starts_with("GET")).context("no check")?;
        let ticks = threads(edge.envoy.pid())?.iter().any(|name| name.trim() == "edge_breaker");
        let metrics = edge.envoy.prometheus().await?;
        let seen = (
            ticks,
            check.contains("x-forwarded-for: "),
            metrics.text().contains("edge_breaker_record_version"),
            line.contains("[wasm]"),
            line.contains("[dynamic_modules]"),
        );
        let expected = match form {
            Form::Wasm => (false, false, true, true, false),
            Form::Native => (true, true, false, false, true),
        };
        assert_eq!(seen, expected, "{form:?}: {line}\n{check}");
    }
    Ok(())
}

#[tokio::test]
async fn a_failed_call_is_asked_again_with_more_headers_and_answered_without_empty_ones()
-> Result<()> {
    for form in FORMS {
        let fallback = Raw::start(Some(FINE)).await?;
        let edge = Edge::start(form, &fallback, &json!({})).await?;
        let answer = edge.post(0).await?;
        assert_eq!((answered_by(&answer), answer.header("x-full")), ("replay", Some("1")));
        let empty = (form == Form::Wasm).then_some("");
        assert_eq!(answer.header("x-empty"), empty, "{form:?}");
        let by = if form == Form::Wasm { "downstream" } else { "replay" };
        assert_eq!(answered_by(&edge.post(1_100).await?), by, "{form:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_to_the_fallback_ends_with_its_client_in_the_native_form_only() -> Result<()> {
    for form in FORMS {
        let hanging = Raw::start(None).await?;
        let edge = Edge::start(form, &hanging, &json!({})).await?;
        let url = format!("http://{}/", edge.address);
        let call = tokio::spawn(async move {
            Client::new().send(http::Request::post(url).body(full("body"))?).await
        });
        hanging.asked().await?;
        call.abort();
        edge.envoy.wait_for_counter("cluster.fallback.upstream_cx_destroy", 1, PATIENCE).await?;
        let timeouts = edge.envoy.counter("cluster.fallback.upstream_rq_timeout").await?;
        assert_eq!(timeouts, u64::from(form == Form::Wasm), "{form:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_struct_is_for_the_native_form_and_rights_are_for_the_other() -> Result<()> {
    let filter = || anyhow::Ok(Wasm::new("edge-breaker", &module()?));
    let config = json!({ "services": [{ "name": "a" }] });
    let mut given = filter()?.build();
    given["typed_config"]["config"]["configuration"] =
        json!({ "@type": "type.googleapis.com/google.protobuf.Struct", "value": config });
    const WITHHELD: &str = "proxy_get_shared_data";
    let rights = rights()?;
    let rights = rights.iter().map(|right| right.name.as_str()).filter(|name| *name != WITHHELD);
    let withheld = filter()?.configuration(&config).rights(RightsIn::Plugin, rights).build();
    for (filter, why) in [(given, "StringValue"), (withheld, WITHHELD)] {
        let route = Route::prefix("/").direct_response(200, "");
        let listener = Listener::new("edge").filter(filter).route(route);
        let options = EnvoyOptions::new(Bootstrap::new().listener(listener).build());
        let refused = options.clone().start().await.err().context("it starts")?;
        ensure!(format!("{refused:#}").contains(why), "{refused:#}");
        options.native().start().await?;
    }
    Ok(())
}
