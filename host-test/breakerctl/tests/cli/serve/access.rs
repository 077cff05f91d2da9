//! Who may use the admin API: the filter sees who asks.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use tokio::net::TcpSocket;

use super::{Proxy, Service, receive};

const CONFIG: &str = r#"{ "admin": {}, "services": [{ "name": "payment-service" }] }"#;

/// A connection that comes from this address.
fn connect(by: IpAddr, to: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connected = runtime.block_on(async {
        let socket = if by.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.bind(SocketAddr::new(by, 0))?;
        socket.connect(to).await?.into_std()
    });
    let connection = connected.unwrap();
    connection.set_nonblocking(false).unwrap();
    connection
}

fn status((by, to): (IpAddr, SocketAddr), line: &str, host: &str, header: &str) -> u16 {
    let mut connection = connect(by, to);
    let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{header}");
    write!(connection, "{head}content-type: application/json\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    receive(connection).0
}

/// This machine's addresses besides those of its loopback interface, if it has any.
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

#[test]
fn without_a_token_only_clients_on_this_machine_are_answered_by_a_name_of_it() {
    let payment = Service::start("payment");
    const READ: &str = "GET /circuit-breaker/services";
    const FORCE_OPEN: &str = "POST /circuit-breaker/services/payment-service/force-open";
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let listen: SocketAddr = listen.parse().unwrap();
        if UdpSocket::bind(listen).is_err() {
            continue;
        }
        let admin = ["--admin", &listen.to_string()];
        let proxy = Proxy::start_with(CONFIG, &[("payment", payment.address)], &admin);
        let from = |ip: IpAddr| (ip, proxy.admin);
        for ip in other_addresses().into_iter().filter(|ip| listen.is_ipv6() == ip.is_ipv6()) {
            for header in ["", "x-forwarded-for: 127.0.0.1\r\n"] {
                assert_eq!(status(from(ip), READ, "localhost", header), 403, "{ip}");
                assert_eq!(status(from(ip), FORCE_OPEN, "localhost", header), 403, "{ip}");
            }
            let health = status(from(ip), "GET /circuit-breaker/health", "10.0.0.7", "");
            assert_eq!(health, 200, "{ip}");
        }
        let own = listen.ip();
        assert_eq!(status(from(own), READ, "localhost:1", ""), 200);
        assert_eq!(status(from(own), READ, "evil.example", ""), 403);
        let rebound = "origin: http://evil.example\r\n";
        assert_eq!(status(from(own), FORCE_OPEN, "evil.example", rebound), 403);
        let url = format!("http://{}/circuit-breaker", proxy.admin);
        let shown = crate::support::run(&["status", "payment-service", "--admin", &url]);
        assert_eq!(shown.code, Some(0), "nothing has changed: {shown:?}");
        assert_eq!(status(from(own), FORCE_OPEN, "[::1]", ""), 200);
        let shown = crate::support::run(&["status", "payment-service", "--admin", &url]);
        assert_eq!(shown.code, Some(1), "{shown:?}");
    }
}
