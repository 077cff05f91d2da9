//! What an operator does to a breaker while it runs.

use crate::breaker::Breaker;
use crate::counts::Counts;
use crate::mode::{Command, Mode};
use crate::policy::Policy;
use crate::reason::Reason;
use crate::state::{Closed, State};
use crate::state_name::StateName;
use crate::transition::Transition;
use crate::trip::Evidence;

impl Breaker {
    /// The mode in force: the operator's, or else the configured one.
    #[must_use]
    pub fn mode(&self, configured: Mode) -> Mode {
        self.mode.unwrap_or(configured)
    }

    /// The state that it shows: that of its mode, unless it is enabled.
    #[must_use]
    pub fn shown_state(&self, configured: Mode) -> StateName {
        self.mode(configured).shown(self.state())
    }

    /// Does what an operator asks for. What is so already is no transition.
    ///
    /// Another mode begins no period: calls under way count as if nothing had happened, and a
    /// breaker that is enabled again is in the state that its calls have brought about.
    pub fn apply(&mut self, policy: &Policy, command: Command) -> Option<Transition> {
        let before = (self.shown_state(policy.mode), self.generation);
        match command {
            Command::Enable | Command::Disable | Command::ForceOpen | Command::MetricsOnly => {
                self.mode = command.mode();
            }
            Command::Close => {
                if self.mode(policy.mode) == Mode::ForcedOpen {
                    self.mode = Some(Mode::Enabled);
                }
                if !self.is_clean(policy) {
                    self.start_over();
                }
            }
            Command::Reset => {
                self.mode = None;
                self.start_over();
            }
        }
        let to = self.shown_state(policy.mode);
        (before != (to, self.generation)).then(|| Transition {
            from: before.0,
            to,
            reason: Reason::Operator,
            failures: self.status(policy.mode).failures,
            calls: Counts::NONE,
            generation: self.generation,
        })
    }

    /// Begins a period in which it is closed and has seen nothing.
    fn start_over(&mut self) {
        self.generation = self.generation.next();
        let evidence = Evidence::new(self.window);
        self.state = State::Closed(Closed { evidence, ..Closed::default() });
    }
}
