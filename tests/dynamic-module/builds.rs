//! Several builds of the module in one process: the first one keeps the breakers, until the process
//! ends.

use std::fs;
use std::time::Duration;

use anyhow::{Result, bail};
use envoy_harness::client::{Client, RawConnection, empty};
use envoy_harness::config::{Bootstrap, DynamicModule, LdsFile, Listener, Route};
use envoy_harness::{Envoy, EnvoyOptions};
use serde_json::json;
use services::{Ports, Services};
use tempfile::TempDir;
use tests::{PATIENCE, PAYMENT, clusters_of, primary_route};
use tokio::time::{Instant, sleep, timeout};

const UPDATED: &str = "listener_manager.lds.update_success";

/// An Envoy that has its listener from a file, and two modules to choose from. To the linker they are
/// two: each has variables, an allocator and a standard library of its own.
struct Changing {
    envoy: Envoy,
    services: Services,
    file: LdsFile,
    _modules: TempDir,
}

impl Changing {
    async fn start(first: &str) -> Result<Self> {
        let modules = tempfile::tempdir()?;
        let built = artifacts::dynamic_module()?;
        for name in ["one", "other"] {
            fs::copy(&built, modules.path().join(format!("lib{name}.so")))?;
        }
        let services = Services::start(Ports::default()).await?;
        let file = LdsFile::new(vec![listener(first)])?;
        let bootstrap =
            clusters_of(&services).into_iter().fold(Bootstrap::new(), Bootstrap::cluster);
        let options = EnvoyOptions::new(bootstrap.lds(&file).build()).modules(modules.path());
        let envoy = options.concurrency(2).start().await?;
        let changing = Self { envoy, services, file, _modules: modules };
        changing.updated(1).await?;
        Ok(changing)
    }

    async fn updated(&self, times: u64) -> Result<()> {
        self.envoy.wait_for_counter(UPDATED, times, PATIENCE).await?;
        Ok(())
    }

    /// Puts these listeners in the place of the one that there is, and waits until they are at work.
    async fn update(&self, listeners: Vec<Listener>) -> Result<()> {
        let updates = self.envoy.counter(UPDATED).await?;
        self.file.write(listeners)?;
        self.updated(updates + 1).await
    }

    /// What a client gets on a connection of its own.
    async fn get(&self) -> Result<u16> {
        let url = format!("http://{}/payment-service", self.envoy.listener_addr("edge").await?);
        Ok(Client::new().get(&url).await?.status.as_u16())
    }

    async fn state(&self) -> Result<String> {
        let address = self.envoy.listener_addr("edge").await?;
        let url = format!("http://{address}/circuit-breaker/services/{PAYMENT}");
        let response = Client::new().send(http::Request::get(url).body(empty())?).await?;
        Ok(response.json()?["state"].as_str().unwrap_or_default().to_owned())
    }

    async fn trip(&self) -> Result<()> {
        self.services.service(PAYMENT).set_failure_rate(1.0);
        for _ in 0..3 {
            self.get().await?;
        }
        assert_eq!(self.state().await?, "OPEN");
        Ok(())
    }

    async fn until_answered_by(&self, module: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            let url = format!("http://{}/payment-service", self.envoy.listener_addr("edge").await?);
            let response = Client::new().get(&url).await?;
            if response.text() == module {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("{response:?} is not of {module}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A listener whose breaker is of this module, which tells its name where the breaker is open.
fn listener(module: &str) -> Listener {
    let filter = DynamicModule::new(
        module,
        &json!({
            "admin": {},
            "services": [{
                "name": PAYMENT,
                "open": { "wait_duration": "1h" },
                "fallback": { "response": { "status": 503, "body": module } },
            }],
        }),
    );
    Listener::new("edge").balanced().filter(filter).route(Route::diverted()).route(primary_route())
}

#[tokio::test]
async fn a_breaker_stays_open_when_another_build_takes_over_and_when_the_first_one_comes_back()
-> Result<()> {
    for [first, second] in [["one", "other"], ["other", "one"]] {
        let changing = Changing::start(first).await?;
        changing.trip().await?;
        changing.until_answered_by(first).await?;

        changing.update(vec![listener(second)]).await?;
        changing.until_answered_by(second).await?;
        assert_eq!(changing.state().await?, "OPEN");

        changing.update(vec![listener(first)]).await?;
        changing.until_answered_by(first).await?;
        assert_eq!(changing.services.service(PAYMENT).calls(), 3, "nobody called it meanwhile");
    }
    Ok(())
}

#[tokio::test]
async fn a_breaker_stays_open_while_its_listener_is_gone() -> Result<()> {
    let changing = Changing::start("one").await?;
    changing.trip().await?;
    changing.update(Vec::new()).await?;
    changing.envoy.wait_for_counter("listener_manager.listener_removed", 1, PATIENCE).await?;
    changing.update(vec![listener("other")]).await?;
    changing.until_answered_by("other").await
}

#[tokio::test]
async fn a_call_that_began_with_the_build_before_counts_for_the_one_at_work() -> Result<()> {
    let changing = Changing::start("one").await?;
    let service = changing.services.service(PAYMENT);
    service.set_failure_rate(1.0);
    for _ in 0..2 {
        changing.get().await?;
    }
    // Its request is complete when it has to be.
    let mut held = RawConnection::connect(changing.envoy.listener_addr("edge").await?).await?;
    let head = "POST /payment-service HTTP/1.1\r\nhost: payment\r\ncontent-length: 10";
    held.send(format!("{head}\r\nconnection: close\r\n\r\nhalf ")).await?;
    timeout(PATIENCE, service.until(|counts| counts.in_flight == 1)).await?;
    changing.update(vec![listener("other")]).await?;
    assert_eq!(changing.state().await?, "CLOSED");
    held.send("whole").await?;
    let answer = String::from_utf8_lossy(&held.read_to_end().await?).into_owned();
    assert!(answer.ends_with("\r\n\r\none"), "its own configuration's fallback: {answer}");
    assert_eq!(changing.state().await?, "OPEN");
    changing.until_answered_by("other").await
}
