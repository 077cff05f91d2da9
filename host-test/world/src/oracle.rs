//! The invariants: what must hold after every step, told from outside.
//!
//! What is looked at is the record as it stands in the store, which worker wrote it in the
//! course of which callback, what came to the service, and what came of it. A callback can be
//! interrupted by those of other workers at each host call, so that what it saw is only known to
//! be something between its begin and its end: it is its *window*. What holds of all records in a
//! window, or of none of them, is certain, and only that is held against the module.

mod counted;
mod limits;
mod rate;
mod settlement;
mod write;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use self::counted::Counted;
use self::rate::Calls;
use crate::record::{Limits, Record, State};
use crate::rules::Rules;
use crate::service::{Answer, Outcome};
use crate::trace::Doing;

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
    /// The calls that a rate is about.
    calls: Calls,
    /// What the adaptive rule counts.
    counted: Counted,
    /// Health checks answered well in this period.
    healthy: u32,
    /// What was seen to its end.
    pub(crate) tally: Tally,
    /// What a VM was about when it died: it may have counted it, or not.
    pub(crate) maybe: Tally,
}

/// A callback that is under way.
#[derive(Debug)]
struct Window {
    doing: Doing,
    grant: Option<Grant>,
    began: Duration,
    first: usize,
    writes: Vec<(Record, Record)>,
    /// Whether an update was given up, as the races were lost or the store could not be used.
    gave_up: bool,
    /// Whether a call of the store has failed.
    faulted: bool,
    /// Whether a health check that was answered well is counted.
    counted: bool,
}

/// How a call was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// By a closed breaker, of this generation; `None`: there was more than one that may have.
    Closed(Option<u64>),
    /// As a trial of this generation, between these times, with its place for so long.
    Trial { generation: u64, since: Duration, by: Duration, lease: Duration },
    /// The record could not be had, and the call passed without its breaker.
    Unprotected,
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
    /// Periods that began without a transition.
    pub(crate) turns: u64,
    pub(crate) unprotected: u64,
}

