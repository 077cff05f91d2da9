//! Who makes the health checks of a region: one process at a time, by a lease.
//!
//! A lease is changed only as it was read, so two processes never have it. It is given up with every
//! check that fails, and whoever has failed waits for longer before it takes it again, the last
//! holder longest: so it goes round, and comes to those who can reach the service.

use core::time::Duration;

use breaker::Timestamp;

use super::Fleet;
use crate::mine::{Held, Mine, Said, Tried};
use crate::own::{CheckSaid, NextCheck};
use crate::policy::Probe;
use crate::request::Request;
use crate::row::{Lease, LeaseState};
use crate::seen::Seen;
use crate::wait::spread;

impl Fleet {
    /// Whether this process is to make the health check of an open service that is due for it: as the
    /// region's prober; or since nobody is, the store is silent, another's word has held it open
    /// for the longest wait, or it believes nobody.
    #[must_use]
    pub fn may_check(&self, service: &str, now: Timestamp) -> bool {
        let Some(mine) = self.mine.get(service) else {
            return true;
        };
        let (Some(open), Probe::One) = (mine.open, self.policy.probe) else {
            return true;
        };
        let Some(check) = open.is.check else {
            return true;
        };
        if mine.doubts() || self.is_stale(now) {
            return true;
        }
        if open.is_on_word() && now >= open.is.until {
            return true;
        }
        let turn = self.policy.turn(check.interval);
        let two_turns = turn.saturating_mul(2);
        match mine.probing.held {
            Some(held) if now.since(held.since) < two_turns => {
                held.said.is_none() && now >= held.check_from
            }
            _ => self.quiet(service, open.at, now) >= two_turns,
        }
    }

    /// How long nothing has been heard of a service's prober.
    fn quiet(&self, service: &str, opened_at: Timestamp, now: Timestamp) -> Duration {
        let open = now.since(opened_at);
        match self.view.lease(&self.policy.region, service) {
            Some((_, seen)) => seen.quiet(now).min(open),
            None => open,
        }
    }

    /// Sets when the lease is to be taken, if it is free and a check is due.
    pub(super) fn plan_probe(&mut self, service: &str, now: Timestamp, random: u32) {
        let Some(mine) = self.mine.get(service) else {
            return;
        };
        let probing = mine.probing;
        if probing.held.is_some() || probing.tried.is_some() {
            return;
        }
        let free = self.may_take(service, mine, now);
        let take = match probing.take {
            Some(at) if free => Some(at),
            _ => free.then(|| now.after(self.wait_to_take(service, probing.failed, random))),
        };
        if let Some(mine) = self.mine.get_mut(service) {
            mine.probing.take = take;
        }
    }

    fn wait_to_take(&self, service: &str, failed: bool, random: u32) -> Duration {
        let lease = self.view.lease(&self.policy.region, service);
        let was_last = lease.is_some_and(|(lease, _)| lease.holder == self.me.id);
        let turns = match (failed, was_last) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        let interval = self.policy.sync_interval;
        interval.saturating_mul(turns).saturating_add(spread(interval, random))
    }

    /// Whether the lease is free for this process, whose check is due.
    fn may_take(&self, service: &str, mine: &Mine, now: Timestamp) -> bool {
        let (Some(open), Probe::One, false) = (mine.open, self.policy.probe, mine.doubts()) else {
            return false;
        };
        let Some(check) = open.is.check.filter(|check| check.due <= now) else {
            return false;
        };
        if self.is_stale(now) {
            return false;
        }
        match self.view.lease(&self.policy.region, service) {
            None => true,
            Some((lease, seen)) => match lease.state {
                LeaseState::Failed | LeaseState::Left => true,
                // Of the outage before this one.
                LeaseState::Passed => seen.changed().is_none_or(|at| at < open.at),
                LeaseState::Held => seen.quiet(now) >= self.abandoned_after(check),
            },
        }
    }

    /// A prober of which nothing was heard for this long is gone: sooner than each makes its own
    /// checks.
    fn abandoned_after(&self, check: NextCheck) -> Duration {
        let turn = self.policy.turn(check.interval);
        turn.saturating_add(turn.checked_div(2).unwrap_or_default())
    }

    /// After a look: the leases that are to be taken.
    pub(super) fn leases_to_take(&mut self, now: Timestamp) -> Vec<Request> {
        let services: Vec<_> = self.mine.keys().cloned().collect();
        services.into_iter().filter_map(|service| self.lease_to_take(&service, now)).collect()
    }

