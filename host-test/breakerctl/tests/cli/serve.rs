//! `breakerctl serve`: real sockets, real time.

mod access;
mod cache;
mod commands;
mod drain;
mod load;
mod stream;
mod trace;

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Response;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;

use crate::support::breakerctl;

/// A runtime on a thread of its own.
fn background() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A service: it answers with a status and its name, and what it was sent.
struct Service {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    calls: Arc<AtomicUsize>,
    /// An answer takes one of these.
    gate: Arc<Semaphore>,
    _runtime: tokio::runtime::Runtime,
}

impl Service {
    fn start(name: &'static str) -> Self {
        let runtime = background();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let status = Arc::new(AtomicU16::new(200));
        let calls = Arc::new(AtomicUsize::new(0));
        let gate = Arc::new(Semaphore::new(1_000_000));
        let shared = (Arc::clone(&status), Arc::clone(&calls), Arc::clone(&gate));
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let shared = shared.clone();
                let answer = move |request: hyper::Request<hyper::body::Incoming>| {
                    let (status, calls, gate) = shared.clone();
                    async move {
                        calls.fetch_add(1, Ordering::SeqCst);
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        gate.acquire().await.unwrap().forget();
                        let text = format!("{name}:{}", String::from_utf8_lossy(&body));
                        let response = Response::builder().status(status.load(Ordering::SeqCst));
                        Ok::<_, Infallible>(response.body(Full::new(Bytes::from(text))).unwrap())
                    }
                };
                let service = hyper::service::service_fn(answer);
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(connection), service);
                tokio::spawn(connection);
            }
        });
        Self { address, status, calls, gate, _runtime: runtime }
    }

    fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// The tool as a proxy.
struct Proxy {
    child: Child,
    address: SocketAddr,
    /// Where the admin API answers.
    admin: SocketAddr,
    _room: tempfile::TempDir,
}

impl Proxy {
    fn start(config: &str, clusters: &[(&str, SocketAddr)]) -> Self {
        Self::start_with(config, clusters, &[])
    }

    fn start_with(config: &str, clusters: &[(&str, SocketAddr)], more: &[&str]) -> Self {
        let room = tempfile::tempdir().unwrap();
        let file = room.path().join("config.json");
        std::fs::write(&file, config).unwrap();
        let mut tool = breakerctl();
        tool.args(["serve", "--json", "--config"]).arg(file).args(more);
        if !config.contains("static_resources") {
            // A busy machine takes its time.
            tool.args(["--listen", "127.0.0.1:0", "--timeout", "2m"]);
        }
        for (name, address) in clusters {
            tool.arg("--cluster").arg(format!("{name}={address}"));
        }
        let mut child = tool.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        let parse = |address: &serde_json::Value| address.as_str().map(|it| it.parse().unwrap());
        let address = parse(&told["listen"]).unwrap();
        let admin = parse(&told["listeners"]["breaker-admin"]).unwrap_or(address);
        Self { child, address, admin, _room: room }
    }

    /// What the admin API says of a service: its state, and its failures in a row.
    fn breaker(&self, service: &str) -> (String, u64) {
        let mut connection = TcpStream::connect(self.admin).unwrap();
        let path = format!("/circuit-breaker/services/{service}");
        write!(connection, "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
            .unwrap();
        let (_, head, body) = receive(connection);
        let told: serde_json::Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {head} {body}"));
        (told["state"].as_str().unwrap().to_owned(), told["failure_count"].as_u64().unwrap())
    }

    fn connect(&self) -> TcpStream {
        let connection = TcpStream::connect(self.address).unwrap();
        connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        connection
    }

    /// Posts a body, and gives status, head and body of the answer.
    fn post(&self, path: &str, body: &str) -> (u16, String, String) {
        let mut connection = self.connect();
        send(&mut connection, path, body);
        receive(connection)
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(connection: &mut TcpStream, path: &str, body: &str) {
    let length = body.len();
    write!(
        connection,
        "POST {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
}

fn receive(mut connection: TcpStream) -> (u16, String, String) {
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

/// Waits for something that takes as long as it takes.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "it never came to be: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const CONFIG: &str = r#"{
    "expose_state": "always",
    "admin": {},
    "services": [{
        "name": "payment-service",
        "open": { "wait_duration": "0s" },
        "health_check": {
            "cluster": "payment", "path": "/", "interval": "500ms", "timeout": "500ms", "then": "close"
        },
        "fallback": { "cluster": "fallback", "on_failure": true }
    }]
}"#;

#[test]
fn a_service_that_fails_is_diverted_from_and_comes_back_by_its_health_check() {
    let (payment, fallback) = (Service::start("payment"), Service::start("fallback"));
    let clusters = [("payment", payment.address), ("fallback", fallback.address)];
    let proxy = Proxy::start(CONFIG, &clusters);
    let (status, head, body) = proxy.post("/charge", "1 EUR");
    assert_eq!((status, body.as_str()), (200, "payment:1 EUR"));
    assert!(head.contains("x-circuit-breaker-state: CLOSED"), "{head}");

    // Failed calls are answered by the fallback. The connections go to both workers in turn.
    payment.set_status(503);
    for _ in 0..3 {
        let (status, head, body) = proxy.post("/charge", "2 EUR");
        assert_eq!((status, body.as_str()), (200, "fallback:2 EUR"), "{head}");
        assert!(head.contains("x-circuit-breaker-fallback: replay"), "{head}");
    }
    let (status, head, body) = proxy.post("/charge", "3 EUR");
    assert_eq!((status, body.as_str()), (200, "fallback:3 EUR"), "{head}");
    assert!(head.contains("x-circuit-breaker-fallback: cluster"), "{head}");
    assert!(head.contains("x-circuit-breaker-state: OPEN"), "{head}");

    let url = format!("http://{}/circuit-breaker", proxy.address);
    let status = || crate::support::run(&["status", "payment-service", "--admin", &url]).code;
    assert_eq!(status(), Some(1));
    payment.set_status(200);
    eventually("the health check closes the breaker", || status() == Some(0));
    assert_eq!(proxy.post("/charge", "4 EUR").2, "payment:4 EUR");
}

#[test]
fn a_service_that_cannot_be_reached_is_a_failure() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = r#"{ "services": [{ "name": "a", "open": { "wait_duration": "1h", "max_wait_duration": "1h" },
        "fallback": { "on_failure": false, "response": { "status": 299 } } }] }"#;
    let proxy = Proxy::start(config, &[("nobody", nobody)]);
    let statuses: Vec<u16> = (0..4).map(|_| proxy.post("/", "").0).collect();
    assert_eq!(statuses, [503, 503, 503, 299]);
}

