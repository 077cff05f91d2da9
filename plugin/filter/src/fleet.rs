//! A process's part in its fleet: what one of its workers keeps.
//!
//! All workers ask for a lease. The one that has it looks at the store, tells it what the breakers of
//! the process do, and makes their health checks; the others make none. It keeps what it has read in
//! its own memory: another that takes over begins with a first look. `fleets` has what this does to
//! breakers, and the crate `fleet` the rules.

mod language;
mod process;
pub(crate) mod shown;

use std::cell::{Cell, RefCell};
use std::hash::Hasher as _;
use std::time::Duration;

use breaker::{Now, Timestamp};
use config::{Config, FleetProbe, FleetScope, Hash};
use shared::Watch;

use ::fleet::{
    Advice, Answer, CheckSaid, Fleet, FleetPolicy, Identity, Own, Probe, Scope, SyncResult, Verdict,
};

pub(crate) use self::language::Asked;
use self::language::{Problem, answer_of, callout_of};
#[cfg(test)]
pub(crate) use self::process::{ProcessKind, ShownKind};
use crate::callout::CalloutRequest;
use crate::effects::Effects;
use crate::host::Host;
use crate::lease::WorkerLease;
use crate::random::scrambled;
use crate::telemetry::{Metric, ModuleMetric};

/// No service's name has a slash.
const KEY: &str = "edge-breaker/v1/fleet/";

/// How long a store that does not answer is not told of again.
const QUIET: Duration = Duration::from_secs(60);

/// What one worker keeps of its process's part in the fleet.
#[derive(Debug)]
pub(crate) struct Member {
    settings: config::Fleet,
    /// The keys of the lease, and of what is shown: those of the same services share them.
    lease_key: String,
    shown_key: String,
    lease: WorkerLease,
    watch: Watch,
    /// `None`: another worker has the lease.
    part: RefCell<Option<Part>>,
    /// The lease cannot be had: each worker does as if there were no fleet.
    is_alone: Cell<bool>,
    /// When the log was last told that the store does not answer; `None`: it answers.
    silent: Cell<Option<Timestamp>>,
    age: Cell<Option<u64>>,
    shown: RefCell<String>,
}

/// The part itself.
#[derive(Debug)]
struct Part {
    fleet: Fleet,
    me: Identity,
    /// Since when this worker has it.
    since: Timestamp,
}

/// What a breaker hears.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) advice: Option<Advice>,
    /// Whether its health check may be made here.
    pub(crate) may_check: bool,
}

impl Member {
    /// One for a configuration, if it has a fleet.
    pub(crate) fn new(config: &Config) -> Option<Self> {
        let settings = config.fleet.clone()?;
        let names = config.services.iter().map(|service| service.name.text());
        let place = settings.store.place();
        let store = [&*settings.cluster, &*settings.host, place, &*settings.region].into_iter();
        let hash = store.chain(names).fold(Hash::default(), Hash::text).finish();
        Some(Self {
            settings,
            lease_key: format!("{KEY}lease/{hash:x}"),
            shown_key: format!("{KEY}shown/{hash:x}"),
            lease: WorkerLease::default(),
            watch: Watch::default(),
            part: RefCell::default(),
            is_alone: Cell::default(),
            silent: Cell::default(),
            age: Cell::default(),
            shown: RefCell::default(),
        })
    }

    fn policy(&self) -> FleetPolicy {
        let settings = &self.settings;
        FleetPolicy {
            region: settings.region.clone(),
            sync_interval: settings.sync_interval,
            timeout: settings.timeout,
            max_staleness: settings.max_staleness,
            quorum: settings.quorum,
            scope: match settings.scope {
                FleetScope::Region => Scope::Region,
                FleetScope::Global => Scope::Global,
            },
            probe: match settings.probe {
                FleetProbe::One => Probe::One,
                FleetProbe::Each => Probe::Each,
            },
        }
    }

    /// Takes the lease, or renews it, and with it the part. `true`: it has just come to this worker.
    pub(crate) fn take_part(&self, host: &dyn Host, effects: &mut Effects) -> bool {
        let held = self.lease.hold(&self.lease_key, 0, host, effects);
        self.is_alone.set(held.is_err());
        let Ok(mut part) = self.part.try_borrow_mut() else {
            return false;
        };
        match held {
            Ok(Some(held)) if held.is_new || part.is_none() => {
                let now = host.now();
                let me = process::identity(&self.watch, host, effects);
                let random = random_of(me, now.monotonic);
                let fleet = Fleet::new(self.policy(), me, now.monotonic, random);
                *part = Some(Part { fleet, me, since: now.monotonic });
                true
            }
            Ok(Some(_)) => false,
            Ok(None) | Err(_) => {
                *part = None;
                false
            }
        }
    }

