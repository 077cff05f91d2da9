//! A proxy whose workers share a store: what can happen, and what comes of it.

use std::sync::Arc;

use breaker::StateName;
use stateright::{Model as StateModel, Property};

use crate::action::Action;
use crate::oracle::{Flaw, Oracle};
use crate::settings::{Bounds, Settings, deadline};
use crate::store::begun;
use crate::way_back::WaysBack;
use crate::worker::{Ending, Job, Step, View, Worker};

/// Workers, and what they share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proxy {
    /// Steps of time that have passed.
    pub(crate) now: u8,
    pub(crate) services: Vec<Service>,
    /// In order, since they are all alike.
    pub(crate) workers: Vec<Worker>,
    /// Calls, crashes and reloads that are still to come.
    left: Left,
    /// The rule that was broken.
    flaw: Option<Flaw>,
}

/// A breaker, and what must become of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Service {
    pub(crate) record: Arc<[u8]>,
    pub(crate) oracle: Oracle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Left {
    calls: u8,
    crashes: u8,
    reloads: u8,
}

/// All that can happen to a proxy within bounds.
#[derive(Debug)]
pub struct Model {
    settings: Settings,
    ways_back: WaysBack,
}

impl Model {
    /// A model of this.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, ways_back: WaysBack::default() }
    }

    fn bounds(&self) -> Bounds {
        self.settings.bounds
    }

    fn actions_of(&self, proxy: &Proxy, number: usize, worker: &Worker, to: &mut Vec<Action>) {
        match &worker.step {
            Step::Lost(_) => to.push(Action::Load(number)),
            Step::Loaded(..) => to.push(Action::Decide(number)),
            Step::Decided(..) => to.push(Action::Swap(number)),
            Step::Idle => {
                for (service, state) in (0..).zip(&proxy.services) {
                    if proxy.left.calls > 0 {
                        to.push(Action::Come(number, service));
                    }
                    let is_open = state.oracle.state == StateName::Open;
                    let checks = self.settings.policy(worker.policy).health_check.is_some();
                    let checking = worker.checks.iter().any(|check| check.service == service);
                    if is_open && checks && !checking {
                        to.push(Action::Tick(number, service));
                    }
                }
                for call in 0..worker.calls.len() {
                    for ending in [Ending::Success, Ending::Failure, Ending::Aborted] {
                        to.push(Action::End(number, call, ending));
                    }
                }
                for check in 0..worker.checks.len() {
                    to.extend([true, false].map(|well| Action::Answer(number, check, well)));
                }
                to.extend(worker.unsynced.iter().map(|it| Action::Sync(number, *it)));
                if proxy.left.reloads > 0 && worker.policy == 0 {
                    to.push(Action::Reload(number));
                }
            }
        }
        let is_empty =
            worker.step == Step::Idle && worker.calls.is_empty() && worker.checks.is_empty();
        if proxy.left.crashes > 0 && !is_empty {
            to.push(Action::Crash(number));
        }
    }
}

impl Proxy {
    fn worker(&mut self, number: usize) -> Option<&mut Worker> {
        self.workers.get_mut(number)
    }

    /// A worker reads the record that a job is about.
    fn load(&mut self, number: usize, job: Job) -> Option<()> {
        let record = Arc::clone(&self.services.get(usize::from(job.service()))?.record);
        self.worker(number)?.step = Step::Loaded(job, View { record, current: true });
        Some(())
    }

    fn act(&mut self, action: Action, settings: &Settings) -> Option<()> {
        match action {
            Action::Pass => self.now = self.now.saturating_add(1),
            Action::Come(number, service) => {
                self.left.calls = self.left.calls.checked_sub(1)?;
                self.load(number, Job::Admit(service))?;
            }
            Action::End(number, call, ending) => {
                let call = self.worker(number)?.calls.remove(call);
                self.load(number, Job::Settle(call, ending))?;
            }
            Action::Tick(number, service) => self.load(number, Job::TakeCheck(service))?,
            Action::Answer(number, check, well) => {
                let check = self.worker(number)?.checks.remove(check);
                self.load(number, Job::FinishCheck(check, well))?;
            }
            Action::Sync(number, service) => {
                self.worker(number)?.unsynced.retain(|it| *it != service);
                self.load(number, Job::Sync(service))?;
            }
            Action::Load(number) => {
                let Step::Lost(job) = std::mem::take(&mut self.worker(number)?.step) else {
                    return None;
                };
                self.load(number, job)?;
            }
            Action::Decide(number) => {
                let now = self.now;
                let flaw = self.worker(number)?.decide(now, settings);
                self.flaw = self.flaw.or(flaw);
            }
            Action::Swap(number) => self.swap(number, settings)?,
            Action::Crash(number) => {
                self.left.crashes = self.left.crashes.checked_sub(1)?;
                let services = u8::try_from(self.services.len()).ok()?;
                let worker = self.worker(number)?;
                // Its successor begins by putting its policy in force.
                let unsynced =
                    if worker.policy == 0 { Vec::new() } else { (0..services).collect() };
                *worker = Worker { policy: worker.policy, unsynced, ..Worker::default() };
            }
            Action::Reload(number) => {
                self.left.reloads = self.left.reloads.checked_sub(1)?;
                let services = u8::try_from(self.services.len()).ok()?;
                let worker = self.worker(number)?;
                worker.policy = 1;
                worker.unsynced = (0..services).collect();
            }
        }
        Some(())
    }

