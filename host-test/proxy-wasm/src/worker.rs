//! One worker: a VM, its root contexts, and the streams it serves.

mod answers;
mod failure;
mod flow;
mod lifecycle;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{WasmParams, WasmResults};

use crate::callout::{CallAnswer, CallToken};
use crate::counters::Usage;
use crate::event::{Event, Part};
use crate::headers::Headers;
use crate::module::Module;
use crate::plugin::Plugin;
use crate::process::Process;
use crate::state::State;
use crate::stream::{Mode, Stream, StreamId, Way};
use crate::vm::{Callback, Callbacks, Vm};

/// A worker: a thread of the proxy, with a VM of its own.
///
/// Envoy has one for each thread that serves requests, and one more on its main thread, which
/// ticks and never sees a stream. Each is configured by itself.
///
/// Whatever is fed comes back as events, in their order. Nothing that is fed to a stream that
/// was answered or cut off here does anything, as nothing of it could reach the filter.
pub struct Worker {
    module: Module,
    slot: Slot,
    /// The configuration that is in force.
    configuration: Vec<u8>,
    /// When the VM was built, or was last tried to be.
    built: Duration,
}

/// The VM, or what is left of it.
enum Slot {
    Running(Box<Vm>),
    Gone(Box<State>),
    /// Only for the moment in which one becomes the other.
    Empty,
}

/// Why a worker, or a configuration, does not come to life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// The VM trapped. What is said is of the trap.
    Trap(String),
    /// The module refused the configuration of its VM.
    VmRefused,
    /// The module refused the configuration. What it has to say is in the log.
    ConfigurationRefused,
    /// The VM is gone.
    NoVm,
}

impl Worker {
    /// Starts a VM and configures it.
    ///
    /// # Errors
    ///
    /// If the module traps or refuses.
    pub fn start(
        process: &Process,
        module: &Module,
        plugin: Plugin,
        configuration: &[u8],
    ) -> Result<Self, StartError> {
        let state = State::new(process, Arc::new(plugin));
        let mut worker = Self {
            module: module.clone(),
            slot: Slot::Gone(Box::new(state)),
            configuration: configuration.to_vec(),
            built: process.monotonic(),
        };
        worker.build()?;
        Ok(worker)
    }

    /// Tries a configuration in a VM that is thrown away, as Envoy does on its main thread before
    /// any worker sees it. Whatever the module does meanwhile, to the shared data for example, is
    /// done.
    ///
    /// # Errors
    ///
    /// If the module traps or refuses: the update is then refused, and the configuration that is
    /// in force stays.
    pub fn canary(
        process: &Process,
        module: &Module,
        plugin: Plugin,
        configuration: &[u8],
    ) -> Result<(), StartError> {
        Self::start(process, module, plugin, configuration).map(drop)
    }

