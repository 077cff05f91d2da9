//! A proxy that a control plane has configured by a sample, and the breaker's whole round in it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use envoy_harness::Prometheus;
use envoy_harness::client::{Client, Response, empty};
use http::{Method, Request, StatusCode};
use serde_json::Value;
use services::{Downstream, Mode, Services};
use tests::answered_by;
use tests::steering::{OWN_HEADERS, ROUTER_HEADERS};

use crate::cluster::Cluster;
use crate::forward::Forward;
use crate::pod::Pod;
use crate::process::PATIENCE;

/// How a proxy is called and looked at.
pub(crate) struct Site<'s> {
    pub(crate) services: &'s Services,
    client: Client,
    public: Door,
    admin: Forward,
    metrics: SocketAddr,
    token: Option<String>,
    host: &'static str,
    /// How often a call that fails is tried.
    attempts: u64,
}

/// Where the listeners of a proxy are.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) public: u16,
    /// Whether the public one is for the pod's own application only.
    pub(crate) within: bool,
    pub(crate) metrics: u16,
}

/// How calls get to a proxy.
enum Door {
    /// From other pods.
    Pod(SocketAddr),
    /// From the pod itself, where a forwarded port ends.
    Within(Forward),
}

/// What a pod's proxy is asked for, as what, and with which token for its admin API.
#[derive(Clone, Copy)]
pub(crate) struct Ways<'w> {
    pub(crate) ports: Ports,
    pub(crate) host: &'static str,
    pub(crate) token: Option<&'w str>,
    /// How often a call that fails is tried.
    pub(crate) attempts: u64,
}

/// The port of the admin API in all samples.
pub(crate) const ADMIN: u16 = 10001;

/// A metric that is there as soon as a module has taken its configuration.
const UNPROTECTED: &str = "edge_breaker_unprotected_total";

impl<'s> Site<'s> {
    /// Of this pod, as soon as the breaker is loaded there.
    pub(crate) async fn of(
        cluster: &'static Cluster,
        pod: &Pod,
        services: &'s Services,
        ways: Ways<'_>,
    ) -> Result<Self> {
        let site = Self::unguarded(cluster, pod, services, ways).await?;
        site.wait_until("loaded", async || Ok(site.breaker().await?["state"].is_string())).await?;
        Ok(site)
    }

    /// The same as soon as the proxy answers, whether a breaker is there or not.
    pub(crate) async fn unguarded(
        cluster: &'static Cluster,
        pod: &Pod,
        services: &'s Services,
        Ways { ports, host, token, attempts }: Ways<'_>,
    ) -> Result<Self> {
        let public = match ports.within {
            true => Door::Within(Forward::of(cluster, pod, ports.public)?),
            false => Door::Pod(pod.at(ports.public)),
        };
        let site = Self {
            services,
            client: Client::new(),
            public,
            admin: Forward::of(cluster, pod, ADMIN)?,
            metrics: pod.at(ports.metrics),
            token: token.map(str::to_owned),
            host,
            attempts,
        };
        // It may be refused, where a test guards the route.
        let answers = [StatusCode::OK, StatusCode::FORBIDDEN];
        let answers = async || Ok(answers.contains(&site.call().await?.status));
        site.wait_until("an answer of the proxy", answers).await?;
        Ok(site)
    }

