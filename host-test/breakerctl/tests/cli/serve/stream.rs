//! Bodies pass piece by piece in both directions, and whoever breaks off is told from the other.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use services::{Mode, Ports, Services};

use super::{Proxy, background, eventually, receive};

/// The breaker trips at once, and stays so.
const STRICT: &str = r#"{ "admin": {}, "services": [{
    "name": "payment-service", "trip": { "consecutive_failures": 1 },
    "match": { "path_prefixes": ["/payment-service"] },
    "open": { "wait_duration": "1h", "max_wait_duration": "1h" }, "fallback": { "on_failure": false }
}] }"#;

const MIB: usize = 1 << 20;

/// A service that does this with each of its connections, once the head of a request is there.
fn service(serve: impl Fn(TcpStream, String) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, serve) = (connection.unwrap(), Arc::clone(&serve));
            std::thread::spawn(move || {
                let head = until(&mut connection, "\r\n\r\n");
                serve(connection, head);
            });
        }
    });
    address
}

/// Reads until the text is there; no further than that if it comes alone.
fn until(connection: &mut TcpStream, text: &str) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 1]);
    while !all.ends_with(text.as_bytes()) {
        match connection.read(&mut buffer) {
            Ok(1) => all.push(buffer[0]),
            other => panic!("{other:?} instead of {text:?} after {:?}", String::from_utf8(all)),
        }
    }
    String::from_utf8(all).unwrap()
}

fn get(proxy: &Proxy, path: &str) -> TcpStream {
    let mut connection = proxy.connect();
    write!(connection, "GET {path} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").unwrap();
    connection
}

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn event(connection: &mut TcpStream, text: &str) {
    let text = format!("data: {text}\n\n");
    write!(connection, "{:x}\r\n{text}\r\n", text.len()).unwrap();
}

/// A channel whose receiver can be shared.
fn signal() -> (Sender<()>, std::sync::Mutex<Receiver<()>>) {
    let (sender, receiver) = channel();
    (sender, std::sync::Mutex::new(receiver))
}

#[test]
fn server_sent_events_come_one_by_one() {
    let (seen, next) = signal();
    let address = service(move |mut connection, _| {
        connection.write_all(EVENTS.as_bytes()).unwrap();
        for number in 1..=3 {
            // Each only once the client has seen the one before.
            next.lock().unwrap().recv().unwrap();
            event(&mut connection, &number.to_string());
        }
        connection.write_all(b"0\r\n\r\n").unwrap();
    });
    let proxy = Proxy::start(STRICT, &[("payment", address)]);
    let mut connection = get(&proxy, "/payment-service/events");
    let head = until(&mut connection, "\r\n\r\n");
    assert!(head.contains("text/event-stream"), "{head}");
    for number in 1..=3 {
        seen.send(()).unwrap();
        until(&mut connection, &format!("data: {number}\n\n"));
    }
    until(&mut connection, "0\r\n\r\n");
}

