//! When a process writes that its breaker is open.

use breaker::Timestamp;

use super::Fleet;
use crate::entry::{Entry, Key};
use crate::request::{MAX_CHANGES, Request};
use crate::row::Report;
use crate::wait::spread;

impl Fleet {
    /// Sets when a report is to be written first: after a wait, and not before this process is so old
    /// that one that crashed in its place counts no more.
    pub(super) fn plan_report(&mut self, service: &str, now: Timestamp, random: u32) {
        let wait = spread(self.policy.sync_interval, random);
        let enough = self.enough_before(service, false, now);
        // A look may be answered by what was there a moment before it.
        let grown_up =
            self.me.born.after(self.policy.max_staleness).after(self.policy.sync_interval);
        let Some(mine) = self.mine.get_mut(service) else {
            return;
        };
        let reporting = &mut mine.reporting;
        let waits = reporting.due.is_some() || reporting.written.is_some();
        if !waits && !enough && mine.to_report().is_some() {
            let from = if now < grown_up { grown_up } else { now };
            mine.reporting.due = Some(from.after(wait));
        }
    }

    /// After a look: what is written of this process's reports. What nobody has written for long is
    /// removed with it.
    pub(super) fn write_reports(&mut self, now: Timestamp) -> Option<Request> {
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        let services: Vec<_> = self.mine.keys().cloned().collect();
        for service in services {
            match self.wants(&service, now) {
                Some(Wants::Write(report)) if set.len() < MAX_CHANGES / 2 => {
                    set.push(Entry::Report(service, self.me.id, report));
                }
                Some(Wants::Nothing) => self.skip_report(&service),
                _ => {}
            }
        }
        // No entry is written and removed at once.
        let written: Vec<_> = set.iter().map(Entry::key).collect();
        let withdrawn = self.withdrawn().map(|service| Key::Report(service, self.me.id));
        remove.extend(withdrawn.filter(|key| !written.contains(key)).take(MAX_CHANGES / 4));
        if set.is_empty() && remove.is_empty() {
            return None;
        }
        let long = self.policy.max_staleness.saturating_mul(2);
        let abandoned = self.view.abandoned(&self.policy.region, long, now);
        let others = abandoned.filter(|key| !self.is_kept(key));
        remove.extend(others.take(MAX_CHANGES / 4));
        Some(Request::Write { set, remove })
    }

    /// The services whose reports are to be removed.
    pub(super) fn withdrawn(&self) -> impl Iterator<Item = String> {
        let all = self.mine.iter().filter(|(_, mine)| mine.reporting.withdraw);
        all.map(|(service, _)| service.clone())
    }

    /// After the first look: an entry of this process that it knows nothing of is from a worker
    /// before this one.
    pub(super) fn adopt_reports(&mut self) {
        let own: Vec<_> = self.view.reports_of(&self.policy.region, self.me.id).collect();
        let own: Vec<_> = own.into_iter().map(|(service, it)| (service.to_owned(), it)).collect();
        for (service, report) in own {
            self.trips = self.trips.max(report.trip);
            self.looks = self.looks.max(report.beat);
            if let Some(mine) = self.mine(&service)
                && mine.reporting.written.is_none()
            {
                mine.reporting.withdraw = mine.to_report().is_none();
            }
        }
    }

    /// What is to become of a report; `None`: there is none to be written now.
    fn wants(&self, service: &str, now: Timestamp) -> Option<Wants> {
        let mine = self.mine.get(service)?;
        let Some(trip) = mine.to_report() else {
            return mine.reporting.due.map(|_| Wants::Nothing);
        };
        let is_due = match (mine.reporting.written, mine.reporting.due) {
            (Some((was, at)), _) => was.trip != trip || now.since(at) >= self.policy.refresh(),
            (None, due) => due.is_some_and(|at| now >= at),
        };
        let beat = self.looks;
        is_due.then(|| match self.enough_before(service, mine.reporting.written.is_some(), now) {
            true => Wants::Nothing,
            false => Wants::Write(Report { trip, beat }),
        })
    }

    /// Enough others say so. It is looked at again.
    fn skip_report(&mut self, service: &str) {
        if let Some(mine) = self.mine.get_mut(service) {
            mine.reporting.due = None;
            mine.reporting.withdraw = mine.reporting.written.is_some();
        }
    }

    /// Whether enough others report a service: all of them, or, for one that reports it as well, those
    /// before it in an order that is the same for all.
    fn enough_before(&self, service: &str, reports: bool, now: Timestamp) -> bool {
        let longest = self.policy.max_staleness;
        let of = Some(self.policy.region.as_str());
        let others = self.view.reporters(service, of, longest, now).filter(|it| {
            it.counts() && if reports { it.by < self.me.id } else { it.by != self.me.id }
        });
        let enough = usize::try_from(self.policy.enough_reports()).unwrap_or(usize::MAX);
        others.count() >= enough
    }

    /// Whether an entry that looks abandoned is this process's, or one that it needs.
    fn is_kept(&self, key: &Key) -> bool {
        match key {
            Key::Report(_, by) => *by == self.me.id,
            Key::Lease(service) => self.mine.get(service).is_some_and(|mine| mine.open.is_some()),
        }
    }
}

/// What is to become of a report.
enum Wants {
    Write(Report),
    /// It is not needed.
    Nothing,
}
