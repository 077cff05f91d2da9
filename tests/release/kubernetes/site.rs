//! A proxy as a control plane would have configured it, and the breaker's whole round in it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use envoy_harness::client::{Client, Response, empty};
use envoy_harness::{Envoy, EnvoyOptions};
use http::{Method, Request, StatusCode};
use serde_json::Value;
use services::{Downstream, Mode, Ports, Services};
use tests::steering::{OWN_HEADERS, ROUTER_HEADERS};
use tests::{PATIENCE, answered_by};

/// The services behind the samples' proxies. The first segment of a path names the service that it calls: `/payments`
/// the guarded one, `/health` its health check.
pub(crate) async fn services() -> Result<Services> {
    Ok(Services::start(Ports::default()).await?)
}

/// A change of a proxy's configuration, for a test of its public listener, which has this name.
pub(crate) type Change = fn(&mut Value, &str) -> Result<()>;

/// None.
pub(crate) fn unchanged(_: &mut Value, _: &str) -> Result<()> {
    Ok(())
}

/// An Envoy, its services, and how they are called.
pub(crate) struct Site {
    pub(crate) envoy: Envoy,
    pub(crate) services: Services,
    client: Client,
    public: SocketAddr,
    admin: SocketAddr,
    token: Option<String>,
    host: &'static str,
}

impl Site {
    /// Starts an Envoy with this configuration, whose listeners have these names.
    pub(crate) async fn start(
        config: Value,
        services: Services,
        [public, admin]: [&str; 2],
        host: &'static str,
    ) -> Result<Self> {
        let envoy = EnvoyOptions::new(config).concurrency(2).start().await?;
        let public = envoy.listener_addr(public).await?;
        let admin = envoy.listener_addr(admin).await?;
        Ok(Self { envoy, services, client: Client::new(), public, admin, token: None, host })
    }

    /// The token of its admin API.
    pub(crate) fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    fn payments(&self) -> Downstream {
        self.services.service("payments")
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let mut request = Request::get(format!("http://{}{path}", self.public));
        request = request.header("host", self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.client.send(request.body(empty())?).await
    }

    /// Calls the guarded service.
    pub(crate) async fn call(&self) -> Result<Response> {
        self.get("/payments/charge", &[]).await
    }

    /// Calls it with a header.
    pub(crate) async fn call_with(&self, header: &str, value: &str) -> Result<Response> {
        self.get("/payments/charge", &[(header, value)]).await
    }

    /// The breaker as the admin listener shows it.
    async fn breaker(&self) -> Result<Value> {
        self.ask_admin(Method::GET, "").await
    }

    /// Steers it, and says how it is then.
    pub(crate) async fn steer(&self, command: &str) -> Result<Value> {
        self.ask_admin(Method::POST, &format!("/{command}")).await
    }

    async fn ask_admin(&self, method: Method, rest: &str) -> Result<Value> {
        let url = format!("http://{}/circuit-breaker/services/payments{rest}", self.admin);
        let request = Request::builder().method(method).uri(url);
        let request = match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request.header("content-type", "application/json"),
        };
        self.client.send(request.body(empty())?).await?.json()
    }

