//! Clients that want to steer, and clients that send what no proper client would.

use anyhow::{Context, Result, ensure};
use envoy_harness::client::RawConnection;
use envoy_harness::config::{Route, cluster};
use serde_json::{Value, json};
use services::Mode;
use tests::{Edge, Outcomes, PAYMENT, is_left_to_wasm};

use crate::upstream::RawUpstream;

/// The four request headers of the filter, as a client may write them, naming any cluster.
fn forged(cluster: &str) -> String {
    format!(
        "x-circuit-breaker-cluster: {cluster}\r\n\
         X-Circuit-Breaker-Cluster: {cluster}\r\n\
         X-CIRCUIT-BREAKER-SERVICE: {PAYMENT}\r\n\
         x-circuit-breaker-state: OPEN\r\n\
         x-circuit-breaker-reason: open\r\n\
         x-circuit-breaker-reason: failure\r\n"
    )
}

/// Sends a request as it is, and returns the whole answer.
async fn send(edge: &Edge, request: impl AsRef<[u8]>) -> Result<Answer> {
    let mut connection = RawConnection::connect(edge.address).await?;
    connection.send(request).await?;
    Answer::parse(connection.read_to_end().await?)
}

/// An answer in bytes: no client library has looked at it.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    head_bytes: Vec<u8>,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: Vec<u8>) -> Result<Self> {
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").with_context(text)?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).with_context(text)?.parse()?;
        let head_bytes = bytes[..end].to_vec();
        Ok(Self { status, head, head_bytes, body: bytes[end + 4..].to_vec() })
    }
}

mod steering {
    use super::*;

    fn request(path: &str, headers: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: payment\r\nconnection: close\r\n{headers}\r\n")
    }

    /// Every request that names one of these clusters is answered by the service all the same, which
    /// sees none of the headers.
    async fn assert_unsteered(matches: Value, path: &str, cluster_named: bool) -> Result<()> {
        let service = RawUpstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nown");
        let service = service.await?;
        let fallback = json!({ "cluster": "fallback" });
        let plugin = json!({ "services": [
            { "name": PAYMENT, "match": matches, "fallback": fallback },
        ] });
        let upstream = cluster("primary", service.address());
        let edge = Edge::setup(plugin).upstream(upstream).start().await?;
        let named = ["fallback", "health", "service", "primary", "unknown", "", "\u{ff}"];
        for (requests, cluster) in (1..).zip(named) {
            let answer = send(&edge, request(path, &forged(cluster))).await?;
            assert_eq!(
                (answer.status, &answer.body[..]),
                (200, &b"own"[..]),
                "{cluster}: {answer:?}"
            );
            let heads = service.heads();
            assert_eq!(heads.len(), requests, "{cluster}");
            let head = String::from_utf8_lossy(&heads[requests - 1]).to_lowercase();
            assert!(!head.contains("x-circuit-breaker"), "{cluster}: {head}");
        }
        assert_eq!(edge.services.fallback_calls(), 0);
        let unprotected = "wasmcustom.cb_reason=.=client_header;.;edge_breaker_unprotected_total";
        let expected = if cluster_named { named.len() as u64 } else { 0 };
        assert_eq!(edge.envoy.counter(unprotected).await?, expected);
        Ok(())
    }

    #[tokio::test]
    async fn a_client_cannot_choose_a_cluster() -> Result<()> {
        assert_unsteered(json!({}), "/payment-service/charge", false).await
    }

    #[tokio::test]
    async fn a_client_cannot_choose_a_cluster_where_no_service_matches() -> Result<()> {
        let matches = json!({ "path_prefixes": ["/payment-service"] });
        assert_unsteered(matches, "/elsewhere", false).await
    }

    #[tokio::test]
    async fn a_client_cannot_choose_a_cluster_where_clusters_are_matched() -> Result<()> {
        let matches = json!({ "clusters": ["primary"] });
        assert_unsteered(matches, "/payment-service/charge", true).await
    }

