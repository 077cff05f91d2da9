//! Who is who by the proxy's numbers: configurations at work, streams under way, and the calls
//! that streams wait for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use breaker_filter::Effects;

use crate::host;
use crate::root::Worker;
use crate::stream::Stream;
use crate::streams::Streams;

struct Contexts {
    /// The plugin's contexts that there are, which are few. `None`: not configured yet.
    roots: Vec<(u32, Option<Rc<Worker>>)>,
    streams: Streams,
    /// Empty, but while a callback is at work: what it wants done takes no memory anew.
    effects: Effects,
}

impl Contexts {
    const fn new() -> Self {
        Self { roots: Vec::new(), streams: Streams::new(), effects: Effects::new() }
    }
}

thread_local! {
    static CONTEXTS: RefCell<Contexts> = const { RefCell::new(Contexts::new()) };
    /// Who waits for a call, by the call's number.
    static CALLS: RefCell<BTreeMap<u32, u32>> = const { RefCell::new(BTreeMap::new()) };
}

/// Works on the contexts. The proxy does not call in while it is called, but for memory, so they
/// are always there; if ever they were not, nothing would happen.
fn with_contexts<R>(f: impl FnOnce(&mut Contexts) -> R) -> Option<R> {
    CONTEXTS.try_with(|contexts| Some(f(&mut *contexts.try_borrow_mut().ok()?))).ok().flatten()
}

fn with_calls<R>(f: impl FnOnce(&mut BTreeMap<u32, u32>) -> R) -> Option<R> {
    CALLS.try_with(|calls| Some(f(&mut *calls.try_borrow_mut().ok()?))).ok().flatten()
}

/// One of the plugin's contexts is there, and now has this configuration, if any.
pub(crate) fn set_root(root: u32, worker: Option<Rc<Worker>>) {
    with_contexts(|contexts| {
        contexts.roots.retain(|(number, _)| *number != root);
        contexts.roots.push((root, worker));
    });
}

/// One of the plugin's contexts is gone; whether there was one.
pub(crate) fn forget_root(root: u32) -> bool {
    let forget = |contexts: &mut Contexts| {
        let before = contexts.roots.len();
        contexts.roots.retain(|(number, _)| *number != root);
        contexts.roots.len() < before
    };
    with_contexts(forget).unwrap_or(false)
}

/// A stream begins. Without a configuration there is nothing to do for it.
pub(crate) fn begin_stream(stream: u32, root: u32) {
    with_contexts(|Contexts { roots, streams, .. }| {
        if let Some((_, Some(worker))) = roots.iter().find(|(number, _)| *number == root) {
            streams.begin(stream, worker);
        }
    });
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

/// Lends what a callback of one of the plugin's contexts collects in.
pub(crate) fn with_effects<R>(f: impl FnOnce(&mut Effects) -> R) -> Option<R> {
    with_contexts(|contexts| f(&mut contexts.effects))
}

/// A stream waits for a call.
pub(crate) fn await_call(call: u32, stream: u32) {
    with_calls(|calls| calls.insert(call, stream));
}

/// The answer to a call is there; whether it is a stream's. If that has ended meanwhile, nobody
/// wants to know any more.
pub(crate) fn on_call_answer(call: u32, headers: usize, body: usize) -> bool {
    let Some(stream) = with_calls(|calls| calls.remove(&call)).flatten() else {
        return false;
    };
    with_stream(stream, |it, effects| {
        host::act_for(stream);
        it.on_call_answer(headers, body, effects);
    });
    true
}
