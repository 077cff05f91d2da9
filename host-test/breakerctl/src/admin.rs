//! The admin API of a running breaker, as far as looking goes.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};

/// An answer that takes longer is none.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where the admin API is.
#[derive(Debug, clap::Args)]
pub(crate) struct AdminArgs {
    /// Where the admin API answers, its path prefix included
    #[arg(
        long = "admin",
        value_name = "URL",
        env = "EDGE_BREAKER_ADMIN",
        default_value = "http://127.0.0.1:10001/circuit-breaker"
    )]
    url: String,
    /// The token, where the admin API wants one
    #[arg(long, env = "EDGE_BREAKER_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// All services there are, in the order of the configuration.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Services {
    pub(crate) services: Vec<Service>,
}

/// One breaker. What it says besides is kept for who wants it as JSON.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Service {
    pub(crate) service_name: String,
    pub(crate) state: String,
    pub(crate) failure_count: u64,
    pub(crate) last_failure_time: Option<String>,
    pub(crate) last_success_time: Option<String>,
    pub(crate) opened_at: Option<String>,
    pub(crate) retry_at: Option<String>,
    pub(crate) trip_reason: Option<String>,
    #[serde(flatten)]
    pub(crate) other: serde_json::Map<String, serde_json::Value>,
}

impl Service {
    /// Whether its calls are diverted.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "OPEN" | "FORCED_OPEN")
    }
}

impl AdminArgs {
    /// Asks for all services.
    ///
    /// # Errors
    ///
    /// If there is no admin API to be reached, or it says no. The message says what to do.
    pub(crate) async fn services(&self) -> anyhow::Result<Services> {
        let url = format!("{}/services", self.url.trim_end_matches('/'));
        let (status, body) = tokio::time::timeout(TIMEOUT, self.get(&url))
            .await
            .context("it took too long")
            .and_then(|answer| answer)
            .with_context(|| {
                format!(
                    "no answer from {url}: is the proxy up, with `admin` in the configuration of \
                     one of its listeners? Name that one with --admin"
                )
            })?;
        match status {
            StatusCode::OK => serde_json::from_slice(&body).with_context(|| {
                format!("{url} answers, but not as a breaker's admin API: name that with --admin")
            }),
            StatusCode::UNAUTHORIZED => {
                bail!("{url} wants its token: give it with --token or $EDGE_BREAKER_TOKEN")
            }
            StatusCode::NOT_FOUND => bail!(
                "{url} is not there (404): --admin takes the `path_prefix` of the configuration \
                 with it, such as http://127.0.0.1:10001/circuit-breaker"
            ),
            status => bail!("{url} answers {status}: {}", String::from_utf8_lossy(&body).trim()),
        }
    }

    async fn get(&self, url: &str) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::get(url);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await?;
        let (head, body) = response.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    }
}
