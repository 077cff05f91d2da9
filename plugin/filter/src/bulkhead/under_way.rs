//! What one worker has under way, by its own count.

use std::time::Duration;

use breaker::Timestamp;

use config::{Bulkhead, ClassId};

use super::leases::Leases;

/// A permit that a call has, to be released.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit is released"]
pub(crate) struct BulkheadPermit {
    /// By its number: zero is none, then as configured.
    class: usize,
    /// The end of its time, unless the request is complete.
    until: Option<Timestamp>,
}

/// The calls that one worker has under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// Those whose requests are complete: of no class first, then of each class in the configured
    /// order.
    complete: Vec<u32>,
    /// Those whose requests are not.
    partial: Vec<Group>,
}

/// Calls of one class whose requests are not complete, and whose permits end together:
/// what all workers have to write and to read is little, however many there are.
#[derive(Debug)]
struct Group {
    class: usize,
    until: Timestamp,
    calls: u32,
}

impl BulkheadPermit {
    /// The class of its call.
    pub(super) const fn class(&self) -> usize {
        self.class
    }

    /// Whether it is kept for a request that is not complete.
    pub(crate) const fn awaits_request(&self) -> bool {
        self.until.is_some()
    }

    /// Whether its time is over, since its request was not complete before.
    pub(super) fn is_over(&self, now: impl FnOnce() -> Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now())
    }
}

impl UnderWay {
    /// The permit that a call of a class gets now. It ends together with another one if that one's time
    /// ends within the last tenth of its own.
    pub(super) fn permit(
        &self,
        class: usize,
        complete: bool,
        limit: Duration,
        now: Timestamp,
    ) -> BulkheadPermit {
        let latest = now.after(limit);
        let earliest = now.after(limit.saturating_sub(limit / 10));
        let near = |group: &&Group| {
            group.class == class && earliest < group.until && group.until <= latest
        };
        let shared = || self.partial.iter().find(near).map_or(latest, |group| group.until);
        BulkheadPermit { class, until: (!complete).then(shared) }
    }

    /// Counts a call that has a permit.
    pub(super) fn add(&mut self, permit: &BulkheadPermit) {
        match permit.until {
            None => {
                if self.complete.len() <= permit.class {
                    self.complete.resize(permit.class.saturating_add(1), 0);
                }
            }
            Some(until) => {
                if self.calls(permit).is_none() {
                    self.partial.push(Group { class: permit.class, until, calls: 0 });
                }
            }
        }
        if let Some(calls) = self.calls(permit) {
            *calls = calls.saturating_add(1);
        }
    }

    /// Counts a call no longer.
    pub(super) fn remove(&mut self, permit: &BulkheadPermit) {
        if let Some(calls) = self.calls(permit) {
            *calls = calls.saturating_sub(1);
        }
    }

    /// How many calls there are of a permit's kind.
    fn calls(&mut self, permit: &BulkheadPermit) -> Option<&mut u32> {
        match permit.until {
            None => self.complete.get_mut(permit.class),
            Some(until) => {
                let same = |group: &&mut Group| (group.class, group.until) == (permit.class, until);
                self.partial.iter_mut().find(same).map(|group| &mut group.calls)
            }
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        let partial = self.partial.iter().map(|group| group.calls);
        self.complete.iter().copied().chain(partial).all(|calls| calls == 0)
    }

    /// Writes into the leases what this worker has under way now.
    pub(super) fn write(
        &mut self,
        bulkhead: &Bulkhead,
        worker: u32,
        leases: &mut Leases,
        now: Timestamp,
    ) {
        self.partial.retain(|group| group.calls > 0 && now < group.until);
        let id = |class| -> Option<ClassId> { bulkhead.classes().nth(class) };
        let complete = bulkhead.classes().zip(self.complete.iter().copied());
        let partial = self.partial.iter();
        let partial = partial.filter_map(|it| Some((id(it.class)?, it.calls, it.until)));
        leases.set(worker, complete, partial, now);
    }
}
