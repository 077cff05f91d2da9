//! What becomes of a worker whose VM has failed.

use std::mem;

use super::{Slot, Worker};
use crate::event::Event;
use crate::plugin::FailurePolicy;
use crate::reply::LocalReply;
use crate::stream::{Hold, Mode, StreamId};

impl Worker {
    /// The VM is gone: nothing of it can be called again, not even to log. Its streams are
    /// answered 503, or cut off where their response had begun, and its calls are taken back.
    pub(super) fn fail(&mut self, trap: &str) {
        let state = match mem::replace(&mut self.slot, Slot::Empty) {
            Slot::Running(vm) => Box::new(vm.into_state()),
            Slot::Gone(state) => state,
            Slot::Empty => return,
        };
        self.slot = Slot::Gone(state);
        let state = self.state_mut();
        state.roots.clear();
        state.calls.clear();
        state.pending_done.clear();
        state.after.clear();
        state.events.push(Event::VmFailed(trap.to_owned()));
        let streams: Vec<u32> = state.streams.keys().copied().collect();
        for stream in streams {
            self.fail_stream(stream);
        }
    }

    /// Answers a stream that no VM can serve.
    pub(super) fn fail_stream(&mut self, id: u32) {
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        if stream.mode == Mode::Bypassed || stream.closed {
            return;
        }
        let ended = stream.response.ended && stream.response.hold == Hold::Nothing;
        stream.mode = Mode::Refused;
        if stream.response.headers_gone {
            if !ended {
                stream.closed = true;
                self.emit(Event::Reset(StreamId(id)));
            }
            return;
        }
        if stream.request.headers.is_some() {
            self.answer_directly(id, LocalReply::of_host(503, "wasm_fail_stream"));
        }
    }

    /// Builds the VM anew, if the policy says so and the last time is long enough past.
    pub(super) fn rebuild_by_policy(&mut self) {
        let FailurePolicy::FailReload { backoff } = self.state().plugin.failure_policy else {
            return;
        };
        let now = self.state().process.monotonic();
        if now.saturating_sub(self.built) < backoff {
            return;
        }
        self.built = now;
        // If it fails again, it is tried again after the same time.
        let _ = self.build();
    }
}