    #[tokio::test]
    async fn a_client_cannot_get_past_an_open_breaker() -> Result<()> {
        let plugin =
            json!({ "services": [{ "name": PAYMENT, "fallback": { "cluster": "fallback" } }] });
        let edge = Edge::start(plugin, 1).await?;
        let payment = edge.services.service(PAYMENT);
        payment.set_mode(Mode::Status(500));
        for _ in 0..3 {
            edge.get("/payment-service/charge").await?;
        }
        let replayed = edge.services.fallback_calls();
        for cluster in ["service", "unknown"] {
            let request = request("/payment-service/charge", &forged(cluster));
            let answer = send(&edge, request).await?;
            assert_eq!(answer.status, 200, "{answer:?}");
            let told: Value = serde_json::from_slice(&answer.body)?;
            assert_eq!(told["source"], "fallback-service", "{answer:?}");
            assert_eq!(told["circuit_breaker_state"], "OPEN");
            assert_eq!(told["fallback_reason"], "Circuit breaker is open");
        }
        assert_eq!((payment.calls(), edge.services.fallback_calls()), (3, replayed + 2));
        Ok(())
    }
}

/// Headers of any bytes and numbers, on every path through the filter.
mod bytes {
    use super::*;

    /// A callout of the proxy carries 1,024 headers, of which some are the filter's.
    const MOST_REPLAYED: usize = 1_010;

    /// Name and value.
    type Header = (Vec<u8>, Vec<u8>);

    /// What HTTP allows in a value, and no text is: every byte from 0x80 on.
    fn not_utf8() -> Vec<u8> {
        (0x80..=0xff).collect()
    }

    fn header(name: &str, value: &[u8]) -> Header {
        (name.into(), value.into())
    }

    /// Sets of headers, by what is odd about them.
    fn sets() -> Vec<(&'static str, Vec<Header>)> {
        let odd = |name| header(name, &not_utf8());
        let read = ["content-type", "cookie", "accept", "user-agent", "x-gold"];
        let many = |count| (0..count).map(|n| header(&format!("x-{n}"), b"x")).collect();
        vec![
            ("no UTF-8", vec![odd("x-odd"), header("x-even", b"text")]),
            ("no UTF-8 in what is read", read.map(odd).into()),
            (
                "nothing at all in a value",
                ["x-empty", "content-type", "x-gold"].map(|n| header(n, b"")).into(),
            ),
            ("60 KiB", vec![header("x-long", &[b'x'; 60 * 1024])]),
            ("60 KiB that are no UTF-8", vec![header("x-long", &[0xfe; 60 * 1024])]),
            ("a name of 30 KiB", vec![header(&"x".repeat(30 * 1024), b"")]),
            ("a thousand", many(1000)),
            ("three thousand", many(3000)),
            ("the same name a thousand times", vec![header("x-again", b"x"); 1000]),
            ("a name of odd bytes", vec![header("!#$%&'*+-.^_`|~09az", b"x")]),
        ]
    }

    fn request(path: &str, headers: &[Header]) -> Vec<u8> {
        let mut request = format!("POST {path} HTTP/1.1\r\nhost: payment\r\n").into_bytes();
        request.extend_from_slice(b"connection: close\r\ncontent-length: 4\r\n");
        for (name, value) in headers {
            request.extend_from_slice(&line(name, value));
        }
        request.extend_from_slice(b"\r\nbody");
        request
    }

    fn line(name: &[u8], value: &[u8]) -> Vec<u8> {
        [name, b": ", value, b"\r\n"].concat()
    }

    /// How many of these headers a message has, byte for byte.
    fn present(headers: &[Header], head: &[u8]) -> usize {
        let lines: Vec<&[u8]> = head.split_inclusive(|byte| *byte == b'\n').collect();
        headers.iter().filter(|(name, value)| lines.contains(&&line(name, value)[..])).count()
    }

    /// Three services: one that answers well, one that fails and never trips, and one whose breaker
    /// is open. Behind them, who answers well, who fails, and the fallback.
    struct Odd {
        edge: Edge,
        good: RawUpstream,
        bad: RawUpstream,
        fallback: RawUpstream,
    }

