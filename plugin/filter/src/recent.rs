//! What last happened to a breaker: its failures by their kinds, its health checks, and when it left
//! the closed state.
//!
//! It is there for whoever looks at a breaker, in a value of its own beside the record, and kept as soon
//! as any configuration of the process has an admin API: mostly that is another than the one that has the
//! calls. Failures are kept by the worker that saw them until its next
//! tick, or until one of them trips the breaker: a storm of them writes no more often than that.

mod answered;
mod failure;
mod notes;

use std::cell::Cell;

use breaker::{CheckResult, DivertReason, StateName, Transition};
use shared::{Lost, Watch};

pub(crate) use self::answered::Answered;
pub(crate) use self::failure::Failure;
use self::failure::{Failures, keep_latest};
pub(crate) use self::notes::Notes;
use self::notes::{Check, Since};
use crate::effects::Effects;
use crate::host::Host;
use crate::parts::Part;
use crate::telemetry::{FallbackKind, Metric, ServiceMetric};
use crate::tenure::Tenure;

/// Written by the first worker of a configuration with an admin API. No service's name has a slash.
const SHOWN_KEY: &str = "edge-breaker/v1/admin/shown";

/// What one worker has seen and not written yet.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    /// Whether somebody may look.
    pub(crate) is_shown: Cell<bool>,
    failures: Cell<Failures>,
    watch: Watch,
}

/// What last happened to the breaker of a service.
pub(crate) struct Recent<'a> {
    pub(crate) local: &'a Unwritten,
    /// The key of the service's record.
    pub(crate) record: &'a str,
    pub(crate) tenure: Option<&'a Tenure>,
    /// The number of its metrics; `None`: others are counted in them as well.
    pub(crate) series: Option<usize>,
    pub(crate) service: &'a str,
}

/// Whether one worker knows that somebody may look at breakers.
#[derive(Debug, Default)]
pub(crate) struct Audience(Cell<bool>);

impl Audience {
    /// Says so for all workers of all configurations.
    pub(crate) fn announce(&self, host: &dyn Host) {
        // Lost, another has said it.
        let _ = host.swap(SHOWN_KEY, &[1], None);
        self.0.set(true);
    }

    /// Whether anybody is known to have said so; if need be, the store is `asked`.
    pub(crate) fn is_there(&self, asked: bool, host: &dyn Host) -> bool {
        let is_said = || asked && matches!(host.load(SHOWN_KEY), Ok(Some(_)));
        let is_there = self.0.get() || is_said();
        self.0.set(is_there);
        is_there
    }
}

impl Recent<'_> {
    /// Takes note of a failure.
    pub(crate) fn failed(&self, failure: Failure) {
        let mut failures = self.local.failures.get();
        keep_latest(&mut failures, failure);
        self.local.failures.set(failures);
    }

    /// Writes what was taken note of, if anything was.
    pub(crate) fn write(&self, host: &dyn Host, effects: &mut Effects) {
        if self.local.failures.get().iter().any(Option::is_some) {
            self.add(&|_| {}, host, effects);
        }
    }

    /// A health check was made, or could not be.
    pub(crate) fn checked(
        &self,
        result: Option<CheckResult>,
        status: Option<u16>,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        let check = Check { at: host.now().wall, result, status };
        self.add(&|notes| notes.push_check(check), host, effects);
    }

    /// The breaker has made a transition: what was counted by the time when it left the closed state is
    /// what is counted from.
    pub(crate) fn moved(&self, transition: &Transition, host: &dyn Host, effects: &mut Effects) {
        let (from, to) = (is_down(transition.from), is_down(transition.to));
        if from || !to {
            return;
        }
        let since = Since { at: host.now().wall, answered: self.answered(host) };
        self.add(&|notes| notes.since = Some(since), host, effects);
    }

    /// What is written, if anything is.
    pub(crate) fn load(&self, host: &dyn Host, effects: &mut Effects) -> Result<Notes, Lost> {
        let notes = self.part(&self.key()).load(host, effects)?;
        Ok(notes.and_then(|bytes| Notes::decode(&bytes)).unwrap_or_default())
    }

    /// What was counted since the proxy was started; `None`: it is counted with others, or the proxy
    /// does not tell.
    pub(crate) fn answered(&self, host: &dyn Host) -> Option<Answered> {
        let (series, gauges) = (self.series?, host.gauges()?);
        let read = |metric| gauges.read(Metric::Of(series, metric));
        let mut answered = Answered::default();
        for (count, kind) in answered.by.iter_mut().zip(FallbackKind::ALL) {
            *count = read(ServiceMetric::Fallback(kind))?;
        }
        for reason in DivertReason::ALL {
            let diverted = read(ServiceMetric::NotPermitted(reason))?;
            answered.diverted = answered.diverted.saturating_add(diverted);
        }
        Some(answered)
    }

    fn key(&self) -> String {
        format!("{}/recent", self.record)
    }

    fn part<'b>(&'b self, key: &'b str) -> Part<'b> {
        Part {
            key,
            watch: &self.local.watch,
            service: Some(self.service),
            tenure: self.tenure,
            what: "recent",
            is_one: |bytes| Notes::decode(bytes).is_some(),
        }
    }

    /// Changes what is written, and adds what was taken note of.
    #[inline(never)]
    fn add(&self, change: &dyn Fn(&mut Notes), host: &dyn Host, effects: &mut Effects) {
        let failures = self.local.failures.take();
        let written = self.part(&self.key()).update(host, effects, &mut |bytes| {
            let mut notes = bytes.and_then(Notes::decode).unwrap_or_default();
            failures.into_iter().flatten().for_each(|it| keep_latest(&mut notes.failures, it));
            change(&mut notes);
            Some(notes.encode())
        });
        if written.is_err() {
            self.local.failures.set(failures);
        }
    }
}

/// Whether calls are diverted, or trials alone pass.
pub(crate) const fn is_down(state: StateName) -> bool {
    matches!(state, StateName::Open | StateName::ForcedOpen | StateName::HalfOpen)
}