    fn with_part<R>(&self, f: impl FnOnce(&mut Part) -> R) -> Option<R> {
        self.part.try_borrow_mut().ok()?.as_mut().map(f)
    }

    /// The services that are to be looked at, whatever their records' versions are.
    pub(crate) fn watched(&self) -> Vec<String> {
        let names = |part: &mut Part| {
            part.fleet.services().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        self.with_part(names).unwrap_or_default()
    }

    /// Tells what a service's breaker does.
    pub(crate) fn observe(&self, service: &str, own: Own, now: Timestamp) -> Heard {
        let heard = self.with_part(|part| {
            let random = random_of(part.me, now);
            let advice = part.fleet.observe(service, own, now, random);
            Heard { advice, may_check: part.fleet.may_check(service, now) }
        });
        heard.unwrap_or_else(|| Heard { advice: None, may_check: self.is_alone.get() })
    }

    /// Tells what a health check said.
    pub(crate) fn checked(&self, service: &str, said: CheckSaid, now: Timestamp) {
        self.with_part(|part| {
            part.fleet.checked(service, said, now, random_of(part.me, now));
        });
    }

    /// What is to be asked of the store now.
    pub(crate) fn ask(&self, now: Timestamp) -> Option<(Asked, CalloutRequest)> {
        let ask =
            self.with_part(|part| if now < part.fleet.due() { None } else { part.fleet.poll(now) });
        ask.flatten().map(|ask| callout_of(&self.settings, &ask))
    }

    /// What the store has answered; no status: nothing.
    pub(crate) fn answered(
        &self,
        asked: &Asked,
        status: Option<u16>,
        body: &[u8],
        now: Now,
        effects: &mut Effects,
    ) {
        let answer = answer_of(&self.settings, asked, status, body);
        self.tell(&answer, now.monotonic, effects);
        let answer = answer.map_err(|problem| problem.fault);
        let result = self.with_part(|part| part.fleet.answer(asked.ticket, answer, now.monotonic));
        if let Some(result) = result.flatten() {
            effects.count(ModuleMetric::FleetSync(result));
            if result != SyncResult::Failed {
                self.show_age(now.monotonic, effects);
            }
        }
    }

    /// Says in the log that the store has fallen silent, or is back.
    fn tell(&self, answer: &Result<Answer, Problem>, now: Timestamp, effects: &mut Effects) {
        match (answer, self.silent.get()) {
            (Ok(_), None) => {}
            (Ok(_), Some(_)) => {
                self.silent.set(None);
                effects.info("event=fleet_store_answers".to_owned());
            }
            (Err(_), Some(told)) if now.since(told) < QUIET => {}
            (Err(problem), _) => {
                self.silent.set(Some(now));
                effects.warn(format!(
                    "event=fleet_store_silent cluster={} problem=\"{}\" remedy=\"{}\"",
                    self.settings.cluster, problem.found, problem.remedy
                ));
            }
        }
    }

    /// Sets the gauge of how old what is known of the store is, if it has changed.
    pub(crate) fn show_age(&self, now: Timestamp, effects: &mut Effects) {
        let age = self.with_part(|part| {
            let age = part.fleet.age(now).unwrap_or_else(|| now.since(part.since));
            age.as_secs()
        });
        if let Some(age) = age
            && self.age.replace(Some(age)) != Some(age)
        {
            let metric = Metric::Module(ModuleMetric::FleetAge);
            effects.metrics.push((metric, crate::effects::Change::Set(age)));
        }
    }

    /// What the fleet says of each service that somebody reports, or whose breaker is not simply closed here,
    /// and which process this is.
    fn verdicts(&self, now: Timestamp) -> Option<(Identity, Vec<(String, Verdict)>)> {
        self.with_part(|part| {
            let services = part.fleet.services();
            let verdicts = services.into_iter();
            let verdicts = verdicts.map(|it| (it.to_owned(), part.fleet.verdict(it, now)));
            (part.me, verdicts.collect())
        })
    }
}

/// What spreads waits: another number for each process at each moment.
fn random_of(me: Identity, now: Timestamp) -> u32 {
    scrambled(now.as_nanos() ^ me.id.bits())
}