#[test]
fn a_request_reaches_its_service_while_it_is_still_being_sent() {
    let (half, seen) = channel();
    let address = service(move |mut connection, head| {
        assert!(head.contains("content-length: 8"), "{head}");
        until(&mut connection, "half");
        half.send(()).unwrap();
        until(&mut connection, "full");
        connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    let proxy = Proxy::start(STRICT, &[("payment", address)]);
    let mut connection = proxy.connect();
    let head =
        "POST /payment-service HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncontent-length: 8";
    write!(connection, "{head}\r\n\r\nhalf").unwrap();
    seen.recv_timeout(Duration::from_secs(60)).expect("half of it arrives");
    write!(connection, "full").unwrap();
    assert_eq!(receive(connection).0, 204);
}

/// The most memory that the proxy has ever had, in bytes.
fn most_memory(proxy: &Proxy) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", proxy.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn bodies_of_any_size_pass_in_bounded_memory_both_ways() {
    const SIZE: usize = 192 * MIB;
    let sent = Arc::new(AtomicUsize::new(0));
    let by_service = Arc::clone(&sent);
    let address = service(move |mut connection, head| {
        let piece = vec![b'x'; 64 * 1024];
        if head.starts_with("POST") {
            let (mut received, mut buffer) = (0, vec![0; 64 * 1024]);
            while received < SIZE {
                received += connection.read(&mut buffer).unwrap();
            }
            connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            return;
        }
        write!(connection, "HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").unwrap();
        for _ in 0..SIZE / piece.len() {
            connection.write_all(&piece).unwrap();
            by_service.fetch_add(piece.len(), Ordering::SeqCst);
        }
    });
    let proxy = Proxy::start(STRICT, &[("payment", address)]);
    let at_first = most_memory(&proxy);

    let mut connection = get(&proxy, "/payment-service");
    let head = until(&mut connection, "\r\n\r\n");
    assert!(head.contains(&format!("content-length: {SIZE}")), "{head}");
    // Nobody reads: the service is not read from either, once the sockets between are full.
    let mut before = usize::MAX;
    eventually("the service has to wait", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = sent.load(Ordering::SeqCst);
        std::mem::replace(&mut before, now) == now && now > 0
    });
    assert!(before < SIZE / 2, "{} MiB have gone into a client that reads nothing", before / MIB);
    let received = std::io::copy(&mut connection, &mut std::io::sink()).unwrap();
    assert_eq!(received, SIZE as u64);

    let mut connection = proxy.connect();
    let head = "POST /payment-service HTTP/1.1\r\nhost: shop\r\nconnection: close";
    write!(connection, "{head}\r\ncontent-length: {SIZE}\r\n\r\n").unwrap();
    let piece = vec![b'x'; MIB];
    (0..SIZE / MIB).for_each(|_| connection.write_all(&piece).unwrap());
    assert_eq!(receive(connection).0, 204);
    let grown = most_memory(&proxy) - at_first;
    assert!(grown < 48 * MIB, "{} MiB more than at first", grown / MIB);
}

#[test]
fn an_answer_that_the_service_breaks_off_is_a_failure_and_no_whole_answer_for_the_client() {
    let runtime = background();
    let services = runtime.block_on(Services::start(Ports::default())).unwrap();
    services.service("payment-service").set_mode(Mode::CutBody);
    let proxy = Proxy::start(STRICT, &[("payment", services.downstream())]);
    let mut answer = String::new();
    let mut connection = get(&proxy, "/payment-service");
    // The end is that of a connection that is closed, or that of one that is reset.
    let _ = connection.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n").expect("the head has come");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(body.len() < length.parse().unwrap(), "{head}: {body}");
    assert_eq!(proxy.breaker("payment-service"), ("OPEN".to_owned(), 1));
}

#[test]
fn a_client_that_goes_away_is_no_failure_and_ends_its_call() {
    let (gone, told) = channel();
    let asked = Arc::new(AtomicUsize::new(0));
    let by_service = Arc::clone(&asked);
    let address = service(move |mut connection, head| {
        by_service.fetch_add(1, Ordering::SeqCst);
        if head.contains("/begun") {
            connection.write_all(EVENTS.as_bytes()).unwrap();
            event(&mut connection, "1");
        }
        // There is nothing more to come, but the end.
        while connection.read(&mut [0; 16]).is_ok_and(|read| read > 0) {}
        gone.send(head).unwrap();
    });
    let proxy = Proxy::start(STRICT, &[("payment", address)]);
    let ends = || told.recv_timeout(Duration::from_secs(60)).expect("the service is told");

    let mut connection = get(&proxy, "/payment-service/begun");
    until(&mut connection, "data: 1\n\n");
    drop(connection);
    assert!(ends().contains("/begun"));

    let connection = get(&proxy, "/payment-service/silent");
    eventually("the service is asked", || asked.load(Ordering::SeqCst) == 2);
    drop(connection);
    assert!(ends().contains("/silent"));

    let mut connection = proxy.connect();
    write!(
        connection,
        "POST /payment-service/half HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf"
    )
    .unwrap();
    eventually("the service is asked", || asked.load(Ordering::SeqCst) == 3);
    drop(connection);
    assert!(ends().contains("/half"));

    assert_eq!(proxy.breaker("payment-service"), ("CLOSED".to_owned(), 0));
}
