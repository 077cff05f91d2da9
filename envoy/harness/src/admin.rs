//! Envoy's admin interface: what a running proxy says of itself.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use http::{Method, Request, StatusCode};
use serde_json::Value;

use crate::client::{Client, empty};
use crate::{Prometheus, Stats};

#[derive(Debug)]
pub(crate) struct Admin {
    address: SocketAddr,
    client: Client,
}

impl Admin {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, client: Client::new() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn is_ready(&self) -> bool {
        self.get("/ready").await.is_ok()
    }

    pub(crate) async fn listener_addr(&self, name: &str) -> Result<SocketAddr> {
        let answer: Value = serde_json::from_str(&self.get("/listeners?format=json").await?)?;
        let listeners = answer["listener_statuses"].as_array().context("no listener at all")?;
        let found = listeners.iter().find(|listener| listener["name"] == name);
        let names: Vec<&Value> = listeners.iter().map(|listener| &listener["name"]).collect();
        let listener = found.with_context(|| format!("no listener {name:?} among {names:?}"))?;
        let socket = &listener["local_address"]["socket_address"];
        let ip = socket["address"].as_str().context("a listener without an IP address")?;
        let port = socket["port_value"].as_u64().context("a listener without a port")?;
        Ok(SocketAddr::new(ip.parse()?, u16::try_from(port)?))
    }

    pub(crate) async fn stats(&self) -> Result<Stats> {
        Stats::parse(&self.get("/stats?format=json").await?)
    }

    pub(crate) async fn stats_matching(&self, regex: &str) -> Result<Stats> {
        let escaped: String = regex.bytes().map(|byte| format!("%{byte:02X}")).collect();
        Stats::parse(&self.get(&format!("/stats?format=json&filter={escaped}")).await?)
    }

    pub(crate) async fn prometheus(&self) -> Result<Prometheus> {
        Ok(Prometheus::new(self.get("/stats/prometheus").await?))
    }

    pub(crate) async fn reset_counters(&self) -> Result<()> {
        self.ask(Method::POST, "/reset_counters").await.map(drop)
    }

    async fn get(&self, path: &str) -> Result<String> {
        self.ask(Method::GET, path).await
    }

    async fn ask(&self, method: Method, path: &str) -> Result<String> {
        let uri = format!("http://{}{path}", self.address);
        let request = Request::builder().method(&method).uri(uri).body(empty())?;
        let response = self.client.send(request).await?;
        let (status, text) = (response.status, response.text());
        ensure!(
            status == StatusCode::OK,
            "{method} {path} of the admin interface: {status} {text}"
        );
        Ok(text)
    }
}
