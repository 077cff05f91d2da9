//! Who may use the admin API: what Envoy tells of who asks, on listeners of all kinds.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result, ensure};
use envoy_harness::config::{Bootstrap, Listener, Route, Wasm};
use envoy_harness::{Envoy, EnvoyOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Edge, PAYMENT, module};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const READ: &str = "GET /circuit-breaker/services";
const STEER: &str = "POST /circuit-breaker/services/payment-service/force-open";
const HEALTH: &str = "GET /circuit-breaker/health";

/// An Envoy with the admin API on listeners of all kinds.
struct Site {
    envoy: Envoy,
    ports: BTreeMap<&'static str, u16>,
    room: TempDir,
}

/// The listener that tells the connection's own peer, whatever a client sends.
const SURE: &str = "sure";
/// Those on which Envoy takes the peer from a header where a client sends one.
const BELIEVING: [&str; 3] = ["plain", "hops", "custom"];

impl Site {
    async fn start(admin: Value) -> Result<Self> {
        let room = tempfile::tempdir()?;
        let plugin = json!({ "services": [{ "name": PAYMENT }], "admin": admin });
        let listener = |name: &str| -> Result<Listener> {
            let filter = Wasm::new("edge-breaker", &module()?).vm_id("edge-breaker");
            Ok(Listener::new(name)
                .address(SocketAddr::new(LOCAL, 0))
                .filter(filter.configuration(&plugin))
                .route(Route::prefix("/").direct_response(404, "")))
        };
        let header = json!({
            "name": "envoy.http.original_ip_detection.custom_header",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig",
                "header_name": "x-real-ip",
                "allow_extension_to_set_address_as_trusted": true,
            },
        });
        let own = |listener: Listener| listener.option("use_remote_address", json!(true));
        let mut config = Bootstrap::new()
            .listener(listener("plain")?)
            .listener(own(listener("sure")?))
            .listener(own(listener("hops")?).option("xff_num_trusted_hops", json!(1)))
            .listener(
                listener("custom")?.option("original_ip_detection_extensions", json!([header])),
            )
            .listener(own(listener("told")?))
            .listener(own(listener("socket")?));
        if has_ipv6() {
            let six = listener("six")?.address(SocketAddr::from((Ipv6Addr::LOCALHOST, 0)));
            config = config.listener(own(six));
        }
        let mut config = config.build();
        let listeners = config["static_resources"]["listeners"].as_array_mut().context("none")?;
        for listener in listeners {
            match listener["name"].as_str() {
                Some("told") => {
                    listener["listener_filters"] = json!([{
                        "name": "envoy.filters.listener.proxy_protocol",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
                        },
                    }]);
                }
                Some("socket") => {
                    listener["address"] = json!({ "pipe": { "path": room.path().join("socket") } });
                }
                _ => {}
            }
        }
        let envoy = EnvoyOptions::new(config).concurrency(2).start().await?;
        let mut ports = BTreeMap::new();
        for name in names().chain(["told"]) {
            ports.insert(name, envoy.listener_addr(name).await?.port());
        }
        Ok(Self { envoy, ports, room })
    }

    /// The status of an answer to who comes from this address, by this host, and with these headers.
    async fn ask(
        &self,
        listener: &str,
        by: IpAddr,
        (line, host): (&str, &str),
        headers: &[(&str, &str)],
    ) -> Result<u16> {
        let socket = if by.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(by, 0))?;
        let to: IpAddr = if by.is_ipv4() { LOCAL } else { Ipv6Addr::LOCALHOST.into() };
        let connection = socket.connect(SocketAddr::new(to, self.ports[listener])).await?;
        status(connection, "", (line, host), headers).await
    }

    async fn is_forced_open(&self) -> Result<bool> {
        let mut connection = TcpStream::connect((LOCAL, self.ports["sure"])).await?;
        let text = exchange(&mut connection, "", (READ, "localhost"), &[]).await?;
        Ok(text.contains("FORCED_OPEN"))
    }
}

async fn exchange(
    connection: &mut (impl AsyncRead + AsyncWrite + Unpin),
    before: &str,
    (line, host): (&str, &str),
    headers: &[(&str, &str)],
) -> Result<String> {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{before}{line} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nconnection: \
         close\r\ncontent-length: 0\r\n{headers}\r\n"
    );
    connection.write_all(request.as_bytes()).await?;
    // Envoy takes a second to close.
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(Ok(0), str::parse)? {
                return Ok(text);
            }
        }
        ensure!(connection.read_buf(&mut read).await? > 0, "closed after {text:?}");
    }
}