    async fn wait_for_state(&self, wanted: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            let breaker = self.breaker().await?;
            if breaker["state"] == wanted {
                return Ok(());
            }
            ensure!(start.elapsed() < PATIENCE, "{breaker}, not {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        let metrics = self.envoy.prometheus().await?;
        let labels: Vec<_> = [("cb_service", "payments")].iter().chain(labels).copied().collect();
        metrics.value(name, &labels).with_context(|| {
            let series: Vec<_> =
                metrics.text().lines().filter(|line| line.contains(name)).collect();
            format!("no {name} with {labels:?} among {series:#?}")
        })
    }

    /// As the pages walk: it only tells at first, is seen to divert, and is enabled. Then tripped, diverted, checked,
    /// half-open, closed; and what shows it.
    pub(crate) async fn goes_round(&self) -> Result<()> {
        let health = self.services.service("health");
        self.payments().set_failure_rate(0.0);
        assert_eq!(self.breaker().await?["state"], "METRICS_ONLY");
        self.assert_answered(200, "downstream").await?;

        // A client cannot choose the fallback.
        let chosen = self.call_with("x-circuit-breaker-cluster", "any").await?;
        assert_eq!(
            (chosen.status.as_u16(), self.services.fallback_calls()),
            (200, 0),
            "{chosen:?}"
        );

        assert_eq!(self.steer("force-open").await?["state"], "FORCED_OPEN");
        self.assert_answered(200, "cluster").await?;
        assert_eq!(self.steer("reset").await?["state"], "METRICS_ONLY");
        self.assert_answered(200, "downstream").await?;
        self.would_open().await?;
        assert_eq!(self.steer("reset").await?["state"], "METRICS_ONLY");
        assert_eq!(self.steer("enable").await?["state"], "CLOSED");

        let calls = self.payments().calls();
        self.payments().set_mode(Mode::Status(503));
        for _ in 0..3 {
            self.assert_answered(200, "replay").await?;
        }
        self.wait_for_state("OPEN").await?;
        // Three failures with two retries each.
        assert_eq!(self.payments().calls(), calls + 9);
        let calls = self.payments().calls();
        for _ in 0..10 {
            let answer = self.call().await?;
            assert_eq!(
                (answer.status.as_u16(), answered_by(&answer)),
                (200, "cluster"),
                "{answer:?}"
            );
            let told = answer.json()?;
            assert_eq!(
                (&told["circuit_breaker_state"], &told["service_name"]),
                (&"OPEN".into(), &"payments".into()),
                "{told}"
            );
        }
        assert_eq!(self.payments().calls(), calls, "a call reached the service");
        assert_eq!(self.metric("edge_breaker_state", &[]).await?, 1.0);

        // The check goes to the cluster that the configuration names, whatever the routes say.
        let checks = health.counts().calls;
        let next = tokio::time::timeout(PATIENCE, health.until(|counts| counts.calls > checks));
        next.await.context("no health check")?;
        assert_eq!(self.breaker().await?["state"], "OPEN");
        self.payments().set_mode(Mode::Normal);
        self.payments().set_failure_rate(0.0);
        health.set_mode(Mode::Normal);
        self.wait_for_state("HALF_OPEN").await?;
        self.assert_answered(200, "downstream").await?;
        self.wait_for_state("CLOSED").await?;
        self.assert_metrics().await?;

        assert_eq!(self.steer("disable").await?["state"], "DISABLED");
        self.payments().set_mode(Mode::Status(503));
        self.assert_answered(503, "downstream").await
    }

    /// A call of the guarded service is answered with this status, by whom.
    async fn assert_answered(&self, status: u16, by: &str) -> Result<()> {
        let answer = self.call().await?;
        assert_eq!((answer.status.as_u16(), answered_by(&answer)), (status, by), "{answer:?}");
        Ok(())
    }

    /// While it only tells, the service's failures reach the client, and what would have been done is counted.
    async fn would_open(&self) -> Result<()> {
        self.payments().set_mode(Mode::Status(503));
        self.services.service("health").set_mode(Mode::Status(503));
        let fallback = self.services.fallback_calls();
        for _ in 0..4 {
            self.assert_answered(503, "downstream").await?;
        }
        assert_eq!(self.services.fallback_calls(), fallback);
        let opened = [("cb_to", "open"), ("cb_reason", "consecutive_failures")];
        assert_eq!(self.metric("edge_breaker_transitions_total", &opened).await?, 1.0);
        let open = [("cb_reason", "open")];
        assert_eq!(self.metric("edge_breaker_not_permitted_total", &open).await?, 1.0);
        self.payments().set_mode(Mode::Normal);
        Ok(())
    }

    /// What is left without the breaker: the service answers every call, good or bad, and no client gets at the fallback.
    pub(crate) async fn assert_serves_unguarded(&self) -> Result<()> {
        self.payments().set_failure_rate(0.0);
        self.assert_answered(200, "downstream").await?;
        for name in OWN_HEADERS {
            assert_eq!(self.call_with(name, "any").await?.status, StatusCode::OK);
        }
        self.payments().set_mode(Mode::Status(503));
        for _ in 0..4 {
            self.assert_answered(503, "downstream").await?;
        }
        assert_eq!(self.services.fallback_calls(), 0);
        Ok(())
    }

    /// Each label of the breaker's metrics is one of Prometheus.
    async fn assert_metrics(&self) -> Result<()> {
        let opened = [("cb_to", "open"), ("cb_reason", "consecutive_failures")];
        let healthy = [("cb_to", "half_open"), ("cb_reason", "health_check")];
        for (name, labels, value) in [
            // Once while it only told.
            ("edge_breaker_transitions_total", &opened[..], 2.0),
            ("edge_breaker_transitions_total", &healthy, 1.0),
            ("edge_breaker_calls_total", &[("cb_outcome", "failure")], 7.0),
            ("edge_breaker_calls_total", &[("cb_outcome", "success")], 4.0),
            ("edge_breaker_fallback_total", &[("cb_kind", "replay")], 3.0),
            ("edge_breaker_fallback_total", &[("cb_kind", "cluster")], 11.0),
            ("edge_breaker_not_permitted_total", &[("cb_reason", "open")], 11.0),
            ("edge_breaker_not_permitted_total", &[("cb_reason", "forced_open")], 1.0),
            ("edge_breaker_health_checks_total", &[("cb_result", "healthy")], 1.0),
        ] {
            assert_eq!(self.metric(name, labels).await?, value, "{name} {labels:?}");
        }
        let unprotected = self.envoy.stats().await?;
        let unprotected: u64 =
            unprotected.matching("edge_breaker_unprotected_total").map(|(_, value)| value).sum();
        assert_eq!(unprotected, 0);
        Ok(())
    }

    /// Where a filter before the breaker lets nobody take the service's route, a client takes no other, whichever headers it sends.
    pub(crate) async fn assert_clients_steer_nothing(&self) -> Result<()> {
        let refused = async |headers: &[(&str, &str)]| {
            let answer = self.get("/payments/charge", headers).await?;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}: {answer:?}");
            anyhow::Ok(())
        };
        refused(&[]).await?;
        for name in OWN_HEADERS {
            refused(&[(name, "payments-fallback")]).await?;
            refused(&[(name, "any"), (name, "")]).await?;
        }
        refused(&OWN_HEADERS.map(|name| (name, "x"))).await?;
        assert_eq!((self.payments().calls(), self.services.fallback_calls()), (0, 0));
        Ok(())
    }