#[test]
fn a_signal_lets_what_is_under_way_finish() {
    let payment = Service::start("payment");
    payment.gate.forget_permits(1_000_000);
    let mut proxy =
        Proxy::start(r#"{ "services": [{ "name": "a" }] }"#, &[("payment", payment.address)]);
    let mut connections: Vec<_> = (0..4).map(|_| proxy.connect()).collect();
    connections.iter_mut().for_each(|connection| send(connection, "/", "late"));
    eventually("all calls are under way", || payment.calls() == 4);
    proxy.signal("-TERM");
    eventually("nobody is let in any more", || TcpStream::connect(proxy.address).is_err());
    payment.gate.add_permits(4);
    for connection in connections {
        let (status, _, body) = receive(connection);
        assert_eq!((status, body.as_str()), (200, "payment:late"));
    }
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_admin_api_can_have_an_address_of_its_own() {
    let payment = Service::start("payment");
    let admin = ["--admin", "127.0.0.1:0"];
    let proxy = Proxy::start_with(CONFIG, &[("payment", payment.address)], &admin);
    assert_eq!(proxy.breaker("payment-service"), ("CLOSED".to_owned(), 0));
    let (_, _, body) = proxy.post("/circuit-breaker/services", "");
    assert_eq!(body, "payment:", "where clients call it is a path as any other");
    payment.set_status(500);
    proxy.post("/", "");
    eventually("both see the same breaker", || proxy.breaker("payment-service").1 == 1);
}

#[test]
fn a_client_chooses_no_route_by_the_breakers_header() {
    let (payment, fallback) = (Service::start("payment"), Service::start("fallback"));
    let clusters = [("payment", payment.address), ("fallback", fallback.address)];
    // Known by its route, which the client's own header would choose.
    let config = r#"{ "services": [{ "name": "{cluster}", "open": { "wait_duration": "1h", "max_wait_duration": "1h" } }] }"#;
    let proxy = Proxy::start(config, &clusters);
    payment.set_status(500);
    (0..3).for_each(|_| drop(proxy.post("/", "")));
    let calls = payment.calls();
    for name in ["x-circuit-breaker-cluster", "X-Circuit-Breaker-Cluster"] {
        let mut connection = proxy.connect();
        write!(
            connection,
            "GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{name}: fallback\r\n\r\n"
        )
        .unwrap();
        assert_eq!(receive(connection).0, 503);
    }
    assert_eq!((payment.calls(), fallback.calls()), (calls, 0));
}

#[test]
fn a_configuration_that_cannot_be_served_is_reported_before_any_port_is_opened() {
    let room = tempfile::tempdir().unwrap();
    let file = room.path().join("config.json");
    std::fs::write(&file, "{ \"services\": [] }").unwrap();
    let config = file.to_str().unwrap();
    let serve =
        |args: &[&str]| crate::support::run(&[&["serve", "--config", config], args].concat());
    assert_eq!(serve(&["--cluster", "a=127.0.0.1:1"]).code, Some(1));
    let ran = serve(&["--cluster", "a=127.0.0.1:1", "--route", "/b=b"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("no cluster b"), "{ran:?}");
    assert_eq!(serve(&["--cluster", "a"]).code, Some(2));
    assert_eq!(serve(&[]).code, Some(2));
}
