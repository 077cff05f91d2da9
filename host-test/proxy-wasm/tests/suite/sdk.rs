//! Filters as people write them with the Rust SDK, built from `guests/` once for all tests.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use host_test_proxy_wasm::{
    CallAnswer, Event, Headers, Module, Options, Part, Plugin, Process, StartError, Worker,
};

use crate::guest::said;
use crate::support::{Outcome, exchange, request, response};

fn module(name: &str) -> Module {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
        let status = artifacts::cargo(&source, "wasm32-wasip1")
            .args(["--locked", "--release", "--examples", "--target-dir"])
            .arg(&target)
            .status()
            .unwrap();
        assert!(status.success(), "the guests were not built");
        target.join("wasm32-wasip1/release/examples")
    });
    let bytes = std::fs::read(built.join(name).with_extension("wasm")).unwrap();
    Module::new(&bytes, &Options::default()).unwrap()
}

fn start(name: &str, configuration: &str) -> Result<(Process, Worker), StartError> {
    let process = Process::new();
    let configuration = configuration.as_bytes();
    let worker = Worker::start(&process, &module(name), Plugin::default(), configuration)?;
    Ok((process, worker))
}

#[test]
fn a_request_goes_on_once_another_service_knows_the_client() {
    let (_process, mut worker) = start("authenticate", "").unwrap();
    let stream = worker.open_stream();
    let mut headers = request("GET", "/");
    headers.add("authorization", "Bearer 1");
    let call = Outcome::from(worker.request_headers(stream, headers, true)).calls.remove(0);
    assert_eq!(call.cluster, "auth");
    assert_eq!(call.headers.text("authorization"), Some("Bearer 1"));
    let outcome = Outcome::from(worker.answer_call(call.token, CallAnswer::status(200, "ann")));
    assert_eq!(outcome.request.unwrap().text("x-user"), Some("ann"));
    assert!(outcome.route_cleared);
    let outcome = Outcome::from(worker.response_headers(stream, response(200), true));
    assert_eq!(outcome.response.unwrap().text("x-filtered"), Some("authenticate"));
}

#[test]
fn a_client_that_nobody_knows_is_turned_away() {
    let (process, mut worker) = start("authenticate", "").unwrap();
    let turned_away = |worker: &mut Worker, answer| {
        let stream = worker.open_stream();
        let mut outcome = Outcome::from(worker.request_headers(stream, request("GET", "/"), true));
        if let Some(call) = outcome.calls.pop() {
            outcome.extend(worker.answer_call(call.token, answer));
        }
        outcome.extend(worker.end_stream(stream));
        assert_eq!(outcome.request, None);
        assert!(outcome.trap.is_none());
        let headers = outcome.response.as_ref().unwrap();
        assert_eq!(headers.text("x-filtered"), Some("authenticate"), "by its own callback");
        outcome.status().unwrap()
    };
    assert_eq!(turned_away(&mut worker, CallAnswer::status(403, "")), 401);
    assert_eq!(turned_away(&mut worker, CallAnswer::Failed), 503);
    process.set_clusters(["other"]);
    assert_eq!(turned_away(&mut worker, CallAnswer::Failed), 503);
}

#[test]
fn an_answer_for_a_client_that_went_away_harms_nobody() {
    let (_process, mut worker) = start("authenticate", "").unwrap();
    let stream = worker.open_stream();
    let call = Outcome::from(worker.request_headers(stream, request("GET", "/"), true)).calls;
    worker.end_stream(stream);
    assert_eq!(worker.answer_call(call[0].token, CallAnswer::status(200, "ann")), []);
    assert!(worker.is_running());
}

