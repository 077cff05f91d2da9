//! A real Envoy, in real time: requests over the wire, services that answer when they are told to,
//! breakers and metrics as operators see them.
//!
//! All scenarios with the same number of workers share a process, each with a listener, clusters and
//! names of its own: see [`names`] and [`proxy`]. What is different about a real proxy is said to be
//! so in one place, [`received`].

mod client;
mod clock;
mod names;
mod proxy;
mod received;
mod scene;
mod upstream;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use scenario::{
    Answer, CallId, CalloutAnswer, Configured, Event, Fault, Host, Late, Made, Need, Received,
    Request, Scenario, Sent, Status, Worker,
};
use serde_json::Value;
use tokio::runtime::Runtime;

use self::client::{Connection, Connections};
use self::clock::Clock;
use self::names::Names;
use self::proxy::{Port, Proxy};
use self::received::received;
use self::scene::{Got, Scene};
use self::upstream::{Instruction, Upstream};

pub(crate) use self::clock::TooLate;
pub use self::proxy::stop;

/// What a real Envoy cannot do.
pub(crate) const LACKS: &[(Need, &str)] = &[
    (Need::VirtualTime, "a real proxy's clocks and timers cannot be moved"),
    (Need::Races, "nobody can say which write of a real store loses a race"),
    (Need::Crash, "the module has no way to crash that is known of"),
    (Need::ProxyFaults, "a real proxy fails a call for reasons of its own, not when it is told to"),
    (Need::StoreFaults, "a real store neither fails nor holds other bytes when it is told to"),
    (Need::Routes, "here all requests go to one cluster, by one route"),
    (Need::Peers, "all clients are on this machine"),
    (Need::UnknownClusters, "a configuration's clusters are there from the start"),
];

/// One scenario on an Envoy.
pub(crate) struct RealEnvoy {
    runtime: Rc<Runtime>,
    proxy: Arc<Proxy>,
    /// Where requests go.
    port: Port,
    names: Names,
    scene: Arc<Scene>,
    clock: Clock,
    /// How often it was configured.
    configured: u64,
    connections: Connections,
    /// The worker that did something last.
    last: Worker,
    /// The service that is protected, and the clusters that the configurations name.
    upstreams: BTreeMap<String, Upstream>,
    /// How clusters answer that there are or may be.
    answers: BTreeMap<String, CalloutAnswer>,
    /// The breakers, unless something has happened since they were read.
    seen: Option<BTreeMap<String, Status>>,
    /// How much of the log has been read; `None`: nobody asks for it.
    logged: Option<usize>,
    _turn: Turn,
}

/// A host for this scenario.
pub(crate) fn start(scenario: &Scenario) -> Result<Box<dyn Host>> {
    let turn = Turn::take();
    let proxy = Proxy::of(scenario.workers)?;
    let asks_for_log = scenario.steps.iter().any(|step| step.expect.log.is_some());
    // All on one thread: on a busy machine each change of threads may be a wait.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let scene = Arc::new(Scene::default());
    let (port, service) = runtime
        .block_on(async { anyhow::Ok((Port::free()?, Upstream::service(&scene).await?)) })?;
    Ok(Box::new(RealEnvoy {
        runtime: Rc::new(runtime),
        logged: asks_for_log.then(|| proxy.envoy.log().len()),
        proxy,
        port,
        names: Names::next(),
        scene,
        clock: Clock::of(scenario),
        configured: 0,
        connections: Connections::default(),
        last: 0,
        upstreams: BTreeMap::from([(String::new(), service)]),
        answers: BTreeMap::new(),
        seen: None,
        _turn: turn,
    }))
}

impl RealEnvoy {
    async fn try_configure(&mut self, config: &Value) -> Result<Configured> {
        for cluster in names::clusters(config) {
            if !self.upstreams.contains_key(&cluster) {
                let answers = self.answers.get(&cluster).copied();
                let answers = answers.unwrap_or(CalloutAnswer::Status(200));
                let upstream = Upstream::cluster(&self.scene, &cluster, answers).await?;
                self.upstreams.insert(cluster, upstream);
            }
        }
        let clusters = self.upstreams.iter();
        let clusters =
            clusters.map(|(name, upstream)| (self.names.cluster(name), upstream.address));
        let clusters: Vec<_> = clusters.collect();
        self.configured += 1;
        let listener =
            proxy::listener(&self.names, &self.port, &self.names.config(config), &self.mark())?;
        if let Err(why) = self.proxy.put(&self.names, listener, &clusters).await? {
            return Ok(Configured::Refused(self.names.without_prefix(&why)));
        }
        let (address, mark) = (self.port.address, self.mark());
        self.connections =
            Connections::open(&self.proxy, address, &self.names, (config, &mark)).await?;
        Ok(Configured::Accepted)
    }