async fn status(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    before: &str,
    asked: (&str, &str),
    headers: &[(&str, &str)],
) -> Result<u16> {
    let text = exchange(&mut connection, before, asked, headers).await?;
    let status = text.split(' ').nth(1).with_context(|| format!("{asked:?}: {text:?}"))?;
    Ok(status.parse()?)
}

/// Whether there is IPv6 on this machine.
fn has_ipv6() -> bool {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// The listeners that are asked over TCP.
fn names() -> impl Iterator<Item = &'static str> {
    [SURE].into_iter().chain(BELIEVING).chain(has_ipv6().then_some("six"))
}

/// Who is on this machine, for a listener.
fn local(listener: &str) -> IpAddr {
    if listener == "six" { Ipv6Addr::LOCALHOST.into() } else { LOCAL }
}

/// This machine's addresses besides those of its loopback interface. Who comes from one of them to the
/// loopback interface looks as from another machine. A machine may have none of a kind.
fn other_addresses() -> Vec<IpAddr> {
    // Nothing is sent: the kernel is asked by which address it would be.
    let by = |any: IpAddr, far: &str| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(far).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    };
    let four = by(Ipv4Addr::UNSPECIFIED.into(), "198.51.100.1:9");
    let six = by(Ipv6Addr::UNSPECIFIED.into(), "[2001:db8::1]:9");
    four.into_iter().chain(six).filter(|address| !address.is_loopback()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_from_another_address_neither_reads_nor_sends_commands() -> Result<()> {
    let site = Site::start(json!({})).await?;
    let others = other_addresses();
    // Where there is none, what Envoy was told by a header has to do: see below.
    println!("addresses that are not loopback: {others:?}");
    for by in others {
        for listener in names().filter(|name| (*name == "six") == by.is_ipv6()) {
            for line in [READ, STEER, "GET /circuit-breaker/", "GET /circuit-breaker/events"] {
                for headers in [
                    &[][..],
                    &[("x-forwarded-for", "127.0.0.1")],
                    &[("x-forwarded-for", "127.0.0.1, 127.0.0.1")],
                    &[("x-forwarded-for", "::1")],
                    &[("x-real-ip", "127.0.0.1")],
                    &[("x-forwarded-for", "127.0.0.1:40312"), ("forwarded", "for=127.0.0.1")],
                ] {
                    let status = site.ask(listener, by, (line, "localhost"), headers).await?;
                    assert_eq!(status, 403, "{listener} {by} {line} {headers:?}");
                }
            }
            let status = site.ask(listener, by, (HEALTH, "10.0.0.7:10001"), &[]).await?;
            assert_eq!(status, 200, "{listener} {by}: a load balancer");
        }
    }
    assert!(!site.is_forced_open().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_out_of_a_header_is_not_local() -> Result<()> {
    let site = Site::start(json!({})).await?;
    for (listener, header, local) in [
        // Envoy takes it from there where nothing says that it should not.
        ("plain", ("x-forwarded-for", "127.0.0.1"), false),
        ("plain", ("x-forwarded-for", "203.0.113.7"), false),
        ("plain", ("x-forwarded-for", "127.0.0.1, 127.0.0.2"), false),
        ("plain", ("x-forwarded-for", "::1"), false),
        ("plain", ("x-forwarded-for", "::ffff:127.0.0.1"), false),
        ("hops", ("x-forwarded-for", "127.0.0.1"), false),
        ("hops", ("x-forwarded-for", "203.0.113.7, 127.0.0.1"), false),
        ("custom", ("x-real-ip", "127.0.0.1"), false),
        ("custom", ("x-real-ip", "::1"), false),
        // It reads none of these, and so tells the connection's own.
        ("plain", ("x-forwarded-for", "nonsense"), true),
        ("plain", ("x-forwarded-for", "203.0.113.7:40312"), true),
        ("plain", ("x-real-ip", "203.0.113.7"), true),
        ("custom", ("x-forwarded-for", "203.0.113.7"), true),
        ("sure", ("x-forwarded-for", "203.0.113.7"), true),
        ("sure", ("x-forwarded-for", "127.0.0.1"), true),
    ] {
        for line in [READ, "GET /circuit-breaker/events"] {
            let status = site.ask(listener, LOCAL, (line, "localhost"), &[header]).await?;
            assert_eq!(status == 200, local, "{listener} {header:?}: {status}");
            assert!(matches!(status, 200 | 403), "{listener} {header:?}: {status}");
        }
        if !local {
            let status = site.ask(listener, LOCAL, (STEER, "localhost"), &[header]).await?;
            assert_eq!(status, 403, "{listener} {header:?}");
        }
    }
    assert!(!site.is_forced_open().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_on_this_machine_reads_and_sends_commands_by_a_local_name_alone() -> Result<()> {
    let site = Site::start(json!({ "hosts": ["breaker.internal"] })).await?;
    for listener in names() {
        for host in ["evil.example", "evil.example:10001", "localhost.evil.example", "10.0.0.7"] {
            for line in [READ, STEER, "GET /circuit-breaker/"] {
                let origin = format!("http://{host}");
                let headers = [("origin", origin.as_str())];
                let status = site.ask(listener, local(listener), (line, host), &headers).await?;
                assert_eq!(status, 403, "{listener} {host} {line}");
            }
        }
        for host in ["localhost", "LOCALHOST:1", "127.1.2.3:9901", "[::1]:80", "Breaker.internal:7"]
        {
            let status = site.ask(listener, local(listener), (READ, host), &[]).await?;
            assert_eq!(status, 200, "{listener} {host}");
        }
    }
    for by in ["127.0.0.2", "127.9.9.9", "::1"] {
        let by: IpAddr = by.parse()?;
        if by.is_ipv6() && !has_ipv6() {
            continue;
        }
        let listener = if by.is_ipv4() { "sure" } else { "six" };
        assert_eq!(site.ask(listener, by, (READ, "localhost"), &[]).await?, 200, "{by}");
    }
    // A Unix domain socket.
    let socket = || UnixStream::connect(site.room.path().join("socket"));
    assert_eq!(status(socket().await?, "", (READ, "localhost"), &[]).await?, 200);
    assert_eq!(status(socket().await?, "", (READ, "evil.example"), &[]).await?, 403);
    // The PROXY protocol: it is who the sender says.
    let told = SocketAddr::new(LOCAL, site.ports["told"]);
    for (line, expected) in [
        ("PROXY TCP4 203.0.113.7 127.0.0.1 40312 80\r\n", 403),
        ("PROXY TCP4 127.0.0.1 127.0.0.1 0 80\r\n", 403),
        ("PROXY TCP4 127.0.0.1 127.0.0.1 40312 80\r\n", 200),
        ("PROXY TCP6 ::1 ::1 40312 80\r\n", 200),
        ("PROXY UNKNOWN\r\n", 200),
    ] {
        let connection = TcpStream::connect(told).await?;
        let status = status(connection, line, (READ, "localhost"), &[]).await?;
        assert_eq!(status, expected, "{line}");
    }
    assert!(!site.is_forced_open().await?);
    assert_eq!(site.ask(SURE, LOCAL, (STEER, "127.0.0.1:10001"), &[]).await?, 200);
    assert!(site.is_forced_open().await?);
    let said = site.envoy.log().matches("event=admin_without_token").count();
    assert_eq!(said, 1, "by all workers of all listeners");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_token_is_enough_from_anywhere() -> Result<()> {
    let site = Site::start(json!({ "token": "s3cret" })).await?;
    let token = ("authorization", "Bearer s3cret");
    let forwarded = ("x-forwarded-for", "203.0.113.7");
    for by in other_addresses().into_iter().filter(IpAddr::is_ipv4).chain([LOCAL]) {
        for listener in names().filter(|name| *name != "six") {
            for host in ["breaker-admin.svc:10001", "localhost"] {
                let headers = [token, forwarded, ("origin", "https://ops.example")];
                for line in [READ, STEER] {
                    let status = site.ask(listener, by, (line, host), &headers).await?;
                    assert_eq!(status, 200, "{listener} {by} {host} {line}");
                }
                let wrong = [("authorization", "Bearer secret"), forwarded];
                for headers in [&wrong[..], &[]] {
                    let status = site.ask(listener, by, (STEER, host), headers).await?;
                    assert_eq!(status, 401, "{listener} {by} {host}");
                }
            }
        }
    }
    assert!(!site.envoy.log().contains("admin_without_token"));
    Ok(())
}

/// The recipe as people copy it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recipes_admin_listener_answers_no_name_but_its_own() -> Result<()> {
    let edge = Edge::recipe(1).await?;
    for (host, expected) in [("127.0.0.1:10001", 200), ("evil.example", 403)] {
        let connection = TcpStream::connect(edge.admin).await?;
        assert_eq!(status(connection, "", (READ, host), &[]).await?, expected, "{host}");
    }
    Ok(())
}
