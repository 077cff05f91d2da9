//! What an operator wants done with a breaker's decisions, by configuration or while it runs.

use crate::state_name::StateName;
use crate::table::table;

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
}