    /// The number of the worker, by the order in which they were started.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.state().worker
    }

    /// Whether there is a VM.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self.slot, Slot::Running(_))
    }

    /// Sets what runs before each host call, with the call's name.
    pub fn on_hostcall(&mut self, mut hook: impl FnMut(&'static str) + Send + 'static) {
        self.trap_hostcalls(move |name| {
            hook(name);
            ControlFlow::Continue(())
        });
    }

    /// The same; where the function breaks, the VM traps and the call is not made. So a VM dies in
    /// the middle of a callback, with all that it has done so far and nothing of the rest.
    pub fn trap_hostcalls(
        &mut self,
        hook: impl FnMut(&'static str) -> ControlFlow<()> + Send + 'static,
    ) {
        self.state_mut().hook = Some(Box::new(hook));
    }

    /// What each callback has cost since the last time, by its name.
    #[must_use]
    pub fn take_usage(&mut self) -> BTreeMap<&'static str, Usage> {
        std::mem::take(&mut self.state_mut().usage)
    }

    /// What each callback has cost so far, by its name.
    #[must_use]
    pub fn usage(&self) -> &BTreeMap<&'static str, Usage> {
        &self.state().usage
    }

    /// How many bytes of memory the VM has, which never gets smaller; 0 if it is gone.
    #[must_use]
    pub fn memory_size(&self) -> usize {
        match &self.slot {
            Slot::Running(vm) => vm.memory_size(),
            Slot::Gone(_) | Slot::Empty => 0,
        }
    }

    // --- Streams -------------------------------------------------------------------------------

    /// Opens a stream. If the VM is gone, and the policy is to build it anew, this is when it is.
    #[must_use]
    pub fn open_stream(&mut self) -> StreamId {
        let mode = self.mode_of_new_stream();
        let state = self.state_mut();
        let id = state.next_context();
        let root = state.roots.iter().rev().find(|(_, root)| !root.retired);
        let root = root.map_or(0, |(id, _)| *id);
        state.streams.insert(id, Stream { root, mode, ..Stream::default() });
        StreamId(id)
    }

    /// Feeds the headers of a request.
    pub fn request_headers(
        &mut self,
        stream: StreamId,
        headers: Headers,
        end_of_stream: bool,
    ) -> Vec<Event> {
        self.feed(stream, Way::Request, Part::Headers(headers, end_of_stream))
    }

    /// Feeds a piece of the body of a request.
    pub fn request_body(
        &mut self,
        stream: StreamId,
        bytes: impl Into<Vec<u8>>,
        end_of_stream: bool,
    ) -> Vec<Event> {
        self.feed(stream, Way::Request, Part::Body(bytes.into(), end_of_stream))
    }

    /// Feeds the trailers of a request.
    pub fn request_trailers(&mut self, stream: StreamId, trailers: Headers) -> Vec<Event> {
        self.feed(stream, Way::Request, Part::Trailers(trailers))
    }

    /// Feeds the headers of a response: of the service, or of the proxy in its stead.
    pub fn response_headers(
        &mut self,
        stream: StreamId,
        headers: Headers,
        end_of_stream: bool,
    ) -> Vec<Event> {
        self.feed(stream, Way::Response, Part::Headers(headers, end_of_stream))
    }

    /// Feeds a piece of the body of a response.
    pub fn response_body(
        &mut self,
        stream: StreamId,
        bytes: impl Into<Vec<u8>>,
        end_of_stream: bool,
    ) -> Vec<Event> {
        self.feed(stream, Way::Response, Part::Body(bytes.into(), end_of_stream))
    }

    /// Feeds the trailers of a response.
    pub fn response_trailers(&mut self, stream: StreamId, trailers: Headers) -> Vec<Event> {
        self.feed(stream, Way::Response, Part::Trailers(trailers))
    }

    /// Ends a stream, whatever of it has come: `on_log`, `on_done`, `on_delete`.
    ///
    /// This is all that a filter sees of a client that went away, and of a service that broke
    /// off in mid-body. A stream of which it has seen nothing is created for the log, as Envoy
    /// does for one that an earlier filter has answered.
    pub fn end_stream(&mut self, stream: StreamId) -> Vec<Event> {
        self.end(stream.0);
        self.take_events()
    }

    /// Says what there is to know of a stream, by the names of its path. Envoy's numbers are
    /// eight bytes each, little-endian. When it can be known is not for the caller to care about:
    /// what belongs to the response is hidden until there is one.
    pub fn set_property(&mut self, stream: StreamId, path: &[&str], value: impl Into<Vec<u8>>) {
        if let Some(stream) = self.state_mut().streams.get_mut(&stream.0) {
            stream.properties.set(path, value.into());
        }
    }

    /// Takes that back.
    pub fn remove_property(&mut self, stream: StreamId, path: &[&str]) {
        if let Some(stream) = self.state_mut().streams.get_mut(&stream.0) {
            stream.properties.remove(path);
        }
    }

    /// What the filter has set by `proxy_set_property`: in Envoy, filter state `wasm.NAME`.
    #[must_use]
    pub fn filter_state(&self, stream: StreamId, name: &str) -> Option<&[u8]> {
        self.state().streams.get(&stream.0)?.filter_state.get(name.as_bytes())
    }

    /// Whether something of a stream is held back.
    #[must_use]
    pub fn is_paused(&self, stream: StreamId) -> bool {
        use crate::stream::Hold;

        self.state().streams.get(&stream.0).is_some_and(|stream| {
            !stream.closed
                && [Way::Request, Way::Response]
                    .iter()
                    .any(|way| stream.message(*way).hold != Hold::Nothing)
        })
    }

    /// Whether as much of a request is held back, unseen by the filter, as may be: until it goes
    /// on Envoy reads no more from the client. What is fed all the same is kept, too.
    #[must_use]
    pub fn request_is_full(&self, stream: StreamId) -> bool {
        self.is_full(stream, Way::Request)
    }

    /// The same of a response, and the service.
    #[must_use]
    pub fn response_is_full(&self, stream: StreamId) -> bool {
        self.is_full(stream, Way::Response)
    }

    fn is_full(&self, stream: StreamId, way: Way) -> bool {
        let state = self.state();
        let limit = state.plugin.buffer_limit;
        state.streams.get(&stream.0).is_some_and(|stream| stream.message(way).unseen() >= limit)
    }

    /// The streams that were opened and not ended.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.state().streams.len()
    }

    // --- Root contexts -------------------------------------------------------------------------

    /// Hands a new configuration over, to a new root context in the same VM, which new streams
    /// then belong to. The old one goes when its last stream has.
    ///
    /// # Errors
    ///
    /// If the module traps or refuses. If it refuses the old configuration stays in force. In
    /// Envoy a [`canary`](Self::canary) has refused before.
    pub fn configure(&mut self, configuration: &[u8]) -> Result<(), StartError> {
        if !self.put_back(configuration) {
            self.add_root(configuration)?;
        }
        self.configuration = configuration.to_vec();
        self.remove_old_roots();
        Ok(())
    }

    /// Takes what came of a start or of a new configuration: a call that was made meanwhile, for
    /// example, or the streams that died of a trap. It comes with whatever is fed next otherwise.
    pub fn drain_events(&mut self) -> Vec<Event> {
        self.take_events()
    }

    /// The tick period of the root context that is in force; `None`: it does not tick.
    #[must_use]
    pub fn tick_period(&self) -> Option<Duration> {
        let root = self.state().roots.values().rev().find(|root| !root.retired)?;
        root.tick.map(|(period, _)| period)
    }

    /// When the next tick is due, by the monotonic clock.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        self.state().roots.values().filter_map(|root| root.tick).map(|(_, due)| due).min()
    }

    /// Ticks all root contexts that want to be, due or not.
    pub fn tick(&mut self) -> Vec<Event> {
        self.tick_until(Duration::MAX);
        self.take_events()
    }

    /// Ticks the root contexts whose tick is due by the clock. As in Envoy the next is due one
    /// period after this one has returned.
    pub fn tick_if_due(&mut self) -> Vec<Event> {
        let now = self.state().process.monotonic();
        self.tick_until(now);
        self.take_events()
    }

    /// Answers a call. A token that was answered, or whose VM is gone, does nothing.
    pub fn answer_call(&mut self, token: CallToken, answer: CallAnswer) -> Vec<Event> {
        self.hand_over(token.0, answer);
        self.settle();
        self.take_events()
    }

    /// The calls that wait for an answer.
    #[must_use]
    pub fn pending_calls(&self) -> Vec<CallToken> {
        self.state().calls.keys().copied().map(CallToken).collect()
    }

    /// Tells the root contexts of what was put into the queues that they registered last: one
    /// callback for each value.
    pub fn deliver_queues(&mut self) -> Vec<Event> {
        let state = self.state();
        let ready = state.process.lock().queues.take_ready(state.worker);
        for ready in ready {
            if self.state().roots.contains_key(&ready.root) {
                let parameters = (ready.root, ready.token);
                self.call(ready.root, |callbacks| &callbacks.queue_ready, parameters);
                self.settle();
            }
        }
        self.take_events()
    }

    /// Kills the VM, as a trap would.
    pub fn kill(&mut self) -> Vec<Event> {
        if self.is_running() {
            self.fail("killed");
        }
        self.take_events()
    }

    // --- What the other parts stand on ---------------------------------------------------------

    /// Calls a callback, if there is a VM and it exports it. If it traps the VM is gone.
    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        context: u32,
        callback: impl FnOnce(&Callbacks) -> &Callback<P, R>,
        parameters: P,
    ) -> Option<R> {
        let Slot::Running(vm) = &mut self.slot else {
            return None;
        };
        let callback = callback(&vm.callbacks).clone();
        match vm.call(context, &callback, parameters) {
            Ok(result) => result,
            Err(trap) => {
                self.fail(&trap);
                None
            }
        }
    }

    fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.state_mut().events)
    }

    fn emit(&mut self, event: Event) {
        self.state_mut().events.push(event);
    }

    fn stream_mut(&mut self, stream: u32) -> Option<&mut Stream> {
        self.state_mut().streams.get_mut(&stream)
    }

    fn state(&self) -> &State {
        match &self.slot {
            Slot::Running(vm) => vm.state(),
            Slot::Gone(state) => state,
            Slot::Empty => unreachable!("the slot is filled again before anyone looks"),
        }
    }

    fn state_mut(&mut self) -> &mut State {
        match &mut self.slot {
            Slot::Running(vm) => vm.state_mut(),
            Slot::Gone(state) => state,
            Slot::Empty => unreachable!("the slot is filled again before anyone looks"),
        }
    }

    /// Ticks what is due at that time.
    fn tick_until(&mut self, time: Duration) {
        let due =
            |(_, root): &(&u32, &crate::state::Root)| root.tick.is_some_and(|(_, due)| due <= time);
        let roots: Vec<u32> = self.state().roots.iter().filter(due).map(|(id, _)| *id).collect();
        for root in roots {
            self.call(root, |callbacks| &callbacks.tick, root);
            self.settle();
            let now = self.state().process.monotonic();
            if let Some(root) = self.state_mut().roots.get_mut(&root)
                && let Some((period, due)) = &mut root.tick
            {
                *due = now + *period;
            }
        }
    }

    fn mode_of_new_stream(&mut self) -> Mode {
        if !self.is_running() {
            self.rebuild_by_policy();
        }
        match (self.is_running(), self.state().plugin.failure_policy) {
            (true, _) => Mode::Filtered,
            (false, crate::plugin::FailurePolicy::FailOpen) => Mode::Bypassed,
            (false, _) => Mode::Refused,
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("number", &self.number())
            .field("running", &self.is_running())
            .field("streams", &self.open_streams())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap(message) => write!(f, "the module trapped: {message}"),
            Self::VmRefused => write!(f, "the module refused the configuration of its VM"),
            Self::ConfigurationRefused => write!(f, "the module refused the configuration"),
            Self::NoVm => write!(f, "the VM is gone"),
        }
    }
}

impl std::error::Error for StartError {}
