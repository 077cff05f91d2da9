//! What has happened: all of it as a number, and the last of it to be read.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::record::Record;
use crate::rules::Rules;
use crate::service::Answer;

/// How many happenings are kept to be read.
const KEPT: usize = 80;

/// What has happened so far.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    last: VecDeque<Entry>,
    /// Whether it is over, and what is still under way is of no matter.
    over: bool,
}

#[derive(Debug)]
struct Entry {
    at: Duration,
    worker: usize,
    what: What,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The worker is about to call the host.
    Hostcall(&'static str),
    /// The worker goes on, after others had their turn.
    Resumed,
    /// A callback begins.
    Begins(Doing),
    /// The request was admitted.
    Admitted(u64),
    /// The request was diverted.
    Diverted(u64),
    /// The request found no VM.
    Refused(u64),
    /// A health check was sent.
    CheckSent,
    /// The record of a service was written.
    Written(usize, Record),
    /// The VM died between two callbacks.
    Killed,
    /// The VM died in the middle of a callback, before a host call.
    KilledMidway,
    /// A host call failed, as the store is not there.
    StoreFailed,
    /// From now on the store cannot be used, for so many steps.
    StoreDown(u64),
    /// From the next traffic on these rules are in force.
    RulesChanged(Rules),
    /// The next so many writes lose their race.
    RacesLost(u64),
    /// The monotonic clock jumped ahead, by so many milliseconds.
    ClockJumped(u64),
    /// The wall clock was set, to so many seconds.
    WallSet(u64),
    /// The service is well from now on.
    Recovering,
    /// No more requests come.
    Draining,
    /// All is at rest.
    Resting,
}

/// What a callback is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// A request's headers.
    Request(u64),
    /// The last of a request's body.
    Complete(u64),
    /// The head of an answer.
    Head(u64, Answer),
    /// The end of a stream.
    End(u64, Answer),
    /// The rest of a stream that was diverted.
    Diverted(u64),
    /// A timer.
    Tick,
    /// The answer to a health check: whether it is a good one.
    Check(bool),
    /// A new configuration.
    Configure,
    /// Something that is about another service.
    Elsewhere,
}

impl Doing {
    /// The answer by which this callback settles a call, if it does.
    pub(crate) fn settles(self) -> Option<Answer> {
        match self {
            Self::Head(_, answer) => answer.settles_at_head().then_some(answer),
            Self::End(_, answer) => (!answer.settles_at_head()).then_some(answer),
            _ => None,
        }
    }
}

impl Trace {
    pub(crate) const fn new() -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, last: VecDeque::new(), over: false }
    }

    pub(crate) fn add(&mut self, at: Duration, worker: usize, what: What) {
        if self.over {
            return;
        }
        self.mix(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        self.mix(worker as u64);
        match what {
            What::Hostcall(name) => self.mix_bytes(name.as_bytes()),
            What::Written(service, record) => {
                self.mix(service as u64);
                self.mix(record.generation);
                self.mix(u64::from(record.failures));
                self.mix(u64::from(record.places));
                self.mix(record.state as u64);
            }
            What::Admitted(id) => self.mix(id << 2),
            What::Diverted(id) => self.mix(id << 2 | 1),
            What::Refused(id) => self.mix(id << 2 | 2),
            _ => {}
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(Entry { at, worker, what });
    }

    /// Takes no more notice of anything.
    pub(crate) const fn end(&mut self) {
        self.over = true;
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    fn mix_bytes(&mut self, bytes: &[u8]) {
        // Two names of host functions differ in their length or their ends.
        let tail = bytes.last_chunk::<8>().map_or(0, |tail| u64::from_le_bytes(*tail));
        self.mix(tail ^ bytes.len() as u64);
    }

    const fn mix(&mut self, value: u64) {
        let mixed = (self.hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.hash = mixed ^ (mixed >> 29);
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { at, worker, what } in &self.last {
            writeln!(f, "{:>14.6} s  worker {worker}  {what:?}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
