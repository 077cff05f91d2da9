//! Calls that the plugin makes itself, as hosts with virtual time keep them: answered at once, held
//! back until they are released, or too late.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context, Result};
use scenario::{Answer, CalloutAnswer, Fault, Head, Made};

use super::proxy::Callout;
use super::timers::Timers;

/// The clusters, the calls that they hold back, and the time. `O` is whoever waits for an answer.
pub(crate) struct Callouts<O> {
    /// Ticks, and the deadlines of calls by their number.
    pub(crate) timers: Timers<u64>,
    upstreams: BTreeMap<String, CalloutAnswer>,
    /// Oldest first.
    held: VecDeque<Held<O>>,
    next: u64,
    made: Made,
}

struct Held<O> {
    number: u64,
    cluster: String,
    owner: O,
}

impl<O> Default for Callouts<O> {
    fn default() -> Self {
        Self {
            timers: Timers::default(),
            upstreams: BTreeMap::new(),
            held: VecDeque::new(),
            next: 0,
            made: Made::new(),
        }
    }
}

impl<O> Callouts<O> {
    /// How a cluster answers.
    pub(crate) fn answer_of(&self, cluster: &str) -> CalloutAnswer {
        self.upstreams.get(cluster).copied().unwrap_or(CalloutAnswer::Status(200))
    }

    /// Says how a cluster answers from now on.
    pub(crate) fn set_answer(&mut self, cluster: &str, answer: CalloutAnswer) {
        self.upstreams.insert(cluster.to_owned(), answer);
    }

    /// Makes a call, if there is such a cluster. Gives the owner back with the answer, unless the cluster
    /// holds it back.
    pub(crate) fn make(&mut self, callout: Callout, owner: O) -> Option<(O, CalloutAnswer)> {
        let Callout { cluster, headers, timeout } = callout;
        let answer = self.answer_of(&cluster);
        if answer != CalloutAnswer::Unknown {
            self.made.entry(cluster.clone()).or_default().once_more(headers);
        }
        match answer {
            CalloutAnswer::Held => {
                let number = self.next;
                self.next += 1;
                self.timers.set_deadline(timeout, number);
                self.held.push_back(Held { number, cluster, owner });
                None
            }
            answer => Some((owner, answer)),
        }
    }

    /// Takes the call whose deadline has come.
    pub(crate) fn expire(&mut self, number: u64) -> Option<O> {
        let at = self.held.iter().position(|held| held.number == number)?;
        self.held.remove(at).map(|held| held.owner)
    }

    /// Takes the oldest call that a cluster holds back.
    ///
    /// # Errors
    /// If it holds none back.
    pub(crate) fn release(&mut self, cluster: &str) -> Result<O> {
        let oldest = self.held.iter().position(|held| held.cluster == cluster);
        let held = oldest.and_then(|at| self.held.remove(at));
        let held = held.with_context(|| format!("{cluster} holds no callout back"))?;
        self.timers.forget(|number| *number == held.number);
        Ok(held.owner)
    }

    /// Calls that nobody waits for any more are not answered.
    pub(crate) fn forget(&mut self, which: impl Fn(&O) -> bool) {
        let forgotten = self.held.iter().filter(|held| which(&held.owner));
        let numbers: Vec<_> = forgotten.map(|held| held.number).collect();
        self.held.retain(|held| !numbers.contains(&held.number));
        self.timers.forget(|number| numbers.contains(number));
    }

    /// Whether a call is held back whose owner is so.
    pub(crate) fn any(&self, which: impl Fn(&O) -> bool) -> bool {
        self.held.iter().any(|held| which(&held.owner))
    }

    /// How many calls were made to each cluster since this was last asked.
    pub(crate) fn take_made(&mut self) -> Made {
        std::mem::take(&mut self.made)
    }
}

/// How a cluster answers a call that was diverted to it.
pub(crate) fn diverted(answer: CalloutAnswer) -> Answer {
    let whole = |status| Answer::Whole(Head { status, ..Head::default() });
    match answer {
        CalloutAnswer::Status(status) => whole(status),
        CalloutAnswer::Refused => Answer::Fault(Fault::Refused),
        CalloutAnswer::Unknown => Answer::Fault(Fault::NoCluster),
        // Held back are callouts only.
        CalloutAnswer::Held => whole(200),
    }
}