    /// Waits until something is so.
    pub(crate) async fn wait_until(
        &self,
        what: &str,
        mut is_so: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<()> {
        let start = Instant::now();
        loop {
            match is_so().await {
                Ok(true) => return Ok(()),
                answer if start.elapsed() > PATIENCE => {
                    answer.with_context(|| format!("not in time: {what}"))?;
                    anyhow::bail!("not in time: {what}");
                }
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Where calls go.
    pub(crate) fn public(&self) -> Result<SocketAddr> {
        match &self.public {
            Door::Pod(address) => Ok(*address),
            Door::Within(forward) => forward.address(),
        }
    }

    /// The guarded service.
    pub(crate) fn payments(&self) -> Downstream {
        self.services.service("payments")
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        let mut request = Request::get(format!("http://{}{path}", self.public()?));
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
    pub(crate) async fn breaker(&self) -> Result<Value> {
        self.ask_admin(Method::GET, "").await?.json()
    }

    /// Steers it, and says how it is then.
    pub(crate) async fn steer(&self, command: &str) -> Result<Value> {
        self.ask_admin(Method::POST, &format!("/{command}")).await?.json()
    }

    pub(crate) async fn ask_admin(&self, method: Method, rest: &str) -> Result<Response> {
        let url =
            format!("http://{}/circuit-breaker/services/payments{rest}", self.admin.address()?);
        let request = Request::builder().method(method).uri(url);
        let request = match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request.header("content-type", "application/json"),
        };
        self.client.send(request.body(empty())?).await
    }

    pub(crate) async fn wait_for_state(&self, wanted: &str) -> Result<()> {
        self.wait_until(wanted, async || Ok(self.breaker().await?["state"] == wanted)).await
    }

    /// Its metrics, as Prometheus reads them.
    pub(crate) async fn metrics(&self) -> Result<Prometheus> {
        let url = format!("http://{}/stats/prometheus", self.metrics);
        Ok(Prometheus::new(self.client.get(&url).await?.text()))
    }

    /// How much a counter of the guarded service has risen.
    async fn rise(&self, start: &Prometheus, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
        Ok(value(&self.metrics().await?, name, labels)? - value(start, name, labels)?)
    }

    /// As the pages walk: it only tells at first, is seen to divert, and is enabled. Then tripped, diverted, checked,
    /// half-open, closed; and what shows it.
    pub(crate) async fn goes_round(&self) -> Result<()> {
        let health = self.services.service("health");
        // Calls may have failed while the proxy, or one behind it, was not ready.
        assert_eq!(self.steer("reset").await?["state"], "METRICS_ONLY");
        let start = self.metrics().await?;
        self.assert_answered(200, "downstream").await?;

        // A client cannot choose the fallback.
        let chosen = self.call_with("x-circuit-breaker-cluster", "any").await?;
        let answered = (chosen.status.as_u16(), self.services.fallback_calls());
        assert_eq!(answered, (200, 0), "{chosen:?}");

        assert_eq!(self.steer("force-open").await?["state"], "FORCED_OPEN");
        self.assert_answered(200, "cluster").await?;
        assert_eq!(self.steer("reset").await?["state"], "METRICS_ONLY");
        self.assert_answered(200, "downstream").await?;
        self.would_open(&start).await?;
        assert_eq!(self.steer("reset").await?["state"], "METRICS_ONLY");
        assert_eq!(self.steer("enable").await?["state"], "CLOSED");

        let calls = self.payments().calls();
        self.payments().set_mode(Mode::Status(503));
        for _ in 0..3 {
            self.assert_answered(200, "replay").await?;
        }
        self.wait_for_state("OPEN").await?;
        // Three failures, each after its retries.
        assert_eq!(self.payments().calls(), calls + 3 * self.attempts);
        let calls = self.payments().calls();
        for _ in 0..10 {
            let answer = self.call().await?;
            let answered = (answer.status.as_u16(), answered_by(&answer));
            assert_eq!(answered, (200, "cluster"), "{answer:?}");
            let told = answer.json()?;
            let told = (&told["circuit_breaker_state"], &told["service_name"]);
            assert_eq!(told, (&"OPEN".into(), &"payments".into()));
        }
        assert_eq!(self.payments().calls(), calls, "a call reached the service");
        assert_eq!(value(&self.metrics().await?, "edge_breaker_state", &[])?, 1.0);

        // The check goes to the cluster that the configuration names, whatever the routes say.
        let checks = health.counts().calls;
        let next = tokio::time::timeout(PATIENCE, health.until(|counts| counts.calls > checks));
        next.await.context("no health check")?;
        assert_eq!(self.breaker().await?["state"], "OPEN");
        self.payments().set_mode(Mode::Normal);
        health.set_mode(Mode::Normal);
        self.wait_for_state("HALF_OPEN").await?;
        self.assert_answered(200, "downstream").await?;
        self.wait_for_state("CLOSED").await?;
        self.assert_metrics(&start).await?;

        assert_eq!(self.steer("disable").await?["state"], "DISABLED");
        self.payments().set_mode(Mode::Status(503));
        self.assert_answered(503, "downstream").await
    }

    /// A call of the guarded service is answered with this status, by whom.
    pub(crate) async fn assert_answered(&self, status: u16, by: &str) -> Result<()> {
        let answer = self.call().await?;
        assert_eq!((answer.status.as_u16(), answered_by(&answer)), (status, by), "{answer:?}");
        Ok(())
    }

    /// Waits until somebody else answers calls.
    pub(crate) async fn wait_until_answered_by(&self, by: &str) -> Result<()> {
        self.wait_until(by, async || Ok(answered_by(&self.call().await?) == by)).await
    }

    /// The admin API takes a client for a local one by its connection, whatever a header says.
    pub(crate) async fn assert_admin_goes_by_the_connection(&self) -> Result<()> {
        let url = format!("http://{}/circuit-breaker/services/payments", self.admin.address()?);
        let request = Request::get(url).header("x-forwarded-for", "203.0.113.9");
        let answer = self.client.send(request.body(empty())?).await?;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        Ok(())
    }

    /// Where the admin API is on all addresses, it answers nobody without its token.
    pub(crate) async fn assert_admin_wants_its_token(&self, address: SocketAddr) -> Result<()> {
        let url = format!("http://{address}/circuit-breaker/services/payments");
        let ask = |method: Method, rest: &str, token: &str| {
            let request = Request::builder().method(method).uri(format!("{url}{rest}"));
            let request = request.header("content-type", "application/json");
            let request = request.header("authorization", format!("Bearer {token}"));
            anyhow::Ok(self.client.send(request.body(empty())?))
        };
        let token = self.token.as_deref().context("no token")?;
        let before = ask(Method::GET, "", token)?.await?;
        assert_eq!(before.status, StatusCode::OK, "{before:?}");
        for (method, rest) in [(Method::GET, ""), (Method::POST, "/force-open")] {
            let refused = ask(method, rest, "another")?.await?;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused:?}");
        }
        let without = self.client.get(&url).await?;
        assert_eq!(without.status, StatusCode::UNAUTHORIZED, "{without:?}");
        assert_eq!(self.breaker().await?["state"], before.json()?["state"]);
        Ok(())
    }

    /// The listener of the admin API is there, and no breaker answers. That is what the alarm fires by.
    pub(crate) async fn assert_shows_no_breaker(&self) -> Result<()> {
        let answer = self.ask_admin(Method::GET, "").await?;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer:?}");
        assert!(!self.is_seen_by_the_alarm().await?, "there is a breaker");
        Ok(())
    }

    /// Whether there is what the alarm `CircuitBreakerMissing` takes for a breaker.
    pub(crate) async fn is_seen_by_the_alarm(&self) -> Result<bool> {
        Ok(self.metrics().await?.series(UNPROTECTED).next().is_some())
    }

    /// While it only tells, the service's failures reach the client, and what would have been done is counted.
    async fn would_open(&self, start: &Prometheus) -> Result<()> {
        self.payments().set_mode(Mode::Status(503));
        self.services.service("health").set_mode(Mode::Status(503));
        let fallback = self.services.fallback_calls();
        for _ in 0..4 {
            self.assert_answered(503, "downstream").await?;
        }
        assert_eq!(self.services.fallback_calls(), fallback);
        let opened = [("cb_to", "open"), ("cb_reason", "consecutive_failures")];
        assert_eq!(self.rise(start, "edge_breaker_transitions_total", &opened).await?, 1.0);
        let open = [("cb_reason", "open")];
        assert_eq!(self.rise(start, "edge_breaker_not_permitted_total", &open).await?, 1.0);
        self.payments().set_mode(Mode::Normal);
        Ok(())
    }

    /// What is left without the breaker: the service answers every call, good or bad, and no client gets at the fallback.
    pub(crate) async fn assert_serves_unguarded(&self) -> Result<()> {
        let fallback = self.services.fallback_calls();
        self.payments().set_mode(Mode::Normal);
        self.assert_answered(200, "downstream").await?;
        for name in OWN_HEADERS {
            assert_eq!(self.call_with(name, "any").await?.status, StatusCode::OK);
        }
        self.payments().set_mode(Mode::Status(503));
        for _ in 0..4 {
            self.assert_answered(503, "downstream").await?;
        }
        self.payments().set_mode(Mode::Normal);
        assert_eq!(self.services.fallback_calls(), fallback);
        Ok(())
    }

    /// Waits until the breaker is gone; no call fails meanwhile.
    pub(crate) async fn wait_until_unguarded(&self) -> Result<()> {
        self.payments().set_mode(Mode::Normal);
        let gone = async || {
            self.assert_answered(200, "downstream").await?;
            let answer = self.ask_admin(Method::GET, "").await;
            Ok(!answer.is_ok_and(|answer| answer.status == StatusCode::OK))
        };
        self.wait_until("a proxy without the breaker", gone).await?;
        self.assert_serves_unguarded().await
    }

    /// Each label of the breaker's metrics is one of Prometheus.
    async fn assert_metrics(&self, start: &Prometheus) -> Result<()> {
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
            assert_eq!(self.rise(start, name, labels).await?, value, "{name} {labels:?}");
        }
        assert!(self.is_seen_by_the_alarm().await?);
        let metrics = self.metrics().await?;
        let unprotected: f64 = metrics.series(UNPROTECTED).map(|(_, value)| value).sum();
        assert_eq!(unprotected, 0.0);
        Ok(())
    }

    /// Where a filter before the breaker lets nobody take the service's route, a client takes no other, whichever headers it sends.
    pub(crate) async fn assert_clients_steer_nothing(&self) -> Result<()> {
        let before = (self.payments().calls(), self.services.fallback_calls());
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
        assert_eq!((self.payments().calls(), self.services.fallback_calls()), before);
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

    /// Nobody steers the breaker from the listener that clients use. That of the admin API answers anything else with
    /// this status.
    pub(crate) async fn assert_admin_is_not_public(&self, otherwise: u16) -> Result<()> {
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
        let url = format!("http://{}/", self.admin.address()?);
        assert_eq!(self.client.get(&url).await?.status, otherwise);
        Ok(())
    }
}

/// A metric of the guarded service.
fn value(metrics: &Prometheus, name: &str, labels: &[(&str, &str)]) -> Result<f64> {
    let labels: Vec<_> = [("cb_service", "payments")].iter().chain(labels).copied().collect();
    metrics.value(name, &labels).with_context(|| {
        let series: Vec<_> = metrics.text().lines().filter(|line| line.contains(name)).collect();
        format!("no {name} with {labels:?} among {series:#?}")
    })
}
