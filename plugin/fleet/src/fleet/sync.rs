//! Looks at the store, and what is written after them: one request at a time.

use breaker::Timestamp;

use super::{Fleet, UnderWay, What};
use crate::entry::{Entry, Key};
use crate::mine::Mine;
use crate::request::{Answer, Ask, Fault, Request, SyncResult};
use crate::row::{Regions, Report};
use crate::view::Look;

impl Fleet {
    /// What is to be asked of the store now, if anything is. An answer goes to
    /// [`answer`](Self::answer); one that has not come after twice the timeout never will.
    pub fn poll(&mut self, now: Timestamp) -> Option<Ask> {
        if let Some(under_way) = &self.under_way {
            let longest = self.policy.timeout.saturating_mul(2);
            if now.since(under_way.at) < longest {
                return None;
            }
            self.fail(Fault::Failed, now);
        }
        let request = self.next_request(now)?;
        let what = match &request {
            Request::Read { .. } => What::Read,
            Request::Write { set, remove } => What::Write(reports(set), self.removed(remove)),
            Request::Swap { service, to, .. } => What::Swap(service.clone(), *to),
        };
        self.tickets = self.tickets.wrapping_add(1);
        self.under_way = Some(UnderWay { ticket: self.tickets, at: now, what });
        Some(Ask { ticket: self.tickets, request })
    }

    /// The earliest moment at which [`poll`](Self::poll) may have something to ask.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        if let Some(under_way) = &self.under_way {
            return under_way.at.after(self.policy.timeout.saturating_mul(2));
        }
        if !self.queue.is_empty() {
            return Timestamp::default();
        }
        let speaks = self.mine.values().filter(|mine| mine.speaks()).map(|_| Timestamp::default());
        let wanted = speaks.chain(self.brought_forward()).map(|at| at.max(self.pace.writes_from));
        wanted.fold(self.pace.next, Ord::min)
    }

    /// When looks are wanted besides the regular ones.
    fn brought_forward(&self) -> impl Iterator<Item = Timestamp> {
        self.mine.values().flat_map(|mine| [mine.reporting.due, mine.probing.take]).flatten()
    }

    /// What the store has answered. An answer that is not waited for any more changes nothing, and
    /// neither does one of another kind than the request.
    pub fn answer(
        &mut self,
        ticket: u64,
        answer: Result<Answer, Fault>,
        now: Timestamp,
    ) -> Option<SyncResult> {
        let under_way = self.under_way.take_if(|it| it.ticket == ticket)?;
        match (under_way.what, answer) {
            (What::Read, Ok(Answer::Rows(found))) => Some(self.read(found, under_way.at, now)),
            (What::Write(set, removed), Ok(Answer::Written)) => {
                self.written(set, removed, now);
                None
            }
            (What::Swap(service, to), Ok(Answer::Written)) => {
                self.swapped(&service, to, now);
                None
            }
            (What::Swap(service, _), Ok(Answer::Refused)) => {
                self.refused(&service);
                None
            }
            (what, answer) => {
                let is_read = matches!(what, What::Read);
                self.fail(answer.err().unwrap_or(Fault::Failed), now);
                is_read.then_some(SyncResult::Failed)
            }
        }
    }

    fn next_request(&mut self, now: Timestamp) -> Option<Request> {
        if !self.queue.is_empty() {
            return Some(self.queue.remove(0));
        }
        if now >= self.pace.writes_from {
            if let Some(request) = self.lease_to_publish(now) {
                return Some(request);
            }
            let me = self.me.id;
            let remove: Vec<_> = self.withdrawn().take(8).map(|it| Key::Report(it, me)).collect();
            if !remove.is_empty() {
                return Some(Request::Write { set: Vec::new(), remove });
            }
        }
        let may_write = now >= self.pace.writes_from;
        let brought_forward = may_write && self.brought_forward().any(|at| now >= at);
        if now < self.pace.next && !brought_forward {
            return None;
        }
        self.pace.look(now);
        Some(Request::Read { consistent: self.mine.values().any(Mine::is_involved) })
    }

    fn read(&mut self, found: Regions, asked: Timestamp, now: Timestamp) -> SyncResult {
        if self.is_stale(now) {
            // What was known before says nothing of what has changed since.
            self.view.forget();
        }
        let first = self.view.is_empty();
        let before = self.pace.read.unwrap_or(asked);
        let look = Look { before, now, longest: self.policy.max_staleness };
        let in_order = self.view.read(&self.policy.region, found, look);
        self.pace.went_well(&self.policy, asked);
        self.looks = self.looks.saturating_add(1);
        if first {
            self.adopt_reports();
        }
        self.settle_leases(now);
        let reports = self.write_reports(now);
        self.queue.extend(reports);
        let leases = self.leases_to_take(now);
        self.queue.extend(leases);
        if in_order { SyncResult::Ok } else { SyncResult::Stale }
    }

    fn written(&mut self, set: Vec<(String, Report)>, removed: Vec<String>, now: Timestamp) {
        for (service, report) in set {
            if let Some(mine) = self.mine.get_mut(&service) {
                mine.reporting.due = None;
                mine.reporting.written = Some((report, now));
                // It may have closed while this was under way.
                mine.reporting.withdraw = mine.to_report().is_none();
            }
        }
        for service in removed {
            if let Some(mine) = self.mine.get_mut(&service)
                && mine.reporting.withdraw
            {
                (mine.reporting.withdraw, mine.reporting.written) = (false, None);
            }
        }
    }

    /// There was no answer, or none that helps. What was to follow it is decided anew.
    fn fail(&mut self, fault: Fault, now: Timestamp) {
        self.under_way = None;
        self.forget_queued();
        self.pace.writes_from = now.after(self.pace.interval);
        if fault == Fault::Throttled {
            self.pace.throttled(&self.policy, now);
        }
    }

    fn forget_queued(&mut self) {
        for request in core::mem::take(&mut self.queue) {
            if let Request::Swap { service, .. } = request
                && let Some(mine) = self.mine.get_mut(&service)
            {
                mine.probing.tried = None;
            }
        }
    }

    /// The services of this process's own reports that are removed.
    fn removed(&self, keys: &[Key]) -> Vec<String> {
        let own = keys.iter().filter_map(|key| match key {
            Key::Report(service, by) if *by == self.me.id => Some(service.clone()),
            _ => None,
        });
        own.collect()
    }
}

fn reports(set: &[Entry]) -> Vec<(String, Report)> {
    let reports = set.iter().filter_map(|entry| match entry {
        Entry::Report(service, _, report) => Some((service.clone(), *report)),
        Entry::Lease(..) => None,
    });
    reports.collect()
}