    /// What tells answers under this configuration from those under the ones before.
    fn mark(&self) -> String {
        format!("{}-{}", self.names.scenario(), self.configured)
    }

    /// Waits until the client has all that it gets, or until it waits for a callout.
    async fn outcome(&self, call: CallId) -> Result<Option<Received>> {
        let outcome = self.scene.until("an answer, or a replay that is held back", |state| {
            let (is_held, call) = (state.is_held(call), state.calls.get_mut(&call)?);
            match call.got {
                Got::Whole(_) | Got::Broken(_) => Some(Some(received(call))),
                Got::Head(ref reply) if call.begun && received::is_services(reply) => Some(None),
                _ if is_held => Some(None),
                _ => None,
            }
        });
        let outcome = outcome.await?;
        self.scene.change(|state| {
            if outcome.is_some() {
                state.calls.remove(&call);
            }
        });
        Ok(outcome)
    }

    /// What clients got that waited for a callout, in the order in which they got it.
    fn late(&self) -> Vec<Late> {
        self.scene.change(|state| {
            let over = state.calls.iter().filter(|(_, call)| call.is_over());
            let mut over: Vec<_> = over.map(|(id, call)| (call.over_at, *id)).collect();
            over.sort_unstable();
            let late = over.into_iter().filter_map(|(_, id)| {
                let call = state.calls.remove(&id)?;
                Some(Late { call: id, received: received(&call) })
            });
            late.collect()
        })
    }

    /// All breakers, read on the worker that did something last, or after all of them if a timer may
    /// have done something on any.
    async fn breakers(&mut self) -> Result<&BTreeMap<String, Status>> {
        if self.seen.is_none() {
            if self.clock.has_timers {
                self.connections.are_responsive().await?;
            }
            let seen = self.connections.breakers(self.last, &self.names).await?;
            self.clock.done(seen.values().all(|breaker| breaker.state == "CLOSED"))?;
            self.seen = Some(seen);
        }
        self.seen.as_ref().context("they were read just now")
    }

    async fn pass(&mut self, by: Duration) -> Result<Vec<Late>> {
        self.begin();
        self.clock.plan(by);
        while self.clock.sleep().await {
            self.connections.are_responsive().await?;
            self.proxy.is_responsive().await?;
            self.clock.check_pace()?;
        }
        Ok(self.late())
    }

    async fn send(&mut self, call: CallId, request: &Request) -> Result<Sent> {
        if request.cluster.is_some() || request.route.is_some() {
            bail!("here all requests go to one cluster, by one route");
        }
        self.last = request.worker;
        let request = Request { path: self.names.path(&request.path), ..request.clone() };
        client::send(&self.scene, self.connections.of(self.last)?, call, &request)?;
        let sent = self.scene.until("the request at the service, or an answer", |state| {
            let call = state.calls.get(&call)?;
            match call.got {
                Got::Whole(_) | Got::Broken(_) => Some(Sent::Answered(received(call))),
                _ if call.service.is_some() => Some(Sent::Forwarded),
                _ => None,
            }
        });
        let sent = sent.await?;
        if sent != Sent::Forwarded {
            self.scene.change(|state| state.calls.remove(&call));
        }
        Ok(sent)
    }

    async fn leave(&mut self, call: CallId) -> Result<Option<Received>> {
        let open = self.scene.change(|state| {
            state.calls.get(&call).context("there is no such call")?.client.abort();
            anyhow::Ok(state.calls.len())
        })?;
        self.proxy.until_requests_are(&self.names, open.saturating_sub(1)).await?;
        // Not before: the service would take it for the end of its answer.
        self.scene.change(|state| state.calls.remove(&call));
        Ok(Some(Received::Nothing))
    }

    /// The rest of a request comes: whether that is answered at once.
    async fn complete(&mut self, call: CallId) -> Result<Option<Received>> {
        self.scene.change(|state| {
            drop(state.calls.get_mut(&call).context("there is no such call")?.rest.take());
            anyhow::Ok(())
        })?;
        // The proxy has it when it has answered what came after it on the same connection.
        self.connections.are_responsive().await?;
        let over = |state: &mut scene::State| {
            let call = state.calls.get(&call)?;
            call.is_over().then(|| received(call))
        };
        Ok(self.scene.change(over))
    }

