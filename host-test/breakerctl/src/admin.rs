//! The admin API of a running breaker.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Method, Request, StatusCode, header};
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
    /// The file that has the token, which then stands in no list of processes; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
}

/// All services there are, in the order of the configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Services {
    pub(crate) services: Vec<Service>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
    /// The proxy's time.
    #[serde(default, skip_serializing)]
    pub(crate) now: Option<String>,
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

/// The admin API as it is asked: its address, and who asks.
#[derive(Debug)]
pub(crate) struct Admin {
    url: String,
    token: Option<String>,
}

#[derive(Deserialize)]
struct Events {
    events: Vec<serde_json::Value>,
}

/// An answer that is neither a yes nor distinguished from others here.
#[derive(Deserialize)]
struct Error {
    error: String,
}

impl Service {
    /// Whether its calls are diverted.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state.as_str(), "OPEN" | "FORCED_OPEN")
    }
}

impl Services {
    /// Whether nothing has changed but the time.
    pub(crate) fn shows_the_same(&self, other: &Self) -> bool {
        self.services == other.services && self.note == other.note
    }

    /// Their names, for people; or why there are none.
    pub(crate) fn names(&self) -> String {
        let names: Vec<_> = self.services.iter().map(|it| it.service_name.as_str()).collect();
        match &self.note {
            _ if !names.is_empty() => format!("there are: {}", names.join(", ")),
            Some(note) => format!("there is none: {note}"),
            None => "there is none".to_owned(),
        }
    }
}

impl AdminArgs {
    /// The admin API that is meant.
    ///
    /// # Errors
    ///
    /// If the address is of no kind that can be asked, or the token cannot be read.
    pub(crate) fn open(&self) -> anyhow::Result<Admin> {
        let url = self.url.trim_end_matches('/').to_owned();
        ensure!(
            url.starts_with("http://"),
            "--admin {url}: give http://HOST:PORT/PREFIX, such as \
             http://127.0.0.1:10001/circuit-breaker; from afar by `ssh -L` or `kubectl port-forward`"
        );
        let from_file = self.token_file.as_ref().map(|path| crate::input::read(path));
        let token = match from_file.transpose()? {
            Some((file, text)) => {
                let token = text.trim().to_owned();
                ensure!(!token.is_empty(), "{file}: there is no token in it");
                Some(token)
            }
            None => self.token.clone(),
        };
        Ok(Admin { url, token })
    }
}

impl Admin {
    /// Asks for all services.
    ///
    /// # Errors
    ///
    /// If there is no admin API to be reached, or it says no. The message says what to do.
    pub(crate) async fn services(&self) -> anyhow::Result<Services> {
        self.ask(Method::GET, "/services").await
    }

    /// Asks for the last transitions, the newest first.
    ///
    /// # Errors
    ///
    /// As above.
    pub(crate) async fn events(&self) -> anyhow::Result<Vec<serde_json::Value>> {
        let Events { events } = self.ask(Method::GET, "/events").await?;
        Ok(events)
    }

    /// Asks for what was counted of a service in the last ten minutes.
    ///
    /// # Errors
    ///
    /// As above.
    pub(crate) async fn history(&self, service: &str) -> anyhow::Result<serde_json::Value> {
        self.ask(Method::GET, &format!("/services/{}/history", encoded(service))).await
    }

    /// Gives a service a command. Returns what has become of it.
    ///
    /// # Errors
    ///
    /// As above.
    pub(crate) async fn command(&self, service: &str, command: &str) -> anyhow::Result<Service> {
        let path = format!("/services/{}/{command}", encoded(service));
        self.ask(Method::POST, &path).await
    }

    async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path: &str,
    ) -> anyhow::Result<T> {
        let url = format!("{}{path}", self.url);
        let is_look = method == Method::GET;
        let (status, body) = tokio::time::timeout(TIMEOUT, self.send(method, &url))
            .await
            .context("it took too long")
            .and_then(|answer| answer)
            .with_context(|| {
                format!(
                    "no answer from {url}: is the proxy up, with `admin` in the configuration of \
                     one of its listeners? Name that one with --admin"
                )
            })?;
        let error = serde_json::from_slice(&body).ok().map(|it: Error| it.error);
        let said = || {
            let text = error.clone().unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
            text.trim().to_owned()
        };
        match status {
            StatusCode::OK => serde_json::from_slice(&body).with_context(|| {
                format!("{url} answers, but not as a breaker's admin API: name that with --admin")
            }),
            StatusCode::UNAUTHORIZED => {
                let given = if self.token.is_some() { "another one" } else { "it" };
                bail!(
                    "{url} wants its token: give {given} with --token-file, --token or \
                     $EDGE_BREAKER_TOKEN"
                )
            }
            StatusCode::FORBIDDEN => bail!("{url} does not answer you (403): {}", said()),
            StatusCode::NOT_FOUND if is_look => bail!(
                "{url} is not there (404): --admin takes the `path_prefix` of the configuration \
                 with it, such as http://127.0.0.1:10001/circuit-breaker"
            ),
            status => bail!("{url} answers {status}: {}", said()),
        }
    }

    async fn send(&self, method: Method, url: &str) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder().method(&method).uri(url);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if method == Method::POST {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(request).await?;
        let (head, body) = response.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    }
}

/// A name as a segment of a path.
fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut path, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                path.push(char::from(byte));
            }
            byte => path.push_str(&format!("%{byte:02X}")),
        }
        path
    })
}
