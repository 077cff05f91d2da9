//! A proxy that withholds functions and callbacks: the filter says so at the start and is not taken,
//! or does without, as the page on security has it. Nothing traps, and no client waits for ever.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use envoy_harness::client::{Client, Response, empty, full};
use envoy_harness::config::{Bootstrap, LdsFile, Listener, RightsIn, Route, Wasm, cluster};
use envoy_harness::{Envoy, EnvoyOptions};
use serde_json::{Value, json};
use services::{Mode, Ports, Services};
use tests::rights::{Right, rights};
use tests::{PATIENCE, PAYMENT, clusters, is_left_to_wasm, module};

const PATH: &str = "/payment-service/charge";

/// Whatever may be withheld is needed here.
fn plugin() -> Value {
    json!({
        "services": [{
            "name": PAYMENT,
            "trip": { "consecutive_failures": 3 },
            "open": { "wait_duration": "5m" },
            "health_check": { "cluster": clusters::HEALTH, "path": "/no/body", "interval": "400ms", "timeout": "200ms" },
            "fallback": { "cluster": clusters::FALLBACK, "timeout": "300ms" },
        }],
        "admin": { "path_prefix": "/circuit-breaker" },
    })
}

/// A listener whose module has these rights. Each has a VM of its own, and so breakers of its own.
fn listener<'a>(
    name: &str,
    within: RightsIn,
    plugin: &Value,
    rights: impl IntoIterator<Item = &'a str>,
) -> Result<Listener> {
    let wasm = Wasm::new("edge-breaker", &module()?).vm_id(name).rights(within, rights);
    Ok(Listener::new(name)
        .filter(wasm.configuration(plugin))
        .route(Route::diverted())
        .route(Route::prefix("/").cluster(clusters::SERVICE)))
}

struct Proxy {
    envoy: Envoy,
    services: Services,
    client: Client,
    _file: LdsFile,
}

impl Proxy {
    /// A refused listener of a file does not end the proxy.
    async fn start(listeners: Vec<Listener>) -> Result<Self> {
        let services = Services::start(Ports::default()).await?;
        let file = LdsFile::new(listeners)?;
        let config = Bootstrap::new()
            .cluster(cluster(clusters::SERVICE, services.downstream()))
            .cluster(cluster(clusters::FALLBACK, services.fallback()))
            .cluster(cluster(clusters::HEALTH, services.health()))
            .lds(&file)
            .build();
        let envoy = EnvoyOptions::new(config).start().await?;
        Ok(Self { envoy, services, client: Client::new(), _file: file })
    }

    async fn url(&self, listener: &str) -> Result<String> {
        Ok(format!("http://{}{PATH}", self.envoy.listener_addr(listener).await?))
    }

    async fn get(&self, listener: &str) -> Result<Response> {
        let url = self.url(listener).await?;
        let request = self.client.get(&url);
        tokio::time::timeout(Duration::from_secs(30), request).await.context("no answer")?
    }

    async fn post(&self, listener: &str) -> Result<Response> {
        let url = self.url(listener).await?;
        let request = http::Request::post(url).body(full("{}"))?;
        self.client.send(request).await
    }

    /// The statuses of so many requests.
    async fn statuses(&self, listener: &str, requests: usize) -> Result<Vec<u16>> {
        let mut statuses = Vec::new();
        for _ in 0..requests {
            statuses.push(self.get(listener).await?.status.as_u16());
        }
        Ok(statuses)
    }

