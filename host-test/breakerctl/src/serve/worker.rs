//! One thread of the proxy: a VM for each listener, its timer, the calls that it makes, and, on
//! workers, connections.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use host_test_proxy_wasm::{
    Call, CallAnswer, Event, FailurePolicy, Headers, LogLevel, Plugin, Process, StreamId, Worker,
};
use http_body_util::{BodyExt as _, Limited};
use tokio::sync::{mpsc, watch};

use super::drain::Phase;
use super::message;
use super::pipe::{Source, pipe};
use super::plan::{Listener, Plan};
use super::upstream::{self, Failure, TIMED_OUT, Upstream};
use crate::module::Loaded;
use crate::output::FAINT;

/// A worker whose module has crashed builds it anew, at most so often.
const RELOAD: Duration = Duration::from_secs(1);

/// As much of the answer to a call of the module is taken, as in Envoy.
const LARGEST_ANSWER: usize = 32 << 20;

/// What becomes of the lines that the module logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    Printed,
    Dropped,
}

/// What all threads have in common.
pub(super) struct Settings {
    pub(super) plan: Plan,
    pub(super) workers: u16,
    process: Process,
    log: Log,
    started: Instant,
    /// Held while the clock is read and set, so that no worker sets it back.
    clock: Mutex<()>,
}

/// A VM that runs on this thread.
pub(super) struct Proxy {
    settings: Arc<Settings>,
    listener: usize,
    pub(super) upstream: Rc<Upstream>,
    worker: RefCell<Worker>,
    /// Who waits for what becomes of a stream.
    streams: RefCell<HashMap<StreamId, mpsc::UnboundedSender<Event>>>,
    phase: watch::Receiver<Phase>,
}

impl Settings {
    pub(super) fn new(plan: Plan, workers: u16, log: Log) -> Self {
        let process = Process::new();
        process.set_log_level(LogLevel::Info);
        process.set_clusters(plan.clusters.iter().map(|cluster| cluster.name.clone()));
        let (started, clock) = (Instant::now(), Mutex::default());
        let settings = Self { plan, workers, process, log, started, clock };
        settings.set_clock();
        settings
    }

    /// Starts the VMs of a thread, one for each listener.
    ///
    /// # Errors
    ///
    /// If the module traps or refuses its configuration.
    pub(super) fn start(&self, module: &Loaded) -> anyhow::Result<Vec<Worker>> {
        let start = |listener: &Listener| {
            let plugin = Plugin {
                name: listener.plugin.name.clone(),
                vm_id: listener.plugin.vm_id.clone(),
                failure_policy: FailurePolicy::FailReload { backoff: RELOAD },
                ..Plugin::default()
            };
            let configuration = &listener.plugin.configuration;
            Ok(Worker::start(&self.process, &module.module, plugin, configuration)?)
        };
        self.plan.listeners.iter().map(start).collect()
    }

    fn now(&self) -> Duration {
        // No time is zero: that is before anything has happened.
        RELOAD + self.started.elapsed()
    }

    fn set_clock(&self) {
        let _held = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.process.set_clocks(self.now(), wall);
    }

    /// The thread of a VM, by the order in which they were started.
    fn thread(&self, vm: u32) -> String {
        let thread = vm as usize / self.plan.listeners.len().max(1);
        if thread == usize::from(self.workers) {
            "main thread".to_owned()
        } else {
            format!("worker {thread}")
        }
    }

    fn print_log(&self) {
        let lines = self.process.take_log();
        if self.log == Log::Dropped {
            return;
        }
        for line in lines {
            let thread = self.thread(line.worker);
            anstream::eprintln!("{FAINT}{thread}:{FAINT:#} {}", line.message);
        }
    }
}

/// Has the VMs of this thread run: each ticks from now on.
///
/// # Errors
///
/// If a cluster's address cannot be asked.
pub(super) fn run(
    settings: &Arc<Settings>,
    workers: Vec<Worker>,
    phase: &watch::Receiver<Phase>,
) -> anyhow::Result<Vec<Rc<Proxy>>> {
    let upstream = Rc::new(Upstream::new(&settings.plan.clusters)?);
    let proxy = |(listener, worker)| {
        let proxy = Rc::new(Proxy {
            settings: Arc::clone(settings),
            listener,
            upstream: Rc::clone(&upstream),
            worker: RefCell::new(worker),
            streams: RefCell::default(),
            phase: phase.clone(),
        });
        tokio::task::spawn_local(tick(Rc::clone(&proxy)));
        proxy
    };
    Ok(workers.into_iter().enumerate().map(proxy).collect())
}

