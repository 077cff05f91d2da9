//! A service's breaker as one worker knows it, and what each feature keeps of it.

use std::time::Duration;

use breaker::{AdaptiveChange, Breaker, Clean, Ended, Impact, Permit, StateName, Transition};
use shared::Lost;

use crate::bulkhead::Permits;
use crate::effects::Effects;
use crate::events::Event;
use crate::history::History;
use crate::host::Host;
use crate::instances::Shown;
use crate::recent::Recent;
use crate::rounds;
use crate::stale::Answers;
use crate::store::{self, Update, is_counted};
use crate::telemetry::{Metric, ServiceMetric};
use config::Service;

/// A breaker, its rules, and what this worker keeps of it.
#[derive(Clone)]
pub(crate) struct ServiceHandle<'a> {
    /// The number of its metrics.
    pub(crate) number: usize,
    pub(crate) instance: Shown<'a>,
    pub(crate) service: &'a Service,
}

impl<'a> ServiceHandle<'a> {
    #[inline(always)]
    pub(crate) fn of(services: &'a [Service], instance: Shown<'a>) -> Option<Self> {
        let service = services.get(instance.service)?;
        Some(Self { number: instance.series.get(), instance, service })
    }
}

impl ServiceHandle<'_> {
    /// Its record.
    pub(crate) fn record(&self) -> store::Record<'_> {
        store::Record {
            local: &self.instance.local,
            key: &self.instance.key,
            gauge: self.gauge(),
            tenure: self.instance.tenure.as_ref(),
            policy: &self.service.policy,
            name: &self.instance.name,
        }
    }

    /// Its bulkhead, if it has one.
    pub(crate) fn permits(&self) -> Option<Permits<'_>> {
        Some(Permits {
            local: &self.instance.permits,
            bulkhead: self.service.bulkhead.as_ref()?,
            key: &self.instance.calls_key,
            tenure: self.instance.tenure.as_ref(),
            series: self.instance.has_own_series().then_some(self.number),
            service: &self.instance.name,
            warned: &self.instance.warned,
        })
    }

    /// Its history.
    pub(crate) fn history(&self) -> History<'_> {
        History {
            local: &self.instance.sampled,
            record: &self.instance.key,
            tenure: self.instance.tenure.as_ref(),
            series: self.instance.has_own_series().then_some(self.number),
            service: &self.instance.name,
        }
    }

    /// What last happened to it, where somebody may look.
    pub(crate) fn recent(&self) -> Option<Recent<'_>> {
        self.instance.recent.is_shown.get().then(|| Recent {
            local: &self.instance.recent,
            record: &self.instance.key,
            tenure: self.instance.tenure.as_ref(),
            series: self.instance.has_own_series().then_some(self.number),
            service: &self.instance.name,
        })
    }

    /// Its kept answers, if it has any.
    pub(crate) fn answers(&self) -> Option<Answers<'_>> {
        Some(Answers {
            local: &self.instance.copied,
            stale: self.service.fallback.stale.as_ref()?,
            key: &self.instance.key,
            tenure: self.instance.tenure.as_ref(),
            service: &self.instance.name,
        })
    }

    /// Creates the record if there is none, puts its window and health check in force, finds out whether
    /// its version can be relied on, and leaves no more stale answers than there may be.
    pub(crate) fn ensure(&self, host: &dyn Host, effects: &mut Effects) {
        self.sync(host, effects);
        self.instance.local.set_versioned(is_counted(self.gauge(), host));
        if let Some(answers) = self.answers() {
            answers.bound(host, effects);
        }
    }

    /// Puts the configured window and health check in force, once. What cannot be stored now is
    /// tried again by the next tick.
    pub(crate) fn sync(&self, host: &dyn Host, effects: &mut Effects) {
        if self.instance.local.is_synced() {
            return;
        }
        let synced = self.update(host, effects, |breaker| {
            breaker.sync(&self.service.policy, host.now().monotonic);
            Update::Changed((), None)
        });
        self.instance.local.set_synced(synced.is_ok());
    }

    /// Adds a good call to the tally, if there is a rule that asks for it. `false`: it is to be
    /// told at once.
    #[inline]
    pub(crate) fn keep(&self, permit: &Permit, took: Duration, host: &dyn Host) -> bool {
        self.instance.local.keep(&self.service.policy, permit, took, host)
    }

    /// Whether this worker has good calls that are not in the record yet.
    pub(crate) fn has_tally(&self) -> bool {
        self.service.policy.trip.keeps_good_calls() && !self.instance.local.tally().is_empty()
    }

    /// The breaker, if it is known to be clean without reading it. In line: it is all that most
    /// calls want to know.
    #[inline(always)]
    pub(crate) fn clean(&self, host: &dyn Host) -> Option<Clean> {
        self.instance.local.clean(|| self.gauge(), host)
    }

    /// The same, after a call of this permit that has ended so: it is settled by that. `None`: it is
    /// to be settled in the record. In line: the closed path is held to its instructions.
    #[inline(always)]
    pub(crate) fn settle_clean(
        &self,
        permit: &Permit,
        ended: Ended,
        host: &dyn Host,
    ) -> Option<Clean> {
        let impact = self.instance.local.impact(ended);
        if impact == Impact::Write {
            return None;
        }
        let clean = self.clean(host)?;
        if impact == Impact::TallyOnly && !self.keep(permit, ended.took, host) {
            return None;
        }
        Some(clean)
    }

    /// The state that the breaker shows, without reading it where it is known to be clean. `None`: it
    /// cannot be read.
    pub(crate) fn state(&self, host: &dyn Host, effects: &mut Effects) -> Option<StateName> {
        match self.clean(host) {
            Some(clean) => Some(clean.state()),
            None => {
                self.load(host, effects).ok().map(|it| it.shown_state(self.service.policy.mode))
            }
        }
    }

    /// The breaker as it is now; one that was never stored is closed and clean.
    pub(crate) fn load(&self, host: &dyn Host, effects: &mut Effects) -> Result<Breaker, Lost> {
        self.record().load(host, effects)
    }

    /// The same, forgetting what is remembered.
    pub(crate) fn reload(&self, host: &dyn Host, effects: &mut Effects) -> Result<Breaker, Lost> {
        self.instance.local.forget();
        self.load(host, effects)
    }

    /// Changes the breaker, by a decision that is taken anew for each lost race ([`shared::Cell::update`]),
    /// and publishes a transition that was stored.
    pub(crate) fn update<R>(
        &self,
        host: &dyn Host,
        effects: &mut Effects,
        mut change: impl FnMut(&mut Breaker) -> Update<R>,
    ) -> Result<R, Lost> {
        let mut result = None;
        self.update_by(host, effects, &mut |breaker| match change(breaker) {
            Update::Unchanged(it) => {
                result = Some(it);
                Update::Unchanged(())
            }
            Update::Changed(it, transition) => {
                result = Some(it);
                Update::Changed((), transition)
            }
        })?;
        // What was decided is there by now.
        result.ok_or(Lost::Race)
    }

    /// The same without a result: once in the module, and not once for each decision.
    #[inline(never)]
    fn update_by(
        &self,
        host: &dyn Host,
        effects: &mut Effects,
        change: &mut dyn FnMut(&mut Breaker) -> Update<()>,
    ) -> Result<(), Lost> {
        let then = |breaker: &Breaker, transition, effects: &mut _| {
            self.stored(breaker, transition, host, effects);
        };
        let updated = self.record().update(host, effects, change, then);
        if let Err(lost @ (Lost::Race | Lost::Store)) = updated {
            self.instance.warned.lost_update(&self.instance.name, lost, effects);
        }
        updated
    }

    /// This worker has stored the breaker.
    #[inline(never)]
    fn stored(
        &self,
        breaker: &Breaker,
        transition: Option<Transition>,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        let _ = self.gauges(breaker, host, effects);
        let Some(transition) = transition else {
            return;
        };
        if !transition.is_none() {
            rounds::on_transition(host);
            ServiceMetric::of_transition(&transition, |metric| {
                effects.count_of(self.number, metric);
            });
        }
        if let Some(recent) = self.recent() {
            recent.moved(&transition, host, effects);
        }
        let mode = breaker.mode(self.service.policy.mode);
        let event = Event::new(host.now().wall, self.instance.name.clone(), mode, transition);
        let is_limited = matches!(
            transition.adaptive,
            Some(AdaptiveChange::Limited(_) | AdaptiveChange::Stays(_))
        );
        self.instance.unwritten.publish(event, is_limited, host, effects);
    }

    /// What the gauges show of the breaker; whether time alone does not change that.
    pub(crate) fn gauges(&self, breaker: &Breaker, host: &dyn Host, effects: &mut Effects) -> bool {
        if !self.instance.has_own_series() {
            return true;
        }
        let policy = &self.service.policy;
        let counts = policy.trip.window().map(|_| breaker.counts(host.now().monotonic));
        let diverted = || breaker.diverted(policy, host.now().monotonic);
        let diverted = breaker.knows_adaptive(policy).then(diverted);
        let status = breaker.status(policy.mode);
        ServiceMetric::of_status(&status, counts, diverted, |metric, value| {
            effects.set_of(self.number, metric, value);
        });
        counts.is_none_or(|counts| counts.failures == 0 && counts.slow == 0)
            && diverted.is_none_or(|diverted| diverted == 0)
    }

    /// Whether the timer's next look at the record would find nothing to do.
    pub(crate) fn is_at_rest(&self, host: &dyn Host) -> bool {
        self.instance.local.is_at_rest(self.gauge(), host)
    }

    /// The gauge of the record's version.
    #[inline(always)]
    pub(crate) fn gauge(&self) -> Metric {
        match &self.instance.tenure {
            None => Metric::Of(self.number, ServiceMetric::RecordVersion),
            Some(tenure) => Metric::Slot(tenure.gauge),
        }
    }
}
