//! The circuit breaker of one service: what it is made of, and what there is to see of it. Its
//! files say what is done with it.

mod adapting;
pub(crate) mod admission;
mod checks;
pub(crate) mod command;
pub(crate) mod fleet;
mod moves;
mod overdue;
pub(crate) mod settlement;
pub(crate) mod status;
mod sync;

use crate::adaptive::Adaptive;
use crate::counts::Counts;
use crate::mode::Mode;
use crate::permit::Generation;
use crate::state::{Closed, State};
use crate::state_name::StateName;
use crate::time::{Timestamp, UnixTime};
use crate::window::WindowPolicy;

/// The circuit breaker of one service. See the [crate's contract](crate).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    pub(crate) generation: Generation,
    pub(crate) state: State,
    pub(crate) last_failure: Option<UnixTime>,
    pub(crate) last_success: Option<UnixTime>,
    /// By which settings the health check is made, over all states; zero: none was named yet.
    pub(crate) check_settings: u32,
    /// How the latest calls are kept while it is closed, over all states; `None`: no policy that
    /// has come so far asks for them.
    pub(crate) window: Option<WindowPolicy>,
    /// What the adaptive rule knows, over all states; `None`: no policy that has come so far has
    /// one.
    pub(crate) adaptive: Option<Adaptive>,
    /// The mode that an operator has set, over all states; `None`: the configured one.
    pub(crate) mode: Option<Mode>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Breaker {
    /// A closed breaker that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            generation: Generation::FIRST,
            state: State::Closed(Closed::default()),
            last_failure: None,
            last_success: None,
            check_settings: 0,
            window: None,
            adaptive: None,
            mode: None,
        }
    }

    /// The state that its calls have brought about, whatever its mode makes of it.
    #[must_use]
    pub const fn state(&self) -> StateName {
        self.state.name()
    }

    /// The latest calls, as far as a rule of a policy asks for them and they are written down.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> Counts {
        match &self.state {
            State::Closed(closed) => closed.measured.window.counts(now),
            _ => Counts::NONE,
        }
    }

    /// Calls of the period that failed or were slow, as far as they are counted.
    pub(crate) const fn bad(&self) -> u32 {
        match &self.state {
            State::Closed(closed) => closed.measured.bad,
            _ => 0,
        }
    }

    /// Writes down when a call last succeeded, which admission and settling leave out so that a
    /// healthy service costs no write. An earlier time than the one known changes nothing.
    pub fn note_success(&mut self, at: UnixTime) {
        if self.last_success.is_none_or(|known| known.as_nanos() < at.as_nanos()) {
            self.last_success = Some(at);
        }
    }
}
