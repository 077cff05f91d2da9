//! What clients and services know of a scenario's calls, and what they wait for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::channel::Sender;
use scenario::{CallId, CalloutAnswer, Made, Reply, Worker};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;

use super::upstream::Instruction;

/// Far more than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The calls of a scenario and its callouts, as they are at the moment.
#[derive(Default)]
pub(super) struct Scene {
    state: Mutex<State>,
    changed: Notify,
}

/// See [`Scene`].
#[derive(Default)]
pub(super) struct State {
    /// Those whose client has not been told about.
    pub(super) calls: BTreeMap<CallId, Call>,
    /// Callouts that are held back, oldest first.
    held: VecDeque<Held>,
    /// Callouts by cluster, since this was last asked.
    made: Made,
    /// Whether there may have been others since, which nobody has seen: clusters may refuse them.
    unseen: bool,
    refusing: usize,
    over: u64,
}

/// One request and its answer.
pub(super) struct Call {
    /// Who has it.
    pub(super) worker: Worker,
    /// Ends the client.
    pub(super) client: AbortHandle,
    /// What the client has not sent yet, if anything: dropped, its request has come to its end.
    pub(super) rest: Option<Sender<Bytes, anyhow::Error>>,
    /// What the client has got.
    pub(super) got: Got,
    /// The service, if it has the request.
    pub(super) service: Option<mpsc::UnboundedSender<Instruction>>,
    /// Whether the service was told to begin an answer, and not to end it yet.
    pub(super) begun: bool,
    /// Why the fallback cluster got the request in the service's stead.
    pub(super) diverted: Option<String>,
    /// The order in which clients had all that they get.
    pub(super) over_at: u64,
}

/// What a client has got.
#[derive(Clone, Debug)]
pub(super) enum Got {
    Nothing,
    Head(Reply),
    Whole(Reply),
    Broken(Option<Reply>),
}

struct Held {
    cluster: String,
    call: Option<CallId>,
    release: oneshot::Sender<CalloutAnswer>,
}

impl Call {
    pub(super) const fn new(
        worker: Worker,
        client: AbortHandle,
        rest: Option<Sender<Bytes, anyhow::Error>>,
    ) -> Self {
        Self {
            worker,
            client,
            rest,
            got: Got::Nothing,
            service: None,
            begun: false,
            diverted: None,
            over_at: 0,
        }
    }

    /// Whether the client has all that it gets.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.got, Got::Whole(_) | Got::Broken(_))
    }
}

impl Scene {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and tells those who wait.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state());
        self.changed.notify_waiters();
        result
    }

    /// Waits until something is so.
    pub(super) async fn until<R>(
        &self,
        what: &str,
        mut look: impl FnMut(&mut State) -> Option<R>,
    ) -> Result<R> {
        let wait = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if let Some(found) = look(&mut self.state()) {
                    return found;
                }
                changed.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, wait).await;
        found.with_context(|| format!("{what}: not in {PATIENCE:?}"))
    }

    /// Notes what a client has got.
    pub(super) fn got(&self, call: CallId, got: Got) {
        self.change(|state| {
            state.over += 1;
            let over = state.over;
            if let Some(call) = state.calls.get_mut(&call) {
                call.got = got;
                call.over_at = over;
            }
        });
    }

    /// Tells the service what to do about a call.
    pub(super) fn instruct(&self, call: CallId, instruction: Instruction) -> Result<()> {
        self.change(|state| {
            let call = state.calls.get_mut(&call).context("there is no such call")?;
            call.begun = matches!(
                instruction,
                Instruction::Answer { goes_on: true, .. } | Instruction::More(_)
            );
            let service = call.service.as_ref().context("the service does not have it")?;
            service.send(instruction).ok().context("the service has given it up")
        })
    }

    /// Holds a callout back until it is released. `None`: never, and nobody waits for it.
    pub(super) async fn hold(&self, cluster: &str, call: Option<CallId>) -> Option<CalloutAnswer> {
        let (release, released) = oneshot::channel();
        let held = Held { cluster: cluster.to_owned(), call, release };
        self.change(|state| state.held.push_back(held));
        released.await.ok()
    }

    /// Answers the oldest callout that a cluster holds back. Returns the call that waits for it;
    /// `None`: it is a health check.
    pub(super) async fn release(
        &self,
        cluster: &str,
        answer: CalloutAnswer,
    ) -> Result<Option<CallId>> {
        let what = format!("a callout that {cluster} holds back");
        let held = self.until(&what, |state| {
            state.forget_the_gone();
            let oldest = state.held.iter().position(|held| held.cluster == cluster)?;
            state.held.remove(oldest)
        });
        let held = held.await?;
        held.release.send(answer).ok().context("nobody waits for it any more")?;
        Ok(held.call)
    }
}

impl State {
    fn forget_the_gone(&mut self) {
        self.held.retain(|held| !held.release.is_closed());
    }

    /// Whether a call waits for a callout that is held back.
    pub(super) fn is_held(&self, call: CallId) -> bool {
        self.held.iter().any(|held| held.call == Some(call) && !held.release.is_closed())
    }

    /// How many callouts a cluster holds back.
    pub(super) fn held_by(&mut self, cluster: &str) -> usize {
        self.forget_the_gone();
        self.held.iter().filter(|held| held.cluster == cluster).count()
    }

    /// A callout has come.
    pub(super) fn made(&mut self, cluster: &str, headers: BTreeMap<String, String>) {
        self.made.entry(cluster.to_owned()).or_default().once_more(headers);
    }

    /// A cluster begins to refuse connections, or ceases to.
    pub(super) fn refuses(&mut self, refuses: bool) {
        self.unseen = true;
        self.refusing = if refuses { self.refusing + 1 } else { self.refusing.saturating_sub(1) };
    }

    /// The callouts since this was last asked; `None`: not all of them could be seen.
    pub(super) fn take_made(&mut self) -> Option<Made> {
        let made = std::mem::take(&mut self.made);
        let unseen = std::mem::replace(&mut self.unseen, self.refusing > 0);
        (!unseen).then_some(made)
    }
}