#[test]
fn a_response_is_rewritten_as_a_whole() {
    let (process, mut worker) = start("redact", "").unwrap();
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/"), false);
    worker.request_body(stream, "abc", false);
    worker.request_body(stream, "de", true);
    let mut headers = response(200);
    headers.add("content-length", "26");
    let outcome = Outcome::from(worker.response_headers(stream, headers, false));
    assert_eq!(outcome.response.unwrap().get("content-length"), None);
    assert_eq!(worker.response_body(stream, "card 41111111", false), []);
    let events = worker.response_body(stream, "11111111 ok", true);
    let body = Part::Body(b"card [card] ok".to_vec(), true);
    assert_eq!(events, [Event::Response(stream, body)]);
    worker.end_stream(stream);
    assert_eq!(said(&process), ["sent=5"]);
}

#[test]
fn a_share_of_requests_is_drawn_as_configured() {
    let (_process, mut worker) = start("split", "30").unwrap();
    let next = (0..1000)
        .filter(|_| exchange(&mut worker, 200).request.unwrap().get("x-version").is_some())
        .count();
    assert!((200..400).contains(&next), "{next}");
    assert_eq!(worker.configure(b"many"), Err(StartError::ConfigurationRefused));
    worker.configure(b"100").unwrap();
    assert!(exchange(&mut worker, 200).route_cleared);
    assert_eq!(start("split", "101").unwrap_err(), StartError::ConfigurationRefused);
}

#[test]
fn metadata_of_the_node_and_of_the_route_can_be_read() {
    let node = ["xds", "node", "id"].map(str::to_owned).to_vec();
    let plugin = Plugin { properties: vec![(node, b"node-7".to_vec())], ..Plugin::default() };
    let mut worker = Worker::start(&Process::new(), &module("tag"), plugin, b"").unwrap();
    let stream = worker.open_stream();
    let path = ["xds", "route_metadata", "filter_metadata", "team", "name"];
    worker.set_property(stream, &path, "payments");
    worker.request_headers(stream, request("GET", "/"), true);
    let outcome = Outcome::from(worker.response_headers(stream, response(200), true));
    let headers = outcome.response.unwrap();
    assert_eq!(headers.text("x-through"), Some("node-7"));
    assert_eq!(headers.text("x-team"), Some("payments"));
    let headers = exchange(&mut worker, 200).response.unwrap();
    assert_eq!(headers.text("x-team"), Some("nobody"));
}

fn grpc(status: &str, body: &[u8]) -> CallAnswer {
    CallAnswer::Response {
        headers: Headers::from_iter([(":status", "200"), ("content-type", "application/grpc")]),
        body: body.to_vec(),
        trailers: Headers::from_iter([("grpc-status", status), ("grpc-message", "so it is")]),
    }
}

#[test]
fn a_grpc_call_is_framed_and_its_answer_is_read() {
    let (process, mut worker) = start("permit", "").unwrap();
    let mut ask = |answer| {
        let stream = worker.open_stream();
        let mut outcome = Outcome::from(worker.request_headers(stream, request("GET", "/p"), true));
        let call = outcome.calls.remove(0);
        assert_eq!(call.headers.text(":path"), Some("/permits.v1.Permits/Check"));
        assert_eq!(call.headers.text("x-purpose"), Some("test"));
        assert_eq!(call.headers.text("grpc-timeout"), Some("300m"));
        assert_eq!(call.body, b"\0\0\0\0\x02/p");
        outcome.extend(worker.answer_call(call.token, answer));
        assert!(outcome.trap.is_none());
        (outcome.request.is_some(), outcome.status(), outcome.response_body)
    };
    assert_eq!(ask(grpc("0", b"\0\0\0\0\x03yes")), (true, None, vec![]));
    assert_eq!(ask(grpc("0", b"\0\0\0\0\x02no")), (false, Some(403), vec![]));
    let failed = |body: &str| (false, Some(502), body.as_bytes().to_vec());
    assert_eq!(ask(grpc("5", b"")), failed("5 so it is{via_upstream}"));
    assert_eq!(ask(grpc("0", b"\0\0\0\0\x09cut")), failed("13 "));
    assert_eq!(ask(CallAnswer::status(503, "")), failed("14 "));
    assert_eq!(ask(CallAnswer::Failed), failed("14 "));

    process.set_clusters(["other"]);
    assert_eq!(exchange(&mut worker, 200).status(), Some(503));
}
