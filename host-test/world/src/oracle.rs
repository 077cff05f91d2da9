//! The invariants: what must hold after every step, told from outside.
//!
//! What is looked at is the record as it stands in the store, which worker wrote it in the
//! course of which callback, what came to the service, and what came of it. A callback can be
//! interrupted by those of other workers at each host call, so that what it saw is only known to
//! be something between its begin and its end: it is its *window*. What holds of all records in a
//! window, or of none of them, is certain, and only that is held against the module.

mod settlement;
mod write;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::record::{Record, State};
use crate::rules::Rules;
use crate::service::{Answer, Outcome};
use crate::trace::Doing;

/// After so many attempts an update is given up, which the module counts and says.
const ATTEMPTS: u32 = 64;

/// What is known of the breaker, and what is expected of it.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) rules: Rules,
    /// The records since the oldest window began, the last being the one that stands.
    history: VecDeque<Record>,
    /// How many were before those.
    forgotten: usize,
    windows: Vec<Option<Window>>,
    periods: BTreeMap<u64, Period>,
    /// Health checks answered well in this period.
    healthy: u32,
    pub(crate) tally: Tally,
}

/// A callback that is under way.
#[derive(Debug)]
struct Window {
    doing: Doing,
    grant: Option<Grant>,
    began: Duration,
    first: usize,
    writes: Vec<(Record, Record)>,
    /// Writes that were tried in vain since the last that was not.
    attempts: u32,
}

/// How a call was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// By a closed breaker, of this generation; `None`: there was more than one that may have.
    Closed(Option<u64>),
    /// As a trial of this generation, at this time or later.
    Trial { generation: u64, since: Duration },
}

/// The trials of a half-open period, as the service counts them.
#[derive(Debug, Default)]
struct Period {
    /// Those under way, with the time at which their place is theirs no more.
    active: Vec<(u64, Duration)>,
    succeeded: u32,
}

/// What the metrics have to come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// By the order of [`Outcome::ALL`].
    pub(crate) outcomes: [u64; 4],
    pub(crate) diverted: u64,
    /// Transitions to closed, open, half-open.
    pub(crate) transitions: [u64; 3],
    pub(crate) trials: u64,
    /// Results that came when their period was over.
    pub(crate) late: u64,
    pub(crate) writes: u64,
    pub(crate) lost_updates: u64,
}

impl Oracle {
    pub(crate) fn new(rules: Rules, workers: usize, record: Record) -> Self {
        Self {
            rules,
            history: VecDeque::from([record]),
            forgotten: 0,
            windows: (0..workers).map(|_| None).collect(),
            periods: BTreeMap::new(),
            healthy: 0,
            tally: Tally::default(),
        }
    }

    /// The record that stands.
    pub(crate) fn record(&self) -> Record {
        self.history.back().copied().unwrap_or(Record::ABSENT)
    }

    /// A callback begins.
    pub(crate) fn begin(
        &mut self,
        worker: usize,
        doing: Doing,
        grant: Option<Grant>,
        now: Duration,
    ) {
        let first = self.forgotten + self.history.len() - 1;
        let window = Window { doing, grant, began: now, first, writes: Vec::new(), attempts: 0 };
        self.windows[worker] = Some(window);
    }

    /// A health check was answered well, and counts if this is still the period it was made in.
    pub(crate) fn healthy(&mut self, generation: u64) {
        if self.record().generation == generation {
            self.healthy += 1;
        }
    }

    /// A worker has tried to write.
    pub(crate) fn attempted(&mut self, worker: usize) {
        if let Some(window) = &mut self.windows[worker] {
            window.attempts += 1;
        }
    }

    /// A request has gone on to the service.
    pub(crate) fn admitted(
        &mut self,
        worker: usize,
        id: u64,
        now: Duration,
    ) -> Result<Grant, String> {
        let (window, records) = self.close(worker)?;
        let [] = window.writes[..] else {
            return self.admitted_as_trial(&window, id, now);
        };
        let mut closed = records.iter().filter(|record| record.state == State::Closed);
        let Some(first) = closed.next() else {
            return Err(format!("admitted without a place, and never closed: {records:?}"));
        };
        let unique = closed.all(|record| record.generation == first.generation);
        Ok(Grant::Closed(unique.then_some(first.generation)))
    }