    fn swap(&mut self, number: usize, settings: &Settings) -> Option<()> {
        let (swapped, service) = self.worker(number)?.swap(settings)?;
        let Some(swapped) = swapped else {
            return Some(());
        };
        let stored = self.services.get_mut(usize::from(service))?;
        let noted = stored.oracle.note(&swapped.as_written(settings));
        self.flaw = self.flaw.or_else(|| noted.err());
        stored.record = swapped.record;
        for worker in &mut self.workers {
            worker.overtaken(service);
        }
        Some(())
    }

    /// Calls that are trials of the period, and whose time is not over.
    fn trials(&self, service: u8, generation: u64) -> usize {
        let calls = self.workers.iter().flat_map(|worker| &worker.calls);
        let is_alive = |since| self.now < deadline(since);
        calls
            .filter(|call| (call.service, call.generation) == (service, generation))
            .filter(|call| call.is_trial && is_alive(call.permit.since))
            .count()
    }

    fn has_trials_too_many(&self, settings: &Settings) -> bool {
        let permitted = settings.policy(0).half_open.permitted_calls.get();
        (0..).zip(&self.services).any(|(service, it)| {
            let trials = self.trials(service, it.oracle.generation);
            u32::try_from(trials).is_ok_and(|trials| trials > permitted)
        })
    }
}

impl StateModel for Model {
    type State = Proxy;
    type Action = Action;

    fn init_states(&self) -> Vec<Proxy> {
        let Bounds { workers, services, calls, crashes, reloads, .. } = self.bounds();
        let record: Arc<[u8]> = begun(self.settings.policy(0), 0).into();
        vec![Proxy {
            now: 0,
            services: vec![Service { record, oracle: Oracle::new() }; services],
            workers: vec![Worker::default(); workers],
            left: Left { calls, crashes, reloads },
            flaw: None,
        }]
    }

    fn actions(&self, proxy: &Proxy, actions: &mut Vec<Action>) {
        if proxy.now < self.bounds().steps {
            actions.push(Action::Pass);
        }
        for (number, worker) in proxy.workers.iter().enumerate() {
            // Of workers that are the same, what can happen to one says what can to the others.
            if number.checked_sub(1).and_then(|it| proxy.workers.get(it)) != Some(worker) {
                self.actions_of(proxy, number, worker, actions);
            }
        }
    }

    fn next_state(&self, proxy: &Proxy, action: Action) -> Option<Proxy> {
        let mut next = proxy.clone();
        next.act(action, &self.settings)?;
        next.workers.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no rule is broken", |_, proxy: &Proxy| proxy.flaw.is_none()),
            Property::always(
                "no more trials are made than are permitted",
                |model: &Self, proxy: &Proxy| !proxy.has_trials_too_many(&model.settings),
            ),
            Property::always(
                "a service that is well gets its calls back",
                |model: &Self, proxy: &Proxy| {
                    let policies = proxy.workers.iter().map(|worker| worker.policy);
                    proxy.services.iter().all(|service| {
                        let policies = policies.clone();
                        model.ways_back.exist(&service.record, proxy.now, policies, &model.settings)
                    })
                },
            ),
            Property::sometimes("it opens", |_, proxy: &Proxy| proxy.is_ever(StateName::Open, 2)),
            Property::sometimes("it closes again", |_, proxy: &Proxy| {
                proxy.is_ever(StateName::Closed, 3)
            }),
        ]
    }
}

impl Proxy {
    fn is_ever(&self, state: StateName, generation: u64) -> bool {
        let is = |it: &Oracle| it.state == state && it.generation >= generation;
        self.services.iter().any(|service| is(&service.oracle))
    }
}
