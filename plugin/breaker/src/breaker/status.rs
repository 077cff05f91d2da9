//! What there is to show of a breaker.

use crate::adaptive::Adaptive;
use crate::breaker::Breaker;
use crate::mode::Mode;
use crate::permit::Generation;
use crate::reason::Reason;
use crate::state::State;
use crate::state_name::StateName;
use crate::time::{Timestamp, UnixTime};

/// What there is to show of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state, as the mode in force has it shown.
    pub state: StateName,
    /// The mode in force.
    pub mode: Mode,
    /// The period.
    pub generation: Generation,
    /// Failures since the last success.
    pub failures: u32,
    /// Why it is not closed.
    pub trip_reason: Option<Reason>,
    /// Since when it is not closed.
    pub opened_at: Option<Timestamp>,
    /// When an open breaker may leave that state at the earliest, and one that waits with the next
    /// trial makes it.
    pub retry_at: Option<Timestamp>,
    /// Trials in flight, and slots that complete requests have to themselves.
    pub trials_in_flight: u32,
    /// When a call last failed.
    pub last_failure: Option<UnixTime>,
    /// When a call last succeeded.
    pub last_success: Option<UnixTime>,
}

impl Breaker {
    /// What there is to show.
    #[must_use]
    pub fn status(&self, configured: Mode) -> Status {
        let (trip_reason, opened_at, retry_at, trials_in_flight) = match &self.state {
            State::Closed(_) => (None, None, None, 0),
            State::Open(open) => {
                let next_trial = self.adaptive.as_ref().filter(|it| it.diverts_all());
                let retry_at = next_trial.map_or(open.retry_at, Adaptive::next_trial);
                let trials = open.trials.in_flight();
                (Some(open.reason), Some(open.opened_at), Some(retry_at), trials)
            }
            State::HalfOpen(half_open) => (
                Some(half_open.reason),
                Some(half_open.opened_at),
                (half_open.retry_at != Timestamp::default()).then_some(half_open.retry_at),
                half_open.trials.in_flight(),
            ),
        };
        Status {
            state: self.shown_state(configured),
            mode: self.mode(configured),
            generation: self.generation,
            failures: self.state.failures(),
            trip_reason,
            opened_at,
            retry_at,
            trials_in_flight,
            last_failure: self.last_failure,
            last_success: self.last_success,
        }
    }
}
