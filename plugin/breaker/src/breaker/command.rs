//! What an operator does to a breaker while it runs.

use crate::adaptive::Adaptive;
use crate::breaker::Breaker;
use crate::counts::Counts;
use crate::mode::Mode;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::state::{Closed, State};
use crate::state_name::StateName;
use crate::table::table;
use crate::transition::Transition;
use crate::trip::Measured;

table! {
    /// What an operator may do to a breaker while it runs. A mode that is set so takes the place
    /// of the configured one, over all changes of the configuration, until it is
    /// [reset](Self::Reset).
    pub enum Command: CommandRow {
        /// The name in the admin API.
        pub name: &'static str,
        /// What a person is asked before it is done: the command as a title, and its consequence.
        pub question: [&'static str; 2],
    }
    /// Sets the mode to enabled.
    Enable { name: "enable", question: ["Enable", "What the breaker decides is heeded."] }
    /// Sets the mode to disabled.
    Disable {
        name: "disable",
        question: ["Disable", "Calls are left alone: nothing is counted, and nothing diverted."],
    }
    /// Sets the mode to forced open.
    ForceOpen {
        name: "force-open",
        question: ["Force open", "Every call is diverted, until it is closed or reset."],
    }
    /// Sets the mode to metrics only.
    MetricsOnly {
        name: "metrics-only",
        question: ["Metrics only", "It goes on deciding and counting, and diverts nothing."],
    }
    /// Closes the breaker, and sets the mode to enabled if all calls were diverted by force.
    Close { name: "close", question: ["Close", "Calls pass at once, without trials."] }
    /// Returns to the configured mode, and to a closed breaker that has seen nothing.
    Reset {
        name: "reset",
        question: [
            "Reset", "Back to the configured mode, and to a closed breaker that has seen nothing.",
        ],
    }
}

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
            Command::Enable => self.mode = Some(Mode::Enabled),
            Command::Disable => self.mode = Some(Mode::Disabled),
            Command::ForceOpen => self.mode = Some(Mode::ForcedOpen),
            Command::MetricsOnly => self.mode = Some(Mode::MetricsOnly),
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
                self.adaptive = self.adaptive.as_ref().map(|_| Adaptive::new());
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
            adaptive: None,
        })
    }

    /// Begins a period in which it is closed and has seen nothing.
    fn start_over(&mut self) {
        self.generation = self.generation.next();
        self.forget_evidence();
        let measured = Measured::new(self.window);
        self.state = State::Closed(Closed { measured, ..Closed::default() });
    }
}
