//! Many clients at once, each on a connection of its own, and what they were answered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::{answered_by, clusters, primary_route};
use anyhow::{Context, Result, bail};
use envoy_harness::client::{Client, Response};
use envoy_harness::config::Route;
use serde_json::{Value, json};
use services::{Counts, Downstream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long anything may take before a test gives up. Far more than it takes, since a busy machine
/// may stand still for half a minute.
pub const WITHIN: Duration = Duration::from_secs(120);

/// A route to the services that has as much patience, so that no call fails but those that are
/// meant to.
pub fn patient_route() -> Route {
    primary_route().timeout(WITHIN)
}

/// The fallback, waited for as long.
pub fn patient_fallback() -> Value {
    json!({ "cluster": clusters::FALLBACK, "timeout": "2m" })
}

/// One kind of answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// How many marks had been set when its request began.
    pub mark: u64,
    /// See [`answered_by`]; or `error`, for a request without an answer.
    pub by: String,
    /// The breaker's state that it tells.
    pub state: String,
    /// Its status; or what was wrong.
    pub status: String,
}

/// How many answers of each kind there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    answers: BTreeMap<Answer, u64>,
    /// For each client, the marks that its last answered request had behind it.
    clients: Vec<u64>,
}

impl Tally {
    /// How many answers are of this kind.
    pub fn count(&self, kind: impl Fn(&Answer) -> bool) -> u64 {
        self.answers.iter().filter(|(answer, _)| kind(answer)).map(|(_, count)| count).sum()
    }

    /// How many answers there are.
    pub fn all(&self) -> u64 {
        self.count(|_| true)
    }

    /// How many answers this one gave.
    pub fn by(&self, who: &str) -> u64 {
        self.count(|answer| answer.by == who)
    }

    /// How many answers came from the service, or in the stead of its own.
    pub fn admitted(&self) -> u64 {
        self.by("downstream") + self.by("replay")
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (Answer { mark, by, state, status }, count) in &self.answers {
            writeln!(f, "{count:8} by {by}, state {state}, status {status}, after mark {mark}")?;
        }
        Ok(())
    }
}

/// Clients that send one request after the other. Dropped, they break off.
#[derive(Debug)]
pub struct Load {
    clients: JoinSet<()>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    mark: AtomicU64,
    tally: watch::Sender<Tally>,
}

impl Load {
    /// So many clients that get this URL, over and over.
    pub fn start(clients: usize, url: &str) -> Self {
        let tally = Tally { clients: vec![0; clients], ..Tally::default() };
        let (stop, mark) = (AtomicBool::new(false), AtomicU64::new(0));
        let shared = Arc::new(Shared { stop, mark, tally: watch::Sender::new(tally) });
        let tasks = (0..clients).map(|number| client(number, url.to_owned(), shared.clone()));
        Self { clients: tasks.collect(), shared }
    }

    /// Sets a mark: what begins after this call has it behind it.
    pub fn mark(&self) {
        self.shared.mark.fetch_add(1, Ordering::SeqCst);
    }

    /// The answers so far.
    pub fn tally(&self) -> Tally {
        self.shared.tally.borrow().clone()
    }

    /// Waits until the answers are so.
    pub async fn until(&self, what: &str, mut wanted: impl FnMut(&Tally) -> bool) -> Result<Tally> {
        let mut tally = self.shared.tally.subscribe();
        let waited = tokio::time::timeout(WITHIN, tally.wait_for(|tally| wanted(tally))).await;
        match waited {
            Ok(tally) => Ok(tally?.clone()),
            Err(_) => bail!("not after {WITHIN:?}: {what}\n{}", self.tally()),
        }
    }

    /// Waits until no request is under way that began before the last mark.
    pub async fn until_all_passed_the_mark(&self) -> Result<Tally> {
        let mark = self.shared.mark.load(Ordering::SeqCst);
        let passed = |tally: &Tally| tally.clients.iter().all(|client| *client >= mark);
        self.until("every client has sent a request since the mark", passed).await
    }

    /// Waits for so many answers more.
    pub async fn until_more(&self, answers: u64) -> Result<Tally> {
        self.until_all(self.tally().all() + answers).await
    }

    /// Waits for so many answers in all, as long as any come: a slow machine takes its time.
    pub async fn until_all(&self, answers: u64) -> Result<Tally> {
        loop {
            let tally = self.tally();
            if tally.all() >= answers {
                return Ok(tally);
            }
            self.until("one more answer", |more| more.all() > tally.all()).await?;
        }
    }

    /// Lets the requests under way end, and begins no more.
    pub async fn stop(mut self) -> Tally {
        self.shared.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client panicked");
        }
        self.tally()
    }
}

/// Waits until the service's counts are so.
pub async fn until(service: &Downstream, wanted: impl FnMut(&Counts) -> bool) -> Result<Counts> {
    let counts = tokio::time::timeout(WITHIN, service.until(wanted)).await;
    counts.with_context(|| format!("not so after {WITHIN:?}: {:?}", service.counts()))
}

async fn client(number: usize, url: String, shared: Arc<Shared>) {
    // A client of its own is a connection of its own.
    let client = Client::new().timeout(WITHIN);
    while !shared.stop.load(Ordering::SeqCst) {
        let mark = shared.mark.load(Ordering::SeqCst);
        let answer = answer(mark, client.get(&url).await);
        shared.tally.send_modify(|tally| {
            *tally.answers.entry(answer).or_default() += 1;
            tally.clients[number] = mark;
        });
    }
}

fn answer(mark: u64, response: Result<Response>) -> Answer {
    match response {
        Ok(response) => Answer {
            mark,
            by: answered_by(&response).to_owned(),
            state: response.header("x-circuit-breaker-state").unwrap_or("untold").to_owned(),
            status: response.status.as_str().to_owned(),
        },
        Err(error) => Answer {
            mark,
            by: "error".to_owned(),
            state: "untold".to_owned(),
            status: format!("{error:#}"),
        },
    }
}
