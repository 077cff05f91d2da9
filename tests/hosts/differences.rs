//! Where the native host is another than Envoy, and why.

/// A line that differs.
pub(crate) struct Difference {
    /// What the probe is about.
    pub(crate) probe: &'static str,
    pub(crate) native: &'static str,
    pub(crate) envoy: &'static str,
    /// As the README of the host has it.
    pub(crate) reason: &'static str,
}

pub(crate) const KNOWN: &[Difference] = &[
    Difference {
        probe: "a metric of each kind takes what fits it",
        native: "as the same number: 1",
        envoy: "as the same number: 0",
        reason: "A metric defined twice has one number, the process's; in Envoy each definition has a new one",
    },
    Difference {
        probe: "a value is added to a header that Envoy keeps in one line",
        native: "then: a",
        envoy: "then: a,b",
        reason: "Values of a header that Envoy keeps in one line, such as `via`, are not joined",
    },
];
