//! Who may read from the admin API, and who may steer.

use filter::Peer;
use serde_json::{Value, json};

use crate::world::{Answer, Gauges, PAYMENT, Request, World, service};

/// Without a token.
fn open() -> World {
    with_admin(&json!({}))
}

fn with_admin(admin: &Value) -> World {
    let services = [service(PAYMENT, &json!({}))];
    World::with_gauges(Gauges::None, 1, &json!({ "services": services, "admin": admin }))
}

const STEER: &str = "/circuit-breaker/services/payment-service/force-open";

fn read(world: &World, host: &str, path: &str) -> Request {
    world.request(host).path(&format!("/circuit-breaker{path}"))
}

fn steer(world: &World, host: &str) -> Request {
    let request = world.request(host).method("POST").path(STEER);
    request.header("content-type", "application/json")
}

fn sent(request: Request) -> (u16, String) {
    let reply = request.send().reply();
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    (reply.status, String::from_utf8_lossy(&reply.body).into_owned())
}

/// All that there is to ask for but health, and whether it may be had.
fn asks_for_all(request: impl Fn(&World, &str) -> Request, world: &World) -> Vec<u16> {
    let paths = ["/services", "/services/payment-service", "/events", "/", "", "/nothing"];
    let mut told: Vec<u16> = paths.iter().map(|path| sent(request(world, path)).0).collect();
    told.sort_unstable();
    told
}

/// The statuses of [`asks_for_all`] for who may ask: a redirect, and what is not there, among them.
const ANSWERED: [u16; 6] = [200, 200, 200, 200, 308, 404];

fn at(address: impl AsRef<[u8]>) -> Peer {
    Peer::At(address.as_ref().to_vec())
}

fn local_peers() -> Vec<Peer> {
    let addresses = [
        "127.0.0.1:40312",
        "127.0.0.1:1",
        "127.200.3.4:65535",
        "[::1]:40312",
        "[0:0:0:0:0:0:0:1]:7",
        "[::ffff:127.0.0.1]:40312",
        "[::ffff:7f00:1]:40312",
        // A Unix domain socket's peer has the socket's own name.
        "/run/edge-breaker.sock",
        "@edge-breaker",
    ];
    addresses.iter().map(at).chain([Peer::Unknown]).collect()
}

fn remote_peers() -> Vec<Peer> {
    let addresses: [&[u8]; 38] = [
        b"203.0.113.7:40312",
        b"10.0.0.7:1",
        b"128.0.0.1:40312",
        b"126.255.255.255:40312",
        b"0.0.0.0:40312",
        b"172.17.0.1:40312",
        b"[2001:db8::1]:40312",
        b"[fe80::1]:40312",
        b"[::]:40312",
        b"[::2]:40312",
        b"[::ffff:10.0.0.7]:40312",
        b"[::127.0.0.1]:40312",
        // Taken from `x-forwarded-for`, or the like.
        b"127.0.0.1:0",
        b"127.0.0.2:0",
        b"[::1]:0",
        b"[::ffff:127.0.0.1]:0",
        b"203.0.113.7:0",
        // Of another part of the proxy.
        b"envoy://internal_client_address/",
        b"envoy://127.0.0.1:40312/",
        // What cannot be read.
        b"",
        b" ",
        b"\0",
        b"\xff\xfe\x00",
        b"127.0.0.1",
        b"127.0.0.1:",
        b"127.0.0.1:65536",
        b"127.0.0.1:-1",
        b"127.0.0.1:40312 ",
        b" 127.0.0.1:40312",
        b"127.0.0.1:40312\0",
        b"127.0.0.1:40312,203.0.113.7:1",
        b"127.1:40312",
        b"0177.0.0.1:40312",
        b"2130706433:40312",
        b"::1",
        b"::1:40312",
        b"[::1]",
        b"localhost:40312",
    ];
    addresses.iter().map(at).chain([Peer::Withheld]).collect()
}

#[test]
fn without_a_token_a_client_on_this_machine_reads_and_sends_commands() {
    for peer in local_peers() {
        let world = open();
        let from = |world: &World, path: &str| read(world, "localhost", path).from(peer.clone());
        assert_eq!(asks_for_all(from, &world), ANSWERED, "{peer:?}");
        assert_eq!(sent(steer(&world, "localhost").from(peer.clone())).0, 200, "{peer:?}");
        assert!(!world.call().is_admitted(), "{peer:?} has not steered");
    }
}

