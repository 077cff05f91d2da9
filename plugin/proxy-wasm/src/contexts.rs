//! Who is who by the proxy's numbers: configurations at work and streams under way.

use std::cell::RefCell;
use std::rc::Rc;

use filter::{Effects, TimedOut};

use crate::callers::{self, Caller};
use crate::host::{self, LogLevel};
use crate::root::Worker;
use crate::stream::Stream;
use crate::streams::Streams;

struct Contexts {
    /// The plugin's contexts that there are, which are few. `None`: not configured yet.
    roots: Vec<(u32, Option<Rc<Worker>>)>,
    streams: Streams,
    /// Whether it was logged that streams come to one that is not configured.
    warned: bool,
    /// Empty, but while a callback is at work: what it wants done takes no memory anew.
    effects: Effects,
}

impl Contexts {
    const fn new() -> Self {
        Self { roots: Vec::new(), streams: Streams::new(), warned: false, effects: Effects::new() }
    }

    fn root_mut(&mut self, number: u32) -> Option<&mut Option<Rc<Worker>>> {
        self.roots.iter_mut().find(|(known, _)| *known == number).map(|(_, root)| root)
    }
}

thread_local! {
    static CONTEXTS: RefCell<Contexts> = const { RefCell::new(Contexts::new()) };
}

/// Works on the contexts. The proxy does not call in while it is called, but for memory, so they
/// are always there; if ever they were not, nothing would happen.
fn with_contexts<R>(f: impl FnOnce(&mut Contexts) -> R) -> Option<R> {
    CONTEXTS.try_with(|contexts| Some(f(&mut *contexts.try_borrow_mut().ok()?))).ok().flatten()
}

/// One of the plugin's contexts is there.
pub(crate) fn begin_root(root: u32) {
    end_root(root);
    with_contexts(|contexts| contexts.roots.push((root, None)));
}

/// One of the plugin's contexts is gone.
pub(crate) fn end_root(root: u32) {
    let forgotten = with_contexts(|contexts| {
        let place = contexts.roots.iter().position(|(number, _)| *number == root)?;
        Some(contexts.roots.swap_remove(place))
    });
    if forgotten.flatten().is_some() {
        callers::forget(root);
    }
}

/// Puts a configuration to work; whether it was taken.
pub(crate) fn configure(root: u32, size: usize) -> bool {
    let known = with_contexts(|contexts| contexts.root_mut(root).is_some()).unwrap_or(false);
    let Some(worker) = Worker::configure(root, known, size) else {
        return false;
    };
    let configured = Some(Rc::new(worker));
    with_contexts(|contexts| contexts.root_mut(root).map(|root| *root = configured))
        .flatten()
        .is_some()
}

fn worker(root: u32) -> Option<Rc<Worker>> {
    with_contexts(|contexts| contexts.root_mut(root)?.clone()).flatten()
}

/// Has a configuration do something, and does what its filter wants done besides.
fn with_worker<R>(root: u32, f: impl FnOnce(&Worker, &mut Effects) -> R) -> Option<R> {
    let worker = worker(root)?;
    with_contexts(|Contexts { effects, .. }| {
        let result = f(&worker, effects);
        worker.metrics.apply(effects);
        result
    })
}

/// A stream begins. Without a configuration there is nothing to do for it.
pub(crate) fn begin_stream(stream: u32, root: u32) {
    with_contexts(|Contexts { roots, streams, warned, .. }| {
        match roots.iter().find(|(number, _)| *number == root) {
            Some((_, Some(worker))) => streams.begin(stream, worker),
            _ => warn_once(warned),
        }
    });
}

/// Streams come to a context that was never configured: its configuration was refused, or is
/// withheld.
#[cold]
fn warn_once(warned: &mut bool) {
    if !std::mem::replace(warned, true) {
        host::log(
            LogLevel::Error,
            "edge-breaker event=callback_missing callback=proxy_on_configure problem=\"no \
             configuration came: nothing is guarded\" remedy=\"allow it (docs/security.md)\"",
        );
    }
}

/// Takes a stream a step further, and does what the filter wants done besides.
pub(crate) fn with_stream<R>(
    stream: u32,
    step: impl FnOnce(&mut Stream, &mut Effects) -> R,
) -> Option<R> {
    with_contexts(|Contexts { streams, effects, .. }| {
        let stream = streams.get_mut(stream)?;
        let result = step(stream, effects);
        stream.apply(effects);
        Some(result)
    })
    .flatten()
}

/// A stream has ended; whether there was one.
pub(crate) fn end_stream(stream: u32) -> bool {
    let end = |Contexts { streams, effects, .. }: &mut Contexts| {
        let ending = streams.get_mut(stream)?;
        ending.on_end(effects);
        ending.apply(effects);
        streams.remove(stream);
        Some(())
    };
    with_contexts(end).flatten().is_some()
}

/// The timer has ticked. Calls whose answers are overdue are given up last: that is done for
/// streams, and what follows in this callback would be done for them as well.
pub(crate) fn on_tick(root: u32) {
    if with_worker(root, Worker::on_tick).is_none() {
        return;
    }
    let Some(TimedOut { callers, never_answered }) = callers::on_tick(root) else {
        return;
    };
    if never_answered {
        with_worker(root, |worker, effects| worker.filter.on_callouts_unanswered(effects));
    }
    for caller in callers {
        // A call of the timer's has a lease in the record, which ends by itself.
        if let Caller::Stream(_) = caller {
            answer(caller, 0, 0);
        }
    }
}

/// The answer to a call is there.
pub(crate) fn on_call_answer(call: u32, headers: usize, body: usize) {
    if let Some(caller) = callers::answered(call) {
        answer(caller, headers, body);
    }
}

/// Hands an answer over; no headers: there is none. If a stream has ended meanwhile, nobody wants to
/// know any more.
fn answer(caller: Caller, headers: usize, body: usize) {
    match caller {
        Caller::Stream(stream) => {
            with_stream(stream, |it, effects| {
                host::act_for(stream);
                it.on_call_answer(headers, body, effects);
            });
        }
        Caller::Callout { root, pending } => {
            with_worker(root, |worker, effects| {
                worker.on_callout_answer(pending, (headers, body), effects)
            });
        }
    }
}