    fn admitted_as_trial(
        &mut self,
        window: &Window,
        id: u64,
        now: Duration,
    ) -> Result<Grant, String> {
        let [(_, record)] = window.writes[..] else {
            return Err(format!("more than one write for a request: {:?}", window.writes));
        };
        if record.state != State::HalfOpen {
            return Err(format!("admitted with a write that takes no place: {record:?}"));
        }
        let (generation, since) = (record.generation, window.began);
        let expires = since + self.rules.trial_wait;
        let period = self.periods.entry(generation).or_default();
        period.active.retain(|(_, expires)| *expires > now);
        if expires > now {
            period.active.push((id, expires));
        }
        let trials = u32::try_from(period.active.len()).unwrap_or(u32::MAX) + period.succeeded;
        let places = self.rules.permitted_calls;
        if trials > places {
            return Err(format!(
                "{trials} trials at the service, for {places} places, in generation {generation}"
            ));
        }
        self.tally.trials += 1;
        Ok(Grant::Trial { generation, since })
    }

    /// A request was diverted.
    pub(crate) fn diverted(&mut self, worker: usize) -> Result<(), String> {
        let (_, records) = self.close(worker)?;
        self.tally.diverted += 1;
        match records.iter().all(|record| record.state == State::Closed) {
            true => Err(format!("diverted while closed: {records:?}")),
            false => Ok(()),
        }
    }

    /// A callback has ended that settles nothing.
    pub(crate) fn ended(&mut self, worker: usize) -> Result<(), String> {
        self.close(worker).map(drop)
    }

    /// A callback has ended that has nothing to write.
    pub(crate) fn ended_without_write(&mut self, worker: usize) -> Result<(), String> {
        let (window, _) = self.close(worker)?;
        match window.writes.first() {
            None => Ok(()),
            Some(write) => Err(format!("{:?} wrote {write:?}", window.doing)),
        }
    }

    /// A health check was sent, in the course of this callback.
    /// Gives its generation.
    pub(crate) fn check_sent(&self, worker: usize, now: Duration) -> Result<u64, String> {
        let window = self.windows[worker].as_ref().ok_or("a check out of nowhere")?;
        let Some((old, record)) = window.writes.last() else {
            return Err("a health check without a lease".to_owned());
        };
        if now < Duration::from_nanos(old.leased_until) {
            return Err(format!("a health check that another makes: {old:?}"));
        }
        if record.state != State::Open {
            return Err(format!("a health check while not open: {record:?}"));
        }
        if now < Duration::from_nanos(record.retry_at) {
            return Err("a health check before the wait was over".to_owned());
        }
        Ok(record.generation)
    }

    /// Closes a worker's window; gives it, and all records that stood in the course of it.
    fn close(&mut self, worker: usize) -> Result<(Window, Vec<Record>), String> {
        let window = self.windows[worker].take().ok_or("a callback that never began")?;
        let from = window.first.saturating_sub(self.forgotten);
        let records = self.history.range(from..).copied().collect();
        self.tally.lost_updates += u64::from(window.attempts / ATTEMPTS);
        let newest = self.forgotten + self.history.len() - 1;
        let oldest = self.windows.iter().flatten().map(|window| window.first).min();
        while self.forgotten < oldest.unwrap_or(newest) {
            self.history.pop_front();
            self.forgotten += 1;
        }
        Ok((window, records))
    }
}

impl Grant {
    /// The generation that admitted the call, as far as that is known.
    pub(crate) const fn generation(self) -> Option<u64> {
        match self {
            Self::Closed(generation) => generation,
            Self::Trial { generation, .. } => Some(generation),
        }
    }

    pub(crate) const fn is_trial(self) -> bool {
        matches!(self, Self::Trial { .. })
    }

    /// What an answer counts as.
    pub(crate) const fn outcome(self, answer: Answer) -> Outcome {
        answer.outcome(self.is_trial())
    }
}