#[test]
fn without_a_token_a_client_on_another_machine_neither_reads_nor_sends_commands() {
    let world = open();
    for peer in remote_peers() {
        let from = |world: &World, path: &str| read(world, "localhost", path).from(peer.clone());
        assert_eq!(asks_for_all(from, &world), [403; 6], "{peer:?}");
        for request in [steer(&world, "localhost"), steer(&world, "127.0.0.1:10001")] {
            assert_eq!(sent(request.from(peer.clone())).0, 403, "{peer:?}");
        }
        // What a client says of itself changes nothing.
        for name in ["x-forwarded-for", "x-real-ip", "forwarded", "x-envoy-external-address"] {
            let request = read(&world, "localhost", "/services").header(name, "127.0.0.1");
            assert_eq!(sent(request.from(peer.clone())).0, 403, "{peer:?} {name}");
        }
        assert!(world.call().is_admitted(), "{peer:?} has steered");
    }
}

#[test]
fn a_browser_on_another_machine_gets_no_page() {
    let world = open();
    let browser = read(&world, "localhost", "/").header("accept", "text/html");
    let reply = browser.from(at("203.0.113.7:1")).send().reply();
    assert_eq!((reply.status, reply.header("content-type")), (403, Some("application/json")));
    assert_eq!(reply.header("www-authenticate"), None, "there is no token to be asked for");
}

const LOCAL_HOSTS: [&str; 15] = [
    "localhost",
    "LocalHost",
    "LOCALHOST:10001",
    "localhost:",
    "127.0.0.1",
    "127.0.0.1:10001",
    "127.1.2.3:9901",
    "127.255.255.255",
    "[::1]",
    "[::1]:80",
    "[0:0:0:0:0:0:0:1]:80",
    "[::ffff:127.0.0.1]:80",
    "[::FFFF:7f00:1]",
    "localhost:00080",
    "127.0.0.1:99999",
];

const FOREIGN_HOSTS: [&[u8]; 31] = [
    b"evil.example",
    b"evil.example:10001",
    b"EVIL.EXAMPLE",
    b"",
    b":10001",
    b"localhost.evil.example",
    b"127.0.0.1.evil.example",
    b"evil.example:127",
    b"localhost.",
    b"a.localhost",
    b"localhost:80:80",
    b"localhost:http",
    b"localhost@evil.example",
    b"evil.example@localhost",
    b"localhost/",
    b"localhost ",
    b"localhost\0",
    b"localhost,evil.example",
    b"10.0.0.7",
    b"0.0.0.0:10001",
    b"128.0.0.1",
    b"127.0.0.1:a",
    b"127.1",
    b"0127.0.0.1",
    b"0x7f000001",
    b"2130706433",
    b"::1",
    b"[::1",
    b"[::]:80",
    b"[::2]",
    b"\xff\xfe",
];

/// A page of another site whose name leads here has that name as the host, and as its own origin.
#[test]
fn without_a_token_only_a_host_that_is_always_this_machine_is_answered() {
    let world = open();
    for peer in [Peer::Unknown, at("127.0.0.1:40312"), at("[::1]:40312"), at("/run/a.sock")] {
        for host in LOCAL_HOSTS {
            assert_eq!(sent(read(&world, host, "/services").from(peer.clone())).0, 200, "{host}");
        }
        for host in FOREIGN_HOSTS {
            let shown = String::from_utf8_lossy(host);
            let from = |world: &World, path: &str| {
                read(world, "", path).header(":authority", host).from(peer.clone())
            };
            assert_eq!(asks_for_all(from, &world), [403; 6], "{shown:?}");
            let origin = [b"http://".as_slice(), host].concat();
            let rebound = steer(&world, "").header(":authority", host).header("origin", origin);
            assert_eq!(sent(rebound.from(peer.clone())).0, 403, "{shown:?}");
        }
        let nameless = read(&world, "", "/services").without(":authority");
        assert_eq!(sent(nameless.from(peer.clone())).0, 403);
    }
    assert!(world.call().is_admitted(), "nobody has steered");
}