impl Oracle {
    pub(crate) fn new(rules: Rules, workers: usize, record: Record) -> Self {
        Self {
            rules,
            history: VecDeque::from([record]),
            forgotten: 0,
            windows: (0..workers).map(|_| None).collect(),
            periods: BTreeMap::new(),
            calls: Calls::default(),
            counted: Counted::default(),
            healthy: 0,
            tally: Tally::default(),
            maybe: Tally::default(),
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
        if let (Some(answer), Some(Grant::Closed(generation))) = (doing.settles(), grant)
            && let outcome @ (Outcome::Success | Outcome::Failure) = answer.outcome(false)
        {
            self.calls.begin(worker, generation, outcome == Outcome::Failure, now);
        }
        if let Some(rate) = self.rules.rate {
            self.calls.forget(rate, now);
        }
        let first = self.forgotten + self.history.len() - 1;
        self.windows[worker] = Some(Window {
            doing,
            grant,
            began: now,
            first,
            writes: Vec::new(),
            gave_up: false,
            faulted: false,
            counted: false,
        });
    }

    /// A health check was answered well, and this is its callback. It counts if this is still the
    /// period it was made in.
    pub(crate) fn healthy(&mut self, worker: usize, generation: u64) {
        let counts = self.record().generation == generation;
        if let Some(window) = &mut self.windows[worker]
            && counts
        {
            window.counted = true;
            self.healthy += 1;
        }
    }

    /// A worker has given an update up, as it lost all races.
    pub(crate) fn gave_up(&mut self, worker: usize) {
        if let Some(window) = &mut self.windows[worker] {
            window.gave_up = true;
        }
    }

    /// A worker could not use the store.
    pub(crate) fn faulted(&mut self, worker: usize) {
        if let Some(window) = &mut self.windows[worker] {
            (window.gave_up, window.faulted) = (true, true);
        }
    }

    /// A worker's VM has died in the middle of a callback. What it has written stands; what it
    /// has counted and said of it, and what became of the call, is not known.
    pub(crate) fn died(&mut self, worker: usize, now: Duration) -> Result<(), String> {
        self.calls.died(worker, now);
        self.forget_certain();
        let (window, _) = self.close(worker)?;
        for (old, new) in &window.writes {
            if old.state != new.state {
                self.tally.transitions[new.state as usize] -= 1;
                self.maybe.transitions[new.state as usize] += 1;
            }
        }
        if let Doing::Request(_) = window.doing {
            self.maybe.diverted += 1;
            self.maybe.unprotected += u64::from(window.faulted);
        }
        if let (Some(answer), Some(grant)) = (window.doing.settles(), window.grant)
            && grant != Grant::Unprotected
        {
            self.maybe.outcomes[grant.outcome(answer) as usize] += 1;
            self.count(grant, answer, false);
        }
        Ok(())
    }

    /// A request has gone on to the service.
    pub(crate) fn admitted(
        &mut self,
        worker: usize,
        id: u64,
        whole: bool,
        now: Duration,
    ) -> Result<Grant, String> {
        let (window, records) = self.close(worker)?;
        if let [(_, record)] = window.writes[..]
            && record.limits.is_some()
            && record.state == State::Closed
        {
            return Ok(Grant::Closed(Some(record.generation)));
        }
        let [] = window.writes[..] else {
            return self.admitted_as_trial(&window, id, self.rules.lease(whole), now);
        };
        if window.faulted {
            self.tally.unprotected += 1;
            return Ok(Grant::Unprotected);
        }
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
        lease: Duration,
        now: Duration,
    ) -> Result<Grant, String> {
        let [(_, record)] = window.writes[..] else {
            return Err(format!("more than one write for a request: {:?}", window.writes));
        };
        let by_rule = record.state == State::Open && record.limits.is_some();
        if record.state != State::HalfOpen && !by_rule {
            return Err(format!("admitted with a write that takes no place: {record:?}"));
        }
        let (generation, since) = (record.generation, window.began);
        let expires = since + lease;
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
        Ok(Grant::Trial { generation, since, by: now, lease })
    }

    /// All of a request has come. Gives the grant that it has from then on.
    pub(crate) fn completed(&mut self, worker: usize, grant: Grant) -> Result<Grant, String> {
        let (window, _) = self.close(worker)?;
        match (grant, &window.writes[..]) {
            (_, []) => Ok(grant),
            (Grant::Trial { generation, since, by, .. }, [_]) => {
                Ok(Grant::Trial { generation, since, by, lease: self.rules.trial_wait })
            }
            (_, writes) => Err(format!("the end of a request wrote {writes:?}")),
        }
    }

    /// A request was diverted.
    pub(crate) fn diverted(&mut self, worker: usize) -> Result<(), String> {
        let (window, records) = self.close(worker)?;
        self.tally.diverted += 1;
        if window.faulted {
            return Err("diverted, though the store could not be used".to_owned());
        }
        let is_limited = |record: &Record| record.limits.is_some_and(Limits::diverts);
        match records.iter().all(|it| it.state == State::Closed && !is_limited(it)) {
            true => Err(format!("diverted while closed: {records:?}")),
            false => Ok(()),
        }
    }

    /// A VM has died between two callbacks.
    pub(crate) fn gone(&mut self, worker: usize, now: Duration) {
        self.calls.died(worker, now);
        self.forget_certain();
    }

    /// A callback has ended that settles nothing.
    pub(crate) fn ended(&mut self, worker: usize) -> Result<(), String> {
        let (window, _) = self.close(worker)?;
        if window.doing == Doing::Tick {
            self.calls.ticked(worker, window.gave_up, window.began);
        }
        Ok(())
    }

    /// Whether a callback of a worker is under way.
    pub(crate) fn is_under_way(&self, worker: usize) -> bool {
        self.windows[worker].is_some()
    }

    /// A callback has ended that has nothing to write.
    pub(crate) fn ended_without_write(&mut self, worker: usize) -> Result<(), String> {
        let (window, _) = self.close(worker)?;
        match window.writes.first() {
            None => Ok(()),
            Some(write) => Err(format!("{:?} wrote {write:?}", window.doing)),
        }
    }

    /// A health check was sent, as the so-manieth in the course of this callback: each
    /// configuration that is at work may send one. Gives its generation.
    pub(crate) fn check_sent(
        &self,
        worker: usize,
        nth: usize,
        now: Duration,
    ) -> Result<u64, String> {
        let window = self.windows[worker].as_ref().ok_or("a check out of nowhere")?;
        let mut leases =
            window.writes.iter().filter(|(old, new)| new.leased_until > old.leased_until);
        let Some((old, record)) = leases.nth(nth) else {
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
        if window.counted && window.writes.is_empty() {
            // It was not written down, and does not count.
            let same = |record: &Record| record.generation == self.record().generation;
            let still = self.history.range(from..).all(same);
            self.healthy = self.healthy.saturating_sub(u32::from(still));
        }
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
            Self::Unprotected => None,
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