    fn lease_to_take(&mut self, service: &str, now: Timestamp) -> Option<Request> {
        let mine = self.mine.get(service)?;
        let due = mine.probing.take.is_some_and(|at| now >= at);
        if !due || mine.probing.held.is_some() {
            return None;
        }
        if !self.may_take(service, mine, now) {
            self.mine.get_mut(service)?.probing.take = None;
            return None;
        }
        let check = mine.open?.is.check?;
        let known = self.view.lease(&self.policy.region, service);
        let was = known.map(|(lease, _)| *lease);
        let turn = self.policy.turn(check.interval);
        let check_from = known.map_or(now, |(lease, seen)| next_check(lease, seen, turn, now));
        let to = Lease::after(was.as_ref(), self.me.id, LeaseState::Held);
        let probing = &mut self.mine.get_mut(service)?.probing;
        probing.take = None;
        probing.tried = Some(Tried { to, at: now, check_from });
        Some(Request::Swap { service: service.to_owned(), was, to })
    }

    /// What the prober has to say, if anything.
    pub(super) fn lease_to_publish(&mut self, now: Timestamp) -> Option<Request> {
        let me = self.me.id;
        let ready = |mine: &Mine| {
            let held = mine.probing.held.filter(|_| mine.probing.tried.is_none())?;
            held.said.map(|said| (held, said))
        };
        let found =
            self.mine.iter_mut().find_map(|(service, mine)| Some((service, ready(mine)?, mine)));
        let (service, (held, said), mine) = found?;
        let state = match said {
            Said::Check(CheckSaid::Failed) => LeaseState::Failed,
            Said::Check(CheckSaid::Passing) => LeaseState::Held,
            Said::Check(CheckSaid::Passed) => LeaseState::Passed,
            Said::Left => LeaseState::Left,
        };
        let to = Lease::after(Some(&held.lease), me, state);
        let interval = mine.open.and_then(|open| open.is.check).map(|check| check.interval);
        let turn = self.policy.turn(interval.unwrap_or_default());
        mine.probing.tried = Some(Tried { to, at: now, check_from: now.after(turn) });
        Some(Request::Swap { service: service.clone(), was: Some(held.lease), to })
    }

    /// A change of the lease was made.
    pub(super) fn swapped(&mut self, service: &str, to: Lease, now: Timestamp) {
        let region = self.policy.region.clone();
        self.view.put_lease(&region, service, to, now);
        let Some(mine) = self.mine.get_mut(service) else {
            return;
        };
        let Some(tried) = mine.probing.tried.take().filter(|tried| tried.to == to) else {
            return;
        };
        mine.probing.held = (to.state == LeaseState::Held).then(|| Held {
            lease: to,
            since: tried.at,
            check_from: tried.check_from,
            said: mine.open.is_none().then_some(Said::Left),
        });
    }

    /// It was not: the lease is another's, or as it was before.
    pub(super) fn refused(&mut self, service: &str) {
        if let Some(mine) = self.mine.get_mut(service) {
            (mine.probing.tried, mine.probing.held) = (None, None);
        }
    }

    /// After a look: what became of changes without an answer, and whether leases are still there.
    pub(super) fn settle_leases(&mut self, now: Timestamp) {
        let services: Vec<_> = self.mine.keys().cloned().collect();
        for service in services {
            let found = self.view.lease(&self.policy.region, &service).map(|(lease, _)| *lease);
            let Some(mine) = self.mine.get_mut(&service) else {
                continue;
            };
            match (mine.probing.tried, mine.probing.held) {
                (Some(tried), _) if found == Some(tried.to) => {
                    self.swapped(&service, tried.to, now);
                }
                (_, Some(held)) if found == Some(held.lease) => mine.probing.tried = None,
                (None, None) => {}
                _ => self.refused(&service),
            }
        }
    }
}

/// When the check after the last one is due, as far as can be known of it.
fn next_check(lease: &Lease, seen: &Seen, turn: Duration, now: Timestamp) -> Timestamp {
    match (lease.state, seen.changed()) {
        (LeaseState::Failed | LeaseState::Held, Some(at)) => {
            let due = at.after(turn);
            if due > now { due } else { now }
        }
        (LeaseState::Failed | LeaseState::Held, None) => now.after(turn),
        (LeaseState::Passed | LeaseState::Left, _) => now,
    }
}