    /// Something is about to happen.
    fn begin(&mut self) {
        self.seen = None;
        self.clock.begin();
    }

    fn run<R>(&mut self, f: impl AsyncFnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let runtime = Rc::clone(&self.runtime);
        runtime.block_on(f(self))
    }
}

impl Host for RealEnvoy {
    fn configure(&mut self, config: &Value) -> Result<Configured> {
        self.begin();
        let configured = self.run(async |host| host.try_configure(config).await)?;
        if self.configured == 1 {
            self.clock.start();
        }
        Ok(configured)
    }

    fn advance(&mut self, by: Duration) -> Result<Vec<Late>> {
        self.run(async |host| host.pass(by).await)
    }

    fn request(&mut self, call: CallId, request: &Request) -> Result<Sent> {
        self.begin();
        self.run(async |host| host.send(call, request).await)
    }

    fn answer(&mut self, call: CallId, answer: &Answer) -> Result<Option<Received>> {
        self.begin();
        let worker = self.scene.change(|state| Some(state.calls.get(&call)?.worker));
        self.last = worker.context("there is no such call")?;
        let instruction = match answer {
            Answer::Whole(head) => Instruction::Answer { head: head.clone(), goes_on: false },
            Answer::Begin(head) => Instruction::Answer { head: head.clone(), goes_on: true },
            Answer::More(bytes) => Instruction::More(*bytes),
            Answer::RequestEnd => return self.run(async |host| host.complete(call).await),
            Answer::End => Instruction::End,
            Answer::Fault(Fault::Reset) => Instruction::Reset,
            Answer::Fault(fault) => bail!("no way to bring about {}", fault.name()),
            Answer::ClientGone => return self.run(async |host| host.leave(call).await),
        };
        self.scene.instruct(call, instruction)?;
        self.run(async |host| host.outcome(call).await)
    }

    fn upstream(&mut self, cluster: &str, answers: CalloutAnswer) -> Result<()> {
        self.answers.insert(cluster.to_owned(), answers);
        let Some(upstream) = self.upstreams.get_mut(cluster) else {
            return Ok(());
        };
        self.runtime.block_on(upstream.answer(&self.scene, answers))
    }

    fn release(&mut self, cluster: &str, answer: CalloutAnswer) -> Result<Vec<Late>> {
        self.begin();
        self.run(async |host| {
            let Some(call) = host.scene.release(cluster, answer).await? else {
                let held = host.scene.change(|state| state.held_by(cluster));
                host.proxy.until_calls_are(&host.names, cluster, held).await?;
                return Ok(Vec::new());
            };
            let received = host.outcome(call).await?;
            Ok(received.map(|received| Late { call, received }).into_iter().collect())
        })
    }

    fn disturb(&mut self, event: &Event) -> Result<()> {
        bail!("no way to bring about {event:?}")
    }

    fn status(&mut self, service: &str) -> Result<Status> {
        let status = self.run(async |host| Ok(host.breakers().await?.get(service).cloned()))?;
        status.with_context(|| format!("{service} is not configured"))
    }

    fn metrics(&mut self) -> Result<Option<BTreeMap<String, u64>>> {
        Ok(Some(self.run(async |host| host.proxy.metrics(&host.names).await)?))
    }

    fn log(&mut self) -> Result<Option<Vec<String>>> {
        let Some(logged) = self.logged else {
            return Ok(None);
        };
        let log = self.proxy.envoy.log();
        let lines = log.get(logged..).unwrap_or_default().lines();
        let lines = lines.filter_map(|line| self.names.log_line(line)).collect();
        self.logged = Some(log.len());
        Ok(Some(lines))
    }

    fn callouts(&mut self) -> Result<Option<Made>> {
        Ok(self.scene.change(scene::State::take_made))
    }
}

impl Drop for RealEnvoy {
    fn drop(&mut self) {
        self.runtime.block_on(self.proxy.take_away(&self.names));
    }
}

/// So many scenarios at a time are on the way: more would only wait for each other.
struct Turn;

static TURNS: (Mutex<usize>, Condvar) = (Mutex::new(8), Condvar::new());

impl Turn {
    fn take() -> Self {
        let (left, freed) = &TURNS;
        let left = left.lock().unwrap_or_else(PoisonError::into_inner);
        let left = freed.wait_while(left, |left| *left == 0);
        *left.unwrap_or_else(PoisonError::into_inner) -= 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (left, freed) = &TURNS;
        *left.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        freed.notify_one();
    }
}

/// A worker's connection, for those who send requests.
type Sender = Arc<Connection>;
