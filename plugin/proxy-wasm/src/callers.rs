//! The calls that streams and configurations wait for, by the proxy's numbers.

use std::cell::RefCell;

use filter::{PendingCallout, TimedOut, WaitingCallers};

/// Who waits for a call.
pub(crate) enum Caller {
    Stream(u32),
    Callout { root: u32, pending: PendingCallout },
}

thread_local! {
    static CALLS: RefCell<WaitingCallers<Caller>> = const { RefCell::new(WaitingCallers::new()) };
}

fn with_calls<R>(f: impl FnOnce(&mut WaitingCallers<Caller>) -> R) -> Option<R> {
    CALLS.try_with(|calls| Some(f(&mut *calls.try_borrow_mut().ok()?))).ok().flatten()
}

/// Whether a stream may be made to wait for a call.
pub(crate) fn may_wait() -> bool {
    with_calls(|calls| calls.may_wait()).unwrap_or(false)
}

/// Somebody waits for a call, for so many ticks of a context.
pub(crate) fn await_call(call: u32, root: u32, ticks: u32, caller: Caller) {
    with_calls(|calls| calls.begin(call, root, ticks, caller));
}

/// Who waited for the call that is answered.
pub(crate) fn answered(call: u32) -> Option<Caller> {
    with_calls(|calls| calls.answered(call)).flatten()
}

/// A context has ticked: who has waited long enough.
pub(crate) fn on_tick(root: u32) -> Option<TimedOut<Caller>> {
    with_calls(|calls| calls.on_tick(root))
}

/// A context is gone, and nobody waits for its calls.
pub(crate) fn forget(root: u32) {
    with_calls(|calls| calls.forget(root));
}
