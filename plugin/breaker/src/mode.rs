//! What an operator wants done with a breaker's decisions, by configuration or while it runs.

use crate::breaker::{Admission, Breaker};
use crate::permit::{Generation, Permit};
use crate::policy::Policy;
use crate::reason::{DivertReason, Reason, StateName, Transition};
use crate::state::{Closed, State};
use crate::window::{Counts, Window};

/// What is done with a breaker's decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are heeded.
    #[default]
    Enabled,
    /// There are none: calls are left alone, and nothing is counted.
    Disabled,
    /// Every call is diverted, whatever they would be.
    ForcedOpen,
    /// They are taken and told, and every call passes.
    MetricsOnly,
}

impl Mode {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Enabled, Self::Disabled, Self::ForcedOpen, Self::MetricsOnly];

    /// The name in the configuration and the admin API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::ForcedOpen => "forced_open",
            Self::MetricsOnly => "metrics_only",
        }
    }

    /// What a breaker in this mode shows as its state.
    pub(crate) const fn shown(self, state: StateName) -> StateName {
        match self {
            Self::Enabled => state,
            Self::Disabled => StateName::Disabled,
            Self::ForcedOpen => StateName::ForcedOpen,
            Self::MetricsOnly => StateName::MetricsOnly,
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

    /// Whether decisions are taken, heeded or not.
    pub(crate) const fn decides(self) -> bool {
        matches!(self, Self::Enabled | Self::MetricsOnly)
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

/// What an operator may do to a breaker while it runs. A mode that is set so takes the place of
/// the configured one, over all changes of the configuration, until it is [reset](Self::Reset).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sets the mode.
    Set(Mode),
    /// Closes the breaker, and sets the mode to enabled if all calls were diverted by force.
    Close,
    /// Returns to the configured mode, and to a closed breaker that has seen nothing.
    Reset,
}

impl Command {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Set(Mode::Enabled),
        Self::Set(Mode::Disabled),
        Self::Set(Mode::ForcedOpen),
        Self::Set(Mode::MetricsOnly),
        Self::Close,
        Self::Reset,
    ];

    /// The name in the admin API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Set(Mode::Enabled) => "enable",
            Self::Set(Mode::Disabled) => "disable",
            Self::Set(Mode::ForcedOpen) => "force-open",
            Self::Set(Mode::MetricsOnly) => "metrics-only",
            Self::Close => "close",
            Self::Reset => "reset",
        }
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
    pub fn steer(&mut self, policy: &Policy, command: Command) -> Option<Transition> {
        let before = (self.shown_state(policy.mode), self.generation);
        match command {
            Command::Set(mode) => self.mode = Some(mode),
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
