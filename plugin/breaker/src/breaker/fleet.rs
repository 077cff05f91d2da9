//! What a breaker does on the word of other processes, and what it tells of its health check.

use crate::breaker::Breaker;
use crate::mode::Mode;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::state::State;
use crate::time::{Now, Timestamp};
use crate::transition::Transition;

impl Breaker {
    /// Opens a closed breaker that lets calls pass and is heeded, since others have found the service to
    /// be down. Its wait and its health check are as after a trip of its own. `random` is uniform over
    /// all its values.
    pub fn open_by_fleet(&mut self, policy: &Policy, now: Now, random: u32) -> Option<Transition> {
        let takes_part = self.takes_part(policy, now.monotonic);
        let is_closed = matches!(self.state, State::Closed(_));
        (takes_part && is_closed).then(|| self.trip(policy, Reason::Fleet, None, now, random))
    }

    /// Makes an open breaker half-open, whatever its wait is, since another process has found the
    /// service to be well: trials decide.
    pub fn half_open_by_fleet(&mut self, policy: &Policy, now: Timestamp) -> Option<Transition> {
        let takes_part = self.takes_part(policy, now);
        let State::Open(open) = &self.state else {
            return None;
        };
        let (open, due) = (open.clone(), open.check.due);
        takes_part.then(|| self.half_open(open, due, Reason::Fleet))
    }

    /// Whether others' words mean something to it, and its own to them: its decisions are heeded, and no
    /// other rule diverts calls.
    #[must_use]
    pub fn takes_part(&self, policy: &Policy, now: Timestamp) -> bool {
        let is_limited = match &self.state {
            State::Closed(_) => self.diverted(policy, now) > 0,
            State::Open(open) => open.reason == Reason::Adaptive,
            State::HalfOpen(_) => false,
        };
        self.mode(policy.mode) == Mode::Enabled && !is_limited
    }

    /// Whether a health check has failed, and is tried again before that counts.
    #[must_use]
    pub const fn is_check_retried(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.check.attempts > 0)
    }
}
