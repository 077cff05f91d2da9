//! Requests at fixed times, whether or not those before were answered.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use envoy_harness::client::Client;
use http::StatusCode;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::outage::service::ANSWERED_BY;
use crate::outage::tally::{Answer, Seen};

/// Requests per second.
pub(crate) const RATE: u32 = 40;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// When a request was sent, and its answer, if that is there.
type Sent = (Instant, Option<Answer>);

/// The requests to one proxy. Dropped, those under way are broken off.
#[derive(Debug)]
pub(crate) struct Clients {
    url: String,
    client: Client,
    under_way: JoinSet<()>,
    sent: Rc<RefCell<Vec<Sent>>>,
}

impl Clients {
    pub(crate) fn of(proxy: SocketAddr) -> Self {
        let client = Client::new().timeout(PATIENCE);
        let url = format!("http://{proxy}/payments/4711");
        Self { url, client, under_way: JoinSet::new(), sent: Rc::default() }
    }

    /// Forgets what was sent.
    pub(crate) fn forget(&mut self) {
        self.under_way = JoinSet::new();
        self.sent = Rc::default();
    }

    /// Sends until then. Has to be on a local set of tasks.
    pub(crate) async fn send_until(&mut self, end: Instant) {
        let mut due = Instant::now();
        while due < end {
            sleep_until(due).await;
            self.send();
            due += Duration::from_secs(1) / RATE;
        }
    }

    fn send(&mut self) {
        let (client, url, sent) = (self.client.clone(), self.url.clone(), Rc::clone(&self.sent));
        let number = sent.borrow().len();
        sent.borrow_mut().push((Instant::now(), None));
        self.under_way.spawn_local(async move {
            let answer = match client.get(&url).await {
                Ok(answer) if answer.status == StatusCode::OK => match answer.header(ANSWERED_BY) {
                    Some("service") => Answer::Service,
                    _ => Answer::Fallback,
                },
                _ => Answer::Error,
            };
            if let Some((_, seen)) = sent.borrow_mut().get_mut(number) {
                *seen = Some(answer);
            }
        });
        while self.under_way.try_join_next().is_some() {}
    }

    /// Waits for all answers.
    pub(crate) async fn finish(&mut self) {
        while self.under_way.join_next().await.is_some() {}
    }

    /// What was answered so far, by times from this one on.
    pub(crate) fn seen(&self, from: Instant) -> Vec<Seen> {
        let seen = |(at, answer): &Sent| {
            Some(Seen { at: at.saturating_duration_since(from), answer: (*answer)? })
        };
        self.sent.borrow().iter().filter_map(seen).collect()
    }
}
