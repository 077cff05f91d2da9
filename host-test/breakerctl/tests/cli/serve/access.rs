//! Who may use the admin API: the filter sees who asks.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use super::{Proxy, Service, receive};

const CONFIG: &str = r#"{ "admin": {}, "services": [{ "name": "payment-service" }] }"#;

fn status(address: SocketAddr, line: &str, host: &str, header: &str) -> u16 {
    let mut connection = TcpStream::connect(address).unwrap();
    let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{header}");
    write!(connection, "{head}content-type: application/json\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    receive(connection).0
}

/// This machine's addresses besides those of its loopback interface, if it has any. Who connects to one of
/// them comes from it.
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
fn without_a_token_only_this_machine_is_answered_by_a_name_of_it() {
    let payment = Service::start("payment");
    const READ: &str = "GET /circuit-breaker/services";
    const STEER: &str = "POST /circuit-breaker/services/payment-service/force-open";
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let listen: SocketAddr = listen.parse().unwrap();
        if UdpSocket::bind(listen).is_err() {
            continue;
        }
        let admin = ["--admin", &listen.to_string()];
        let proxy = Proxy::start_with(CONFIG, &[("payment", payment.address)], &admin);
        let at = |ip: IpAddr| SocketAddr::new(ip, proxy.admin.port());
        for ip in other_addresses().into_iter().filter(|ip| listen.is_ipv6() || ip.is_ipv4()) {
            for header in ["", "x-forwarded-for: 127.0.0.1\r\n"] {
                assert_eq!(status(at(ip), READ, "localhost", header), 403, "{ip}");
                assert_eq!(status(at(ip), STEER, "localhost", header), 403, "{ip}");
            }
            assert_eq!(status(at(ip), "GET /circuit-breaker/health", "10.0.0.7", ""), 200, "{ip}");
        }
        let own: IpAddr =
            if listen.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        // IPv4 within IPv6, as it comes to a socket for both.
        for ip in [own, Ipv4Addr::new(127, 0, 0, 1).into()] {
            assert_eq!(status(at(ip), READ, "localhost:1", ""), 200, "{ip}");
            assert_eq!(status(at(ip), READ, "evil.example", ""), 403, "{ip}");
            let rebound = "origin: http://evil.example\r\n";
            assert_eq!(status(at(ip), STEER, "evil.example", rebound), 403, "{ip}");
        }
        let url = format!("http://{}/circuit-breaker", at(own));
        let shown = crate::support::run(&["status", "payment-service", "--admin", &url]);
        assert_eq!(shown.code, Some(0), "nobody has steered: {shown:?}");
        assert_eq!(status(at(own), STEER, "[::1]", ""), 200);
        let shown = crate::support::run(&["status", "payment-service", "--admin", &url]);
        assert_eq!(shown.code, Some(1), "{shown:?}");
    }
}