    /// A whole answer with an odd header.
    fn answer(status: u16, body: &str) -> Vec<u8> {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Odd\r\ncontent-length: {length}\r\nx-odd: ");
        [head.as_bytes(), &not_utf8(), b"\r\n\r\n", body.as_bytes()].concat()
    }

    impl Odd {
        async fn start() -> Result<Self> {
            let good = RawUpstream::answering(answer(200, "good")).await?;
            let bad = RawUpstream::answering(answer(503, "bad")).await?;
            let fallback = RawUpstream::answering(answer(200, "fallback")).await?;
            let service = |name: &str, threshold: u32| {
                let prefix = format!("/{name}");
                json!({
                    "name": name,
                    "match": { "path_prefixes": [prefix] },
                    "trip": { "consecutive_failures": threshold },
                    "fallback": { "cluster": "odd-fallback" },
                })
            };
            // Those before ours look at everything that can be matched.
            let gold = json!({
                "name": "gold",
                "match": { "headers": [
                    { "name": "x-gold", "exact": "gold" }, { "name": "x-odd", "exact": "gold" },
                ] },
            });
            let elsewhere = json!({
                "name": "elsewhere",
                "match": { "hosts": ["gold.example", "*.gold.internal"], "clusters": ["else*"] },
            });
            let plugin = json!({ "services": [
                gold, elsewhere, service("closed", 3), service("failing", 1_000_000), service("open", 1),
            ] });
            let edge = Edge::setup(plugin)
                .cluster(roomy("good", &good))
                .cluster(roomy("bad", &bad))
                .cluster(roomy("odd-fallback", &fallback))
                .route(Route::prefix("/closed").cluster("good"))
                .route(Route::prefix("/").cluster("bad"))
                .option("max_request_headers_kb", json!(96))
                .option("common_http_protocol_options", json!({ "max_headers_count": 4000 }))
                .start()
                .await?;
            let tripping = send(&edge, request("/open", &[])).await?;
            assert_eq!(tripping.body, b"fallback", "{tripping:?}");
            assert_eq!(edge.breaker("open").await?.state, "OPEN");
            Ok(Self { edge, good, bad, fallback })
        }

        /// Sends a request, and gives the answer.
        async fn send(&self, path: &str, headers: &[Header]) -> Result<Answer> {
            let sent = send(&self.edge, request(path, headers)).await?;
            // Whoever answered, an odd header of the answer comes through.
            let came = sent.head_bytes.windows(128).any(|window| window == not_utf8());
            ensure!(came, "not the header of the answer: {sent:?}");
            Ok(sent)
        }

        /// The proxy is up, its module has not failed, and was not started again.
        async fn assert_unharmed(&mut self, what: &str) -> Result<()> {
            let envoy = &mut self.edge.envoy;
            ensure!(envoy.exit_status()?.is_none(), "{what}: {}", envoy.log());
            let log = envoy.log();
            let harm = ["panicked", "Uncaught", "Function:", "[error]", "[critical]"];
            let harmed = |line: &&str| harm.iter().any(|word| line.contains(word));
            let harmed: Vec<_> = log.lines().filter(harmed).collect();
            ensure!(harmed.is_empty(), "{what}: {harmed:#?}");
            let stats = envoy.stats().await?;
            let reloads: Vec<_> = stats.matching("vm_reload").filter(|(_, n)| *n > 0).collect();
            ensure!(reloads.is_empty(), "{what}: {reloads:?}");
            let is_told = stats.matching("vm_reload").count() > 0;
            ensure!(is_told || is_left_to_wasm("it has no VM"), "the stat has another name now");
            Ok(())
        }
    }

    /// A cluster that takes as many headers as the listener.
    fn roomy(name: &str, upstream: &RawUpstream) -> Value {
        let mut cluster = cluster(name, upstream.address());
        let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
        cluster["typed_extension_protocol_options"] = json!({ options: {
            "@type": format!("type.googleapis.com/{options}"),
            "explicit_http_config": { "http_protocol_options": {} },
            "common_http_protocol_options": { "max_headers_count": 4000 },
        } });
        cluster
    }