#[test]
fn a_host_that_is_listed_is_answered_on_any_port_or_on_its_own() {
    let hosts = json!(["breaker.internal", "Ops.Internal:9000", "[fd00::7]", "10.0.0.7:10001"]);
    let world = with_admin(&json!({ "hosts": hosts }));
    for host in [
        "breaker.internal",
        "breaker.internal:10001",
        "BREAKER.internal:1",
        "ops.internal:9000",
        "OPS.INTERNAL:9000",
        "[fd00::7]",
        "[FD00::7]:10001",
        "10.0.0.7:10001",
        "localhost:1",
        "[::1]",
    ] {
        let origin = format!("http://{host}");
        let local = || at("127.0.0.1:40312");
        assert_eq!(sent(read(&world, host, "/services").from(local())).0, 200, "{host}");
        let steered = steer(&world, host).header("origin", origin).from(local());
        assert_eq!(sent(steered).0, 200, "{host}");
        // It is no key to other machines.
        let remote = read(&world, host, "/services").from(at("203.0.113.7:40312"));
        assert_eq!(sent(remote).0, 403, "{host}");
    }
    for host in [
        "ops.internal",
        "ops.internal:9001",
        "ops.internal:",
        "a.breaker.internal",
        "breaker.internal.evil.example",
        "breaker.interna",
        "breaker.internal.",
        "[fd00::8]",
        "fd00::7",
        "10.0.0.7",
        "10.0.0.7:10002",
    ] {
        assert_eq!(sent(read(&world, host, "/services")).0, 403, "{host}");
    }
}

#[test]
fn the_right_token_is_enough_from_wherever_and_by_whatever_name() {
    let world = with_admin(&json!({ "token": "s3cret", "hosts": ["breaker.internal"] }));
    let token = |request: Request| request.header("authorization", "Bearer s3cret");
    let origins: [Option<&[u8]>; 5] =
        [None, Some(b"https://ops.example"), Some(b"null"), Some(b""), Some(b"\xff")];
    for peer in local_peers().into_iter().chain(remote_peers()) {
        for host in ["localhost", "127.0.0.1:10001", "evil.example", "breaker.internal", ""] {
            let shown = token(read(&world, host, "/services")).from(peer.clone());
            assert_eq!(sent(shown).0, 200, "{peer:?} {host}");
            for origin in origins {
                let mut request = token(world.request(host).method("POST").path(STEER));
                if let Some(origin) = origin {
                    request = request.header("origin", origin);
                }
                assert_eq!(sent(request.from(peer.clone())).0, 200, "{peer:?} {host} {origin:?}");
            }
        }
    }
    let nameless = token(read(&world, "", "/services")).without(":authority");
    assert_eq!(sent(nameless.from(at("203.0.113.7:40312"))).0, 200);
}

#[test]
fn where_there_is_a_token_nothing_else_is_enough() {
    let world = with_admin(&json!({ "token": "s3cret", "hosts": ["breaker.internal"] }));
    for peer in local_peers().into_iter().chain(remote_peers()) {
        for host in ["localhost", "127.0.0.1:10001", "breaker.internal", "evil.example"] {
            for given in [None, Some("Bearer wrong"), Some("Bearer "), Some("Basic s3cret")] {
                let mut request = read(&world, host, "/services");
                if let Some(given) = given {
                    request = request.header("authorization", given);
                }
                let reply = request.from(peer.clone()).send().reply();
                let told = (reply.status, reply.header("www-authenticate"));
                assert_eq!(told, (401, Some("Bearer")), "{peer:?} {host} {given:?}");
            }
            let steered = steer(&world, host).header("origin", format!("http://{host}"));
            assert_eq!(sent(steered.from(peer.clone())).0, 401, "{peer:?} {host}");
        }
    }
    assert!(world.call().is_admitted(), "nobody has steered");
}

/// It is on the operator's own machine, and so is its browser's connection.
#[test]
fn without_a_token_a_page_of_another_site_changes_nothing() {
    let world = open();
    let by = |host: &str, origin: &[u8]| {
        let request = steer(&world, host).header("origin", origin);
        sent(request.from(at("127.0.0.1:40312"))).0
    };
    for origin in [
        &b"http://evil.example"[..],
        b"https://evil.example:10001",
        b"null",
        b"",
        b"http://localhost",
        b"http://localhost:3000",
        b"http://127.0.0.1:10001",
        b"http://localhost:10001.evil.example",
        b"http://evil.example/localhost:10001",
        b"http://localhost:10001/",
        b"localhost:10001",
        b"http:/localhost:10001",
        b"\xff\xfe",
    ] {
        let shown = String::from_utf8_lossy(origin);
        assert_eq!(by("localhost:10001", origin), 403, "{shown}");
    }
    assert!(world.call().is_admitted(), "nobody has steered");
    for (host, origin) in [
        ("localhost:10001", &b"http://localhost:10001"[..]),
        ("LOCALHOST:10001", b"http://localhost:10001"),
        ("127.0.0.1", b"http://127.0.0.1"),
        ("[::1]:80", b"https://[::1]:80"),
    ] {
        assert_eq!(by(host, origin), 200, "{host}");
    }
}

