//! The states by name.

use crate::table::table;

table! {
    /// The state of a breaker without its data.
    pub enum StateName: StateRow {
        /// The name that users see, `CLOSED` and so on.
        pub name: &'static str,
        /// The value of a metric label, `closed` and so on.
        pub label: &'static str,
        /// The value of the state gauge; of the first three, their byte in a record as well.
        pub gauge: u64,
        /// Whether calls reach the service in this state, if only a few of them.
        pub takes_traffic: bool,
        /// Whether a call that fails in this state may be answered by the fallback.
        pub diverts_failures: bool,
    }
    /// Calls pass.
    Closed {
        name: "CLOSED", label: "closed", gauge: 0, takes_traffic: true, diverts_failures: true,
    }
    /// Calls are diverted.
    Open {
        name: "OPEN", label: "open", gauge: 1, takes_traffic: false, diverts_failures: true,
    }
    /// A few trial calls pass.
    HalfOpen {
        name: "HALF_OPEN", label: "half_open", gauge: 2, takes_traffic: true,
        diverts_failures: true,
    }
    /// Calls are diverted, as the [mode](enum@crate::Mode) says.
    ForcedOpen {
        name: "FORCED_OPEN", label: "forced_open", gauge: 3, takes_traffic: false,
        diverts_failures: true,
    }
    /// Calls pass, and are not counted, as the mode says.
    Disabled {
        name: "DISABLED", label: "disabled", gauge: 4, takes_traffic: true,
        diverts_failures: false,
    }
    /// Calls pass, and are counted, as the mode says.
    MetricsOnly {
        name: "METRICS_ONLY", label: "metrics_only", gauge: 5, takes_traffic: true,
        diverts_failures: false,
    }
}
