//! What an operator wants done with a breaker's decisions, by configuration or while it runs.

use crate::breaker::{Admission, Breaker};
use crate::permit::{Generation, Permit};
use crate::policy::Policy;
use crate::reason::{DivertReason, Reason};
use crate::state::{Closed, State};
use crate::state_name::StateName;
use crate::table::table;
use crate::transition::Transition;
use crate::window::{Counts, Window};

table! {
    /// What is done with a breaker's decisions.
    #[derive(Default)]
    pub enum Mode: ModeRow {
        /// The name in the configuration and the admin API.
        pub name: &'static str,
        /// Whether decisions are taken, heeded or not.
        pub(crate) decides: bool,
        /// What a breaker shows as its state; `None`: the state itself.
        shows: Option<StateName>,
        /// Its byte in a record; zero stands for the configured mode.
        pub(crate) code: u8,
    }
    /// They are heeded.
    #[default]
    Enabled { name: "enabled", decides: true, shows: None, code: 1 }
    /// There are none: calls are left alone, and nothing is counted.
    Disabled { name: "disabled", decides: false, shows: Some(StateName::Disabled), code: 2 }
    /// Every call is diverted, whatever they would be.
    ForcedOpen {
        name: "forced_open", decides: false, shows: Some(StateName::ForcedOpen), code: 3,
    }
    /// They are taken and published, and every call passes.
    MetricsOnly {
        name: "metrics_only", decides: true, shows: Some(StateName::MetricsOnly), code: 4,
    }
}

impl Mode {
    /// What a breaker in this mode shows as its state.
    pub(crate) const fn shown(self, state: StateName) -> StateName {
        match self.shows() {
            Some(shown) => shown,
            None => state,
        }
    }

    /// What becomes of a decision to admit or divert.
    pub(crate) fn applied(self, decision: Admission) -> Admission {
        match (self, decision) {
            (Self::Disabled, _) => Admission::Unguarded,
            (Self::ForcedOpen, _) => Admission::Diverted(DivertReason::ForcedOpen),
            (Self::MetricsOnly, Admission::Diverted(reason)) => {
                Admission::Excused(reason, Permit::UNCOUNTED)
            }
            (Self::Enabled | Self::MetricsOnly, decision) => decision,
        }
    }
}

/// A breaker that lets each call pass without being asked, as long as its record stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clean {
    pub(crate) generation: Generation,
    pub(crate) mode: Mode,
}

impl Clean {
    /// The permit of each call; `None`: it is none of the breaker's business.
    #[must_use]
    pub fn permit(self) -> Option<Permit> {
        self.mode.decides().then_some(Permit::closed(self.generation))
    }

    /// The mode in force.
    #[must_use]
    pub const fn mode(self) -> Mode {
        self.mode
    }

    /// The state that it shows.
    #[must_use]
    pub const fn state(self) -> StateName {
        self.mode.shown(StateName::Closed)
    }
}

table! {
    /// What an operator may do to a breaker while it runs. A mode that is set so takes the place
    /// of the configured one, over all changes of the configuration, until it is
    /// [reset](Self::Reset).
    pub enum Command: CommandRow {
        /// The name in the admin API.
        pub name: &'static str,
        /// The mode that it sets, if that is all it does.
        pub(crate) mode: Option<Mode>,
    }
    /// Sets the mode to enabled.
    Enable { name: "enable", mode: Some(Mode::Enabled) }
    /// Sets the mode to disabled.
    Disable { name: "disable", mode: Some(Mode::Disabled) }
    /// Sets the mode to forced open.
    ForceOpen { name: "force-open", mode: Some(Mode::ForcedOpen) }
    /// Sets the mode to metrics only.
    MetricsOnly { name: "metrics-only", mode: Some(Mode::MetricsOnly) }
    /// Closes the breaker, and sets the mode to enabled if all calls were diverted by force.
    Close { name: "close", mode: None }
    /// Returns to the configured mode, and to a closed breaker that has seen nothing.
    Reset { name: "reset", mode: None }
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
    pub fn steer(&mut self, policy: &Policy, command: Command) -> Option<Transition> {
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
        let window = Window::new(self.window);
        self.state = State::Closed(Closed { window, ..Closed::default() });
    }
}