#[test]
fn everybody_may_ask_for_health() {
    for admin in [json!({}), json!({ "token": "s3cret" }), json!({ "hosts": ["breaker.internal"] })]
    {
        let world = with_admin(&admin);
        for peer in local_peers().into_iter().chain(remote_peers()) {
            for host in ["localhost", "10.0.0.7:10001", "evil.example", ""] {
                for (path, status) in [("/health", 200), ("/health/", 200), ("/health/nobody", 404)]
                {
                    let request = read(&world, host, path).from(peer.clone());
                    assert_eq!(sent(request).0, status, "{admin} {peer:?} {host} {path}");
                }
            }
        }
        let nameless = read(&world, "", "/health/payment-service").without(":authority");
        assert_eq!(sent(nameless.from(at("203.0.113.7:1"))).0, 200);
        // What only begins so is nothing of it.
        let beyond = read(&world, "evil.example", "/health/payment-service/force-open");
        assert_ne!(sent(beyond.method("POST")).0, 200, "{admin}");
    }
}

#[test]
fn a_client_that_is_refused_is_told_the_remedy() {
    let world = open();
    let told = |peer: &str, host: &str| sent(read(&world, host, "/services").from(at(peer))).1;
    let remote = told("203.0.113.7:40312", "evil.example");
    assert!(remote.contains("set `admin.token`") && remote.contains("this machine"), "{remote}");
    let forwarded = told("127.0.0.1:0", "localhost");
    assert!(forwarded.contains("`use_remote_address`"), "{forwarded}");
    assert!(forwarded.contains("set `admin.token`"), "{forwarded}");
    let name = told("127.0.0.1:40312", "evil.example");
    assert!(name.contains("`admin.hosts`") && name.contains("set `admin.token`"), "{name}");
    for told in [remote, forwarded, name] {
        let told: Value = serde_json::from_str(&told).unwrap();
        assert!(told["error"].is_string(), "{told}");
    }
}

#[test]
fn the_lack_of_a_token_is_logged_once_by_all_workers() {
    let config = |admin: &Value| json!({ "services": [{ "name": PAYMENT }], "admin": admin });
    let world = World::configured(4, &config(&json!({})));
    let said = || world.logged("event=admin_without_token");
    assert_eq!(said().len(), 1);
    assert!(said()[0].contains("path_prefix=/circuit-breaker"), "{:?}", said());
    assert!(said()[0].contains("set admin.token"), "{:?}", said());
    world.configure(4, &config(&json!({ "path_prefix": "/ops" })));
    assert_eq!(said().len(), 1, "it has been said");

    let quiet = World::configured(4, &config(&json!({ "token": "s3cret" })));
    assert_eq!(quiet.logged("admin_without_token").len(), 0);
    // Whoever takes it away later is told as well.
    quiet.configure(4, &config(&json!({})));
    assert_eq!(quiet.logged("admin_without_token").len(), 1);

    let none = World::configured(4, &json!({ "services": [{ "name": PAYMENT }] }));
    assert_eq!(none.logged("admin_without_token").len(), 0);
    assert_eq!(none.store().keys(), ["edge-breaker/v1/payment-service"]);
}

/// It is better said by each than by none.
#[test]
fn the_lack_of_a_token_is_logged_where_the_store_does_not_work() {
    let config = json!({ "services": [{ "name": PAYMENT }], "admin": {} });
    let world = World::configured(0, &json!({ "services": [{ "name": PAYMENT }] }));
    world.store().writes_fail.set(true);
    world.configure(0, &config);
    assert_eq!(world.logged("admin_without_token").len(), 1);
}

#[test]
fn only_who_asks_the_admin_api_without_a_token_costs_a_question() {
    let peers_asked = |world: &World, request: &dyn Fn(&World) -> Answer| {
        let asked = world.asked(|| drop(request(world)));
        asked.get("peer").copied().unwrap_or_default()
    };
    let (open, closed) = (open(), with_admin(&json!({ "token": "s3cret" })));
    let services = |world: &World| read(world, "localhost", "/services").send().reply();
    let health = |world: &World| read(world, "localhost", "/health").send().reply();
    let call = |world: &World| world.call().respond(200);
    assert_eq!(peers_asked(&open, &services), 1);
    assert_eq!(peers_asked(&open, &health), 0);
    assert_eq!(peers_asked(&open, &call), 0);
    assert_eq!(peers_asked(&closed, &services), 0);
    assert_eq!(peers_asked(&closed, &call), 0);
}
