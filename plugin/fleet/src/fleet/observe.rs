//! What a breaker is to do, by what the fleet says and what it says itself.

use breaker::Timestamp;

use super::Fleet;
use crate::mine::{Mine, Open, Probing, Said};
use crate::own::{Advice, By, CheckSaid, Opened, Own, Standing};
use crate::policy::Scope;
use crate::row::LeaseState;
use crate::sorted::Sorted;
use crate::view::Reporter;

impl Fleet {
    /// Tells what a service's breaker does, as often as its record is looked at, and hears what it
    /// is to do. Advice that was not heeded is given again after the next look at the store.
    ///
    /// Services that take no part, as those whose names come from requests, are not told of.
    /// `random` is uniform over all its values.
    pub fn observe(
        &mut self,
        service: &str,
        own: Own,
        now: Timestamp,
        random: u32,
    ) -> Option<Advice> {
        match own {
            Own::Open(opened) => self.observe_open(service, opened, now, random),
            Own::Closed { succeeded } => {
                self.leave(service);
                if let Some(mine) = self.mine.get_mut(service) {
                    mine.on_word = false;
                }
                let advice = self.observe_closed(service, succeeded, now);
                self.tidy(service);
                advice
            }
            Own::HalfOpen => {
                self.leave(service);
                None
            }
            Own::Aside => {
                self.leave(service);
                if let Some(mine) = self.mine.get_mut(service) {
                    mine.on_word = false;
                    mine.standing = Standing::Agrees;
                }
                self.tidy(service);
                None
            }
        }
    }

    /// A health check of this process has ended. What a breaker that another's word has opened hears
    /// from its own check is its own account from then on.
    pub fn checked(&mut self, service: &str, said: CheckSaid, now: Timestamp, random: u32) {
        let Some(mine) = self.mine.get_mut(service) else {
            return;
        };
        if let Some(held) = &mut mine.probing.held {
            held.said = Some(Said::Check(said));
        }
        if said == CheckSaid::Failed {
            mine.probing.failed = true;
            if mine.open.is_some_and(|open| open.is_on_word()) {
                self.own_trip(service, now, random);
            }
        }
    }

    fn observe_open(
        &mut self,
        service: &str,
        is: Opened,
        now: Timestamp,
        random: u32,
    ) -> Option<Advice> {
        let mine = self.mine(service)?;
        match &mut mine.open {
            Some(open) if open.is.generation == is.generation => open.is = is,
            _ => {
                mine.open = Some(Open { is, at: now, trip: None });
                let Probing { held, tried, .. } = mine.probing;
                mine.probing = Probing { held, tried, ..Probing::default() };
                mine.standing = match is.by {
                    By::Fleet => Standing::Follows,
                    // On another's word it has just tried, and found otherwise.
                    By::Itself if mine.on_word || mine.doubts() => Standing::OwnTrialsFail,
                    By::Itself => Standing::Agrees,
                };
                if is.by == By::Itself {
                    self.own_trip(service, now, random);
                }
            }
        }
        self.plan_probe(service, now, random);
        self.plan_report(service, now, random);
        let mine = self.mine(service)?;
        let opened_at = mine.open?.at;
        let doubts = mine.doubts();
        if let Some(held) = mine.probing.held.as_mut().filter(|_| doubts) {
            held.said = held.said.or(Some(Said::Left));
        }
        if doubts || !self.has_passed(service, opened_at) {
            return None;
        }
        self.mine(service)?.on_word = true;
        Some(Advice::HalfOpen)
    }

    /// Another process has found the service to be well since this breaker opened.
    fn has_passed(&self, service: &str, opened_at: Timestamp) -> bool {
        let lease = self.view.lease(&self.policy.region, service);
        lease.is_some_and(|(lease, seen)| {
            lease.state == LeaseState::Passed
                && lease.holder != self.me.id
                && seen.changed().is_some_and(|at| at >= opened_at)
        })
    }

    fn own_trip(&mut self, service: &str, now: Timestamp, random: u32) {
        self.trips = self.trips.saturating_add(1);
        let trip = self.trips;
        if let Some(open) = self.mine.get_mut(service).and_then(|mine| mine.open.as_mut()) {
            open.trip = Some(trip);
        }
        self.plan_report(service, now, random);
    }

    /// A breaker is no longer open: its report is withdrawn, its lease given up, and what others had
    /// reported before opens it no more.
    fn leave(&mut self, service: &str) {
        let Some(mine) = self.mine.get_mut(service) else {
            return;
        };
        if mine.open.take().is_none() {
            return;
        }
        mine.reporting.due = None;
        mine.reporting.withdraw = mine.reporting.written.is_some();
        mine.probing.take = None;
        if let Some(held) = &mut mine.probing.held {
            held.said = held.said.or(Some(Said::Left));
        }
        self.view.answer(service);
    }

    fn observe_closed(
        &mut self,
        service: &str,
        succeeded: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Advice> {
        let looks = self.looks;
        if self.is_stale(now) {
            self.stand(service, Standing::Agrees);
            return None;
        }
        if self.mine.get(service).is_some_and(|mine| mine.looked == looks) {
            return None;
        }
        let reporters = self.reporters_that_count(service, now);
        if reporters < self.policy.quorum.max(1) {
            self.stand(service, Standing::Agrees);
            return None;
        }
        let has_succeeded = succeeded.is_some_and(|at| now.since(at) < self.policy.sync_interval);
        let standing = if has_succeeded { Standing::OwnCallsSucceed } else { Standing::Follows };
        let mine = self.mine(service)?;
        (mine.looked, mine.standing) = (looks, standing);
        (!has_succeeded).then_some(Advice::Open { reporters })
    }

    /// How many distinct processes say that a service is to be open.
    pub(super) fn reporters_that_count(&self, service: &str, now: Timestamp) -> u32 {
        let of = match self.policy.scope {
            Scope::Region => Some(self.policy.region.as_str()),
            Scope::Global => None,
        };
        let longest = self.policy.max_staleness;
        let all = self.view.reporters(service, of, longest, now);
        let counted: Sorted<_, _> = all.filter(Reporter::counts).map(|it| (it.by, ())).collect();
        u32::try_from(counted.len()).unwrap_or(u32::MAX)
    }

    fn stand(&mut self, service: &str, standing: Standing) {
        if let Some(mine) = self.mine.get_mut(service) {
            mine.standing = standing;
        }
    }

    fn tidy(&mut self, service: &str) {
        if self.mine.get(service).is_some_and(Mine::is_idle) {
            self.mine.remove(service);
        }
    }
}