    /// Which of all headers that steer something come to the first filter: it has to tell.
    pub(crate) async fn what_comes_through(&self) -> Result<Vec<&'static str>> {
        let all = OWN_HEADERS.into_iter().chain(ROUTER_HEADERS);
        let headers: Vec<_> = all.clone().map(|name| (name, "1")).collect();
        let told = self.get("/payments/charge", &headers).await?.text();
        let told: Vec<_> = told.split(' ').collect();
        ensure!(told.contains(&":path"), "{told:?}");
        Ok(all.filter(|name| told.contains(name)).collect())
    }

    /// Nobody steers the breaker from the listener that clients use.
    pub(crate) async fn assert_admin_is_not_public(&self) -> Result<()> {
        for path in [
            "/circuit-breaker/services",
            "/payments/../circuit-breaker/services",
            "/payments/%2e%2e/circuit-breaker/services",
        ] {
            let answer = self.get(path, &[]).await?;
            let text = answer.text();
            assert!(!text.contains("service_name"), "{path}: {} {text}", answer.status);
        }
        let shown = self.breaker().await?;
        assert_eq!(shown["service_name"], "payments");
        let url = format!("http://{}/", self.admin);
        assert_eq!(self.client.get(&url).await?.status, StatusCode::NOT_FOUND);
        Ok(())
    }
}