    /// The head of the last request.
    fn last(upstream: &RawUpstream) -> Result<Vec<u8>> {
        upstream.heads().pop().context("no request")
    }

    #[tokio::test]
    async fn a_closed_breaker_passes_any_headers_unchanged() -> Result<()> {
        let mut odd = Odd::start().await?;
        for (requests, (what, headers)) in (1..).zip(sets()) {
            let answer = odd.send("/closed", &headers).await?;
            assert_eq!((answer.status, &answer.body[..]), (200, &b"good"[..]), "{what}");
            assert_eq!(odd.good.heads().len(), requests, "{what}");
            assert_eq!(present(&headers, &last(&odd.good)?), headers.len(), "{what}");
            odd.assert_unharmed(what).await?;
        }
        let succeeded = Outcomes { success: sets().len() as u64, ..Outcomes::default() };
        odd.edge.wait_for_outcomes("closed", succeeded).await?;
        Ok(())
    }

    #[tokio::test]
    async fn an_open_breaker_diverts_any_headers_unchanged() -> Result<()> {
        let mut odd = Odd::start().await?;
        let calls = odd.bad.heads().len();
        for (what, headers) in sets() {
            let answer = odd.send("/open", &headers).await?;
            assert_eq!((answer.status, &answer.body[..]), (200, &b"fallback"[..]), "{what}");
            assert!(answer.head.contains("x-circuit-breaker-fallback: cluster"), "{what}");
            let head = last(&odd.fallback)?;
            assert_eq!(present(&headers, &head), headers.len(), "{what}");
            let own = header("x-circuit-breaker-reason", b"open");
            assert_eq!(present(&[own], &head), 1, "{what}");
            odd.assert_unharmed(what).await?;
        }
        assert_eq!(odd.bad.heads().len(), calls);
        Ok(())
    }

    #[tokio::test]
    async fn a_failed_call_is_replayed_with_those_headers_that_are_text() -> Result<()> {
        let mut odd = Odd::start().await?;
        let is_native = is_left_to_wasm("a call of a dynamic module carries any number of headers");
        let most = if is_native { usize::MAX } else { MOST_REPLAYED };
        let (replayable, others): (Vec<_>, Vec<_>) =
            sets().into_iter().partition(|(_, headers)| headers.len() <= most);
        for (what, headers) in replayable {
            let (calls, replays) = (odd.bad.heads().len(), odd.fallback.heads().len());
            let answer = odd.send("/failing", &headers).await?;
            assert_eq!((answer.status, &answer.body[..]), (200, &b"fallback"[..]), "{what}");
            assert!(answer.head.contains("x-circuit-breaker-fallback: replay"), "{what}");
            assert_eq!(odd.bad.heads().len(), calls + 1, "{what}");
            assert_eq!(present(&headers, &last(&odd.bad)?), headers.len(), "{what}");
            assert_eq!(odd.fallback.heads().len(), replays + 1, "{what}");
            let is_text = |(_, value): &&Header| std::str::from_utf8(value).is_ok();
            let text = headers.iter().filter(is_text).count();
            assert_eq!(present(&headers, &last(&odd.fallback)?), text, "{what}");
            odd.assert_unharmed(what).await?;
        }
        assert_eq!(others.len(), usize::from(!is_native));
        for (what, headers) in others {
            let replays = odd.fallback.heads().len();
            let answer = odd.send("/failing", &headers).await?;
            assert_eq!((answer.status, &answer.body[..]), (503, &b"bad"[..]), "{what}");
            assert!(!answer.head.contains("x-circuit-breaker"), "{what}: {}", answer.head);
            assert_eq!(odd.fallback.heads().len(), replays, "{what}");
            odd.assert_unharmed(what).await?;
        }
        let failed = Outcomes { failure: sets().len() as u64, ..Outcomes::default() };
        odd.edge.wait_for_outcomes("failing", failed).await?;
        Ok(())
    }
}