    /// Waits for a line that the module of a listener has logged.
    async fn logged(&self, listener: &str, text: &str) -> Result<()> {
        let began = Instant::now();
        while !self.envoy.log().lines().any(|it| it.contains(listener) && it.contains(text)) {
            ensure!(
                began.elapsed() < PATIENCE,
                "{listener}: no {text:?} in the log:\n{}",
                self.envoy.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// A name that is found in the log nowhere else.
fn without(right: &Right) -> String {
    format!("less-{}", right.name)
}

#[tokio::test]
async fn a_withheld_function_is_refused_or_done_without() -> Result<()> {
    if is_left_to_wasm("nothing is withheld from a dynamic module") {
        return Ok(());
    }
    let rights = rights()?;
    let names: Vec<&str> = rights.iter().map(|right| right.name.as_str()).collect();
    let mut listeners = vec![listener("all", RightsIn::Plugin, &plugin(), names.iter().copied())?];
    for right in &rights {
        let others = names.iter().copied().filter(|name| *name != right.name);
        listeners.push(listener(&without(right), RightsIn::Plugin, &plugin(), others)?);
    }
    let proxy = Proxy::start(listeners).await?;
    proxy.services.service(PAYMENT).set_mode(Mode::Status(500));
    let mut refused = 0;
    for right in &rights {
        let name = without(right);
        if right.is_needed() {
            is_refused(&proxy, &name, right).await.with_context(|| name.clone())?;
            refused += 1;
        } else {
            does_without(&proxy, &name, right).await.with_context(|| name.clone())?;
        }
    }
    assert!(refused > 15, "{refused}");
    // With all that the page lists, and nothing else, all works.
    assert_eq!(proxy.statuses("all", 6).await?, [200; 6]);
    let open = proxy.get("all").await?;
    assert_eq!(open.header("x-circuit-breaker-fallback"), Some("cluster"), "{open:?}");
    let log = proxy.envoy.log();
    for trap in ["Uncaught", "panicked", "unreachable"] {
        let traps = log.lines().filter(|line| line.contains(trap));
        assert_eq!(traps.collect::<Vec<_>>(), Vec::<&str>::new(), "nothing traps");
    }
    Ok(())
}

/// It is not taken, and one line says why; where there is no log, the proxy's own.
async fn is_refused(proxy: &Proxy, name: &str, right: &Right) -> Result<()> {
    let line = match right.name.as_str() {
        "proxy_log" => {
            let line = "restricted proxy-wasm capability: proxy_log";
            proxy.envoy.wait_for_log(line, PATIENCE).await?;
            return Ok(());
        }
        right => format!("configuration refused: the proxy withholds {right}: name it in"),
    };
    proxy.logged(name, &line).await?;
    ensure!(proxy.envoy.listener_addr(name).await.is_err(), "the listener is there");
    Ok(())
}

/// What the page says of callbacks.
async fn does_without(proxy: &Proxy, name: &str, right: &Right) -> Result<()> {
    let missing = format!("callback=proxy_on_{}", right.name.trim_start_matches("proxy_on_"));
    match right.name.as_str() {
        // Nothing is guarded.
        "proxy_on_configure" => {
            assert_eq!(proxy.statuses(name, 6).await?, [500; 6]);
            proxy.logged(name, &missing).await?;
        }
        "proxy_on_request_headers" => {
            assert_eq!(proxy.statuses(name, 101).await?, [500; 101]);
            proxy.logged(name, &missing).await?;
        }
        // What the service answers is not seen.
        "proxy_on_response_headers" => assert_eq!(proxy.statuses(name, 6).await?, [500; 6]),
        // Without the timer, no health check would close it.
        "proxy_on_tick" => {
            let began = Instant::now();
            while began.elapsed() < Duration::from_secs(2) {
                assert_eq!(proxy.statuses(name, 10).await?, [200; 10]);
            }
            proxy.logged(name, &missing).await?;
        }
        // The failed answer goes on when the fallback's is overdue; from then on at once, since nobody is
        // asked.
        "proxy_on_http_call_response" => {
            assert_eq!(proxy.statuses(name, 1).await?, [500]);
            proxy.logged(name, &missing).await?;
            let asked = proxy.services.fallback_calls();
            assert_eq!(proxy.statuses(name, 1).await?, [500]);
            assert_eq!(proxy.services.fallback_calls(), asked);
            proxy.statuses(name, 1).await?;
            assert_eq!(proxy.statuses(name, 3).await?, [200; 3], "open, and diverted");
        }
        // The table of streams does not grow for ever.
        "proxy_on_delete" => {
            let mut seen = 0;
            assert_eq!(proxy.statuses(name, 6).await?, [200; 6]);
            while !proxy.envoy.log().contains(&missing) {
                ensure!(seen < 10_000, "{seen} requests, and it says nothing");
                seen += 100;
                proxy.statuses(name, 100).await?;
            }
            assert_eq!(proxy.statuses(name, 1).await?, [500], "not guarded");
        }
        // A request with a body is not sent again.
        "proxy_on_request_body" => {
            assert_eq!(proxy.post(name).await?.status, 500);
            assert_eq!(proxy.statuses(name, 3).await?, [200; 3]);
        }
        // An answer that is written into a failed one misses its body, once.
        "proxy_on_response_body" => {
            let url = proxy.url(name).await?;
            let _ = Client::new().timeout(Duration::from_secs(1)).get(&url).await;
            proxy.logged(name, &format!("callback={}", right.name)).await?;
            assert_eq!(proxy.statuses(name, 5).await?, [200; 5], "fallback, and open");
        }
        // Calls are settled when their streams end.
        _ => {
            assert_eq!(proxy.statuses(name, 6).await?, [200; 6], "fallback, and open");
        }
    }
    Ok(())
}

/// A configuration that makes no call needs no right to make one.
#[tokio::test]
async fn calls_may_be_withheld_where_none_are_made() -> Result<()> {
    let calls = [
        "proxy_http_call",
        "proxy_continue_stream",
        "proxy_set_effective_context",
        "proxy_on_http_call_response",
    ];
    let rights = rights()?;
    let names = rights.iter().map(|right| right.name.as_str());
    let names: Vec<&str> = names.filter(|name| !calls.contains(name)).collect();
    let service = json!({
        "name": PAYMENT,
        "fallback": { "cluster": clusters::FALLBACK, "on_failure": false },
    });
    let plain = json!({ "services": [service] });
    let listener = listener("no-calls", RightsIn::Plugin, &plain, names)?;
    let proxy = Proxy::start(vec![listener]).await?;
    proxy.services.service(PAYMENT).set_mode(Mode::Status(500));
    assert_eq!(proxy.statuses("no-calls", 5).await?, [500, 500, 500, 200, 200]);
    ensure!(!proxy.envoy.log().contains("restricted"), "{}", proxy.envoy.log());
    Ok(())
}

/// Both places in which the rights may stand.
#[tokio::test]
async fn rights_may_stand_where_the_version_has_them() -> Result<()> {
    if is_left_to_wasm("nothing is withheld from a dynamic module") {
        return Ok(());
    }
    let rights = rights()?;
    let names = || rights.iter().map(|right| right.name.as_str());
    let few = || names().filter(|name| *name != "proxy_get_shared_data");
    let [all, less] = ["rights-all", "rights-less"];
    for within in [RightsIn::Plugin, RightsIn::Vm] {
        let listeners = vec![
            listener(all, within, &plugin(), names())?,
            listener(less, within, &plugin(), few())?,
        ];
        let proxy = Proxy::start(listeners).await?;
        let version = proxy.version().await?;
        if within == RightsIn::Vm && version < (1, 40) {
            let unknown = "capability_restriction_config";
            ensure!(proxy.envoy.log().contains(unknown), "{}", proxy.envoy.log());
            continue;
        }
        assert_eq!(proxy.get(all).await?.status, 200, "{within:?}");
        proxy.logged(less, "the proxy withholds proxy_get_shared_data").await?;
        let deprecated = proxy.envoy.log().contains("Using deprecated option");
        assert_eq!(deprecated, within == RightsIn::Plugin && version >= (1, 40), "{within:?}");
    }
    Ok(())
}

impl Proxy {
    /// The proxy's major and minor version.
    async fn version(&self) -> Result<(u32, u32)> {
        let url = format!("http://{}/server_info", self.envoy.admin_addr());
        let told = self.client.send(http::Request::get(url).body(empty())?).await?.json()?;
        // commit/version/status/build type/library
        let text = told["version"].as_str().context("no version")?;
        let mut numbers = text.split('/').nth(1).context("no version")?.split('.');
        let mut next = || anyhow::Ok(numbers.next().context("no number")?.parse::<u32>()?);
        Ok((next()?, next()?))
    }
}