/// The timer of a VM.
async fn tick(proxy: Rc<Proxy>) {
    loop {
        // What came of the start, the first time.
        proxy.run(Worker::drain_events);
        let next = proxy.worker.borrow().next_tick();
        let now = proxy.settings.now();
        let wait = next.map_or(RELOAD, |next| next.saturating_sub(now));
        tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        proxy.run(Worker::tick_if_due);
    }
}

impl Proxy {
    pub(super) fn listener(&self) -> &Listener {
        // There is a VM for each listener, and none besides.
        &self.settings.plan.listeners[self.listener]
    }

    /// Whether connections are to end with the answer at hand.
    pub(super) fn is_draining(&self) -> bool {
        *self.phase.borrow() != Phase::Open
    }

    /// Opens a stream, and gives what becomes of it.
    pub(super) fn open(&self) -> (StreamId, mpsc::UnboundedReceiver<Event>) {
        self.settings.set_clock();
        let stream = self.worker.borrow_mut().open_stream();
        let (sender, receiver) = mpsc::unbounded_channel();
        self.streams.borrow_mut().insert(stream, sender);
        (stream, receiver)
    }

    /// Ends a stream.
    pub(super) fn close(self: &Rc<Self>, stream: StreamId) {
        self.run(|worker| worker.end_stream(stream));
        self.streams.borrow_mut().remove(&stream);
    }

    /// Says what there is to know of a stream.
    pub(super) fn tell(&self, stream: StreamId, path: &[&str], value: impl Into<Vec<u8>>) {
        self.worker.borrow_mut().set_property(stream, path, value);
    }

    /// Whether as much of a request, and of its answer, is held back as may be.
    pub(super) fn is_full(&self, stream: StreamId) -> (bool, bool) {
        let worker = self.worker.borrow();
        (worker.request_is_full(stream), worker.response_is_full(stream))
    }

    /// Runs the module, and does what it wants done.
    pub(super) fn run(self: &Rc<Self>, run: impl FnOnce(&mut Worker) -> Vec<Event>) {
        self.settings.set_clock();
        let events = run(&mut self.worker.borrow_mut());
        for event in events {
            match event {
                Event::Request(stream, _)
                | Event::Response(stream, _)
                | Event::RouteCleared(stream)
                | Event::LocalReply(stream, _)
                | Event::Reset(stream) => {
                    let streams = self.streams.borrow();
                    if let Some(stream) = streams.get(&stream) {
                        // Nobody listens to a stream whose client is gone.
                        let _ = stream.send(event);
                    }
                }
                Event::Call(call) => {
                    tokio::task::spawn_local(make_call(Rc::clone(self), call));
                }
                Event::VmFailed(trap) => anstream::eprintln!("the module has crashed: {trap}"),
            }
        }
        self.settings.print_log();
    }
}

/// A call that the module makes. As in Envoy what the proxy answers in the service's stead looks
/// like an answer of the service.
async fn make_call(proxy: Rc<Proxy>, call: Call) {
    let Call { token, cluster, mut headers, body, timeout, .. } = call;
    headers.remove("content-length");
    if !body.is_empty() {
        headers.add("content-length", body.len().to_string());
    }
    let answer = ask(&proxy.upstream, &cluster, &headers, body);
    let answer = match timeout {
        Some(timeout) => tokio::time::timeout(timeout, answer).await.unwrap_or(Err(TIMED_OUT)),
        None => answer.await,
    };
    let answer =
        answer.unwrap_or_else(|failure| CallAnswer::status(failure.status, failure.details));
    proxy.run(|worker| worker.answer_call(token, answer));
}

async fn ask(
    upstream: &Upstream,
    cluster: &str,
    headers: &Headers,
    body: Vec<u8>,
) -> Result<CallAnswer, Failure> {
    let source = if body.is_empty() {
        Source::empty()
    } else {
        let (sink, source) = pipe();
        sink.push(body.into());
        sink.end();
        source
    };
    let response = upstream.send(cluster, headers, source)?.await;
    let (head, body) = response.map_err(|error| upstream::failure(&error))?.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER).collect().await;
    Ok(body.map_or(CallAnswer::Failed, |body| CallAnswer::Response {
        headers: message::response_headers(&head),
        body: body.to_bytes().to_vec(),
        trailers: Headers::new(),
    }))
}
