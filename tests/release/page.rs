//! The admin API's page in a real browser, on a real proxy under load.

mod chromium;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use envoy_harness::client::empty;
use envoy_harness::repo_root;
use host_test_component::node::Project;
use serde_json::json;
use tests::{Edge, PAYMENT};

use tests::load::{Load, patient_fallback, patient_route};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/release/page/browser");

/// One browser at a time: each keeps both cores busy while it starts.
static BROWSER: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A script of the browser's, about to run on an edge.
fn script(name: &str, edge: &Edge) -> Result<Command> {
    let project = Project::open("page", Path::new(SCRIPTS))?;
    let pictures = repo_root().join("target/page");
    fs::create_dir_all(&pictures)?;
    let mut command = project.command(name);
    command
        .arg(chromium::locate()?)
        .arg(format!("http://{}/circuit-breaker", edge.admin))
        .arg(format!("http://{}", edge.services.control()))
        .arg(pictures);
    Ok(command)
}

/// Runs a script to its end, off the threads that the services run on. It may ask for something in between.
async fn run(mut command: Command, mut asked: impl FnMut(&str) + Send + 'static) -> Result<()> {
    let _alone = BROWSER.lock().await;
    tokio::task::spawn_blocking(move || {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("no input")?;
        let mut last = String::new();
        for line in BufReader::new(child.stdout.take().context("no output")?).lines() {
            last = line?;
            println!("{last}");
            asked(&last);
            // It may have ended by now.
            let _ = writeln!(input);
        }
        let status = child.wait()?;
        ensure!(status.success() && last == "well", "{command:?}: {status}");
        Ok(())
    })
    .await?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make test-deep: takes a browser"]
async fn the_page_shows_a_trip_and_the_recovery_and_controls_breakers() -> Result<()> {
    let service = |name: &str| {
        json!({
            "name": name, "match": { "path_prefixes": [format!("/{name}")] },
            "open": { "wait_duration": "8s", "jitter": 0 }, "fallback": patient_fallback(),
        })
    };
    let plugin = json!({ "services": [service(PAYMENT), service("inventory-service")] });
    let edge = Edge::setup(plugin).workers(4).route(patient_route()).alone().start().await?;
    let load = Load::start(10, &edge.url("/payment-service/charge"));
    edge.services.service(PAYMENT).set_latency(std::time::Duration::from_millis(20));
    load.until_more(10).await?;
    let script = script("one.mjs", &edge)?;
    let mut envoy = Some(edge.envoy);
    run(script, move |line| {
        if line == "stop the proxy" {
            drop(envoy.take());
        }
    })
    .await
}

/// An edge with so many services, of which one is forced open.
async fn with_services(many: u32) -> Result<Edge> {
    let service = |number: u32| {
        let name = format!("service-{number:03}");
        let mode = if number == 7 { "forced_open" } else { "enabled" };
        json!({ "name": name, "mode": mode, "match": { "path_prefixes": [format!("/{name}")] } })
    };
    let services: Vec<_> = (0..many).map(service).collect();
    Edge::start_with(json!({ "services": services }), 2, patient_route()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make test-deep: takes a browser"]
async fn a_thousand_breakers_are_shown_in_less_than_half_as_much_time_again_as_a_hundred()
-> Result<()> {
    let (hundred, thousand, twenty) =
        (with_services(100).await?, with_services(1000).await?, with_services(20).await?);
    let mut script = script("many.mjs", &hundred)?;
    for other in [&thousand, &twenty] {
        script.arg(format!("http://{}/circuit-breaker", other.admin));
    }
    run(script, |_| {}).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make test-deep: takes a browser"]
async fn the_page_shows_a_peer_that_lists_its_origin_and_no_other_page_may_read_or_steer()
-> Result<()> {
    let plugin = json!({
        "services": [{ "name": "peer-service" }],
        "admin": { "token": "peer-s3cret", "origins": ["http://ops.example"] }
    });
    let peer = Edge::setup(json!({})).written(Some(&plugin.to_string())).start().await?;
    let plugin = json!({
        "services": [{ "name": PAYMENT }],
        "admin": { "token": "own-s3cret", "peers": [format!("http://{}", peer.admin)] }
    });
    let edge = Edge::setup(json!({})).written(Some(&plugin.to_string())).start().await?;
    let mut script = script("peers.mjs", &edge)?;
    script.arg(format!("http://{}/circuit-breaker", peer.admin));
    run(script, |_| {}).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make test-deep: takes a browser"]
async fn the_page_asks_for_the_token() -> Result<()> {
    let plugin = json!({ "services": [{ "name": PAYMENT }], "admin": { "token": "s3cret" } });
    let edge = Edge::setup(json!({})).written(Some(&plugin.to_string())).start().await?;
    let url = edge.url("/circuit-breaker/services");
    let request = http::Request::get(&url).body(empty())?;
    assert_eq!(edge.client.send(request).await?.status, 401);
    run(script("token.mjs", &edge)?, |_| {}).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make test-deep: takes a browser"]
async fn the_page_says_why_it_shows_no_breaker() -> Result<()> {
    let edge = Edge::setup(json!({})).start().await?;
    run(script("none.mjs", &edge)?, |_| {}).await
}
