//! One worker: a VM on a thread, its connections, its timer, and the calls that it makes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use wasm_host::{
    Call, CallAnswer, Event, FailurePolicy, Headers, Plugin, Process, StreamId, Worker,
};

use super::clusters::Clusters;
use super::exchange;
use super::upstream::Upstream;
use crate::module::Loaded;
use crate::output::FAINT;

/// A worker whose module has crashed builds it anew, at most so often.
const RELOAD: Duration = Duration::from_secs(1);

/// What all workers have in common.
pub(super) struct Settings {
    pub(super) module: Loaded,
    pub(super) configuration: Vec<u8>,
    pub(super) clusters: Clusters,
    pub(super) process: Process,
    pub(super) started: Instant,
    /// Held while the clock is read and set, so that no worker sets it back.
    pub(super) clock: Mutex<()>,
}

/// A worker that runs.
pub(super) struct Proxy {
    pub(super) settings: Arc<Settings>,
    pub(super) upstream: Upstream,
    worker: RefCell<Worker>,
    /// Who waits for what becomes of a stream.
    streams: RefCell<HashMap<StreamId, mpsc::UnboundedSender<Event>>>,
}

/// Serves connections until no more can come, and those that are there are done.
pub(super) fn run(
    settings: &Arc<Settings>,
    connections: mpsc::UnboundedReceiver<std::net::TcpStream>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, serve(settings, connections))
}

async fn serve(
    settings: &Arc<Settings>,
    mut connections: mpsc::UnboundedReceiver<std::net::TcpStream>,
) -> anyhow::Result<()> {
    settings.set_clock();
    let plugin = Plugin {
        name: "edge-breaker".to_owned(),
        vm_id: "edge-breaker".to_owned(),
        failure_policy: FailurePolicy::FailReload { backoff: RELOAD },
        ..Plugin::default()
    };
    let worker =
        Worker::start(&settings.process, &settings.module.0, plugin, &settings.configuration)?;
    let proxy = Rc::new(Proxy {
        settings: Arc::clone(settings),
        upstream: Upstream::new(),
        worker: RefCell::new(worker),
        streams: RefCell::default(),
    });
    tokio::task::spawn_local(tick(Rc::clone(&proxy)));
    let graceful = GracefulShutdown::new();
    while let Some(connection) = connections.recv().await {
        connection.set_nodelay(true)?;
        let connection = tokio::net::TcpStream::from_std(connection)?;
        let proxy = Rc::clone(&proxy);
        let service = service_fn(move |request| exchange::handle(Rc::clone(&proxy), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(connection), service);
        // One that ends in an error has had its client gone.
        tokio::task::spawn_local(graceful.watch(connection));
    }
    graceful.shutdown().await;
    Ok(())
}

/// The timer of the VM.
async fn tick(proxy: Rc<Proxy>) {
    loop {
        let next = proxy.worker.borrow().next_tick();
        let now = proxy.settings.now();
        let wait = next.map_or(RELOAD, |next| next.saturating_sub(now));
        tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        proxy.run(Worker::tick_if_due);
    }
}

impl Settings {
    fn now(&self) -> Duration {
        // No time is zero: that is before anything has happened.
        RELOAD + self.started.elapsed()
    }

    fn set_clock(&self) {
        let _held = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        self.process.set_monotonic(self.now());
        self.process.set_wall(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    }
}

impl Proxy {
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

    /// Runs the module, and does what it wants done.
    pub(super) fn run(self: &Rc<Self>, run: impl FnOnce(&mut Worker) -> Vec<Event>) {
        self.settings.set_clock();
        let events = run(&mut self.worker.borrow_mut());
        for event in events {
            match &event {
                Event::Request(stream, _)
                | Event::Response(stream, _)
                | Event::RouteCleared(stream)
                | Event::LocalReply(stream, _)
                | Event::Reset(stream) => {
                    let streams = self.streams.borrow();
                    if let Some(stream) = streams.get(stream) {
                        // Nobody listens to a stream whose client is gone.
                        let _ = stream.send(event);
                    }
                }
                Event::Call(call) => {
                    tokio::task::spawn_local(make_call(Rc::clone(self), call.clone()));
                }
                Event::VmFailed(trap) => anstream::eprintln!("the module has crashed: {trap}"),
            }
        }
        for line in self.settings.process.take_log() {
            if line.level >= wasm_host::LogLevel::Info {
                anstream::eprintln!("{FAINT}worker {}:{FAINT:#} {}", line.worker, line.message);
            }
        }
    }
}

/// A call that the module makes. As in Envoy what the proxy answers in the service's stead looks
/// like an answer of the service.
async fn make_call(proxy: Rc<Proxy>, call: Call) {
    let address = proxy.settings.clusters.address(&call.cluster);
    let timeout = call.timeout.unwrap_or(Duration::MAX);
    let answer = proxy.upstream.send(address, &call.headers, Bytes::from(call.body), timeout).await;
    let answer = match answer {
        Ok((headers, body)) => {
            CallAnswer::Response { headers, body: body.to_vec(), trailers: Headers::new() }
        }
        Err(failure) => CallAnswer::status(failure.status, failure.details),
    };
    proxy.run(|worker| worker.answer_call(call.token, answer));
}
