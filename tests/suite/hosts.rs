//! The hosts that run scenarios.

use anyhow::Result;
use scenario::{Host, Need, Scenario};

use crate::component::Component;
use crate::native::Native;
use crate::{envoy, module};

/// A way to run the breaker. One more is one more entry in [`HOSTS`].
pub(crate) struct HostKind {
    /// Its name in reports.
    pub(crate) name: &'static str,
    /// What it cannot do, and why.
    pub(crate) lacks: &'static [(Need, &'static str)],
    /// A new one for a scenario.
    pub(crate) start: fn(&Scenario) -> Result<Box<dyn Host>>,
    /// How many made-up scenarios are tried on it.
    pub(crate) seeds: u64,
}

/// All of them.
pub(crate) const HOSTS: &[HostKind] = &[
    HostKind {
        name: "native",
        lacks: &[],
        start: |s| Ok(Box::new(Native::new(s.workers))),
        seeds: 200,
    },
    HostKind {
        name: "module",
        lacks: &[],
        start: |s| Ok(Box::new(module::start(s.workers)?)),
        seeds: 200,
    },
    HostKind {
        name: "component",
        lacks: &[
            (Need::Peers, "the component has no word for them"),
            (Need::UnknownClusters, "it makes the calls itself, and knows"),
            (Need::LateAnswers, "a host is not told to answer what it was told to let pass"),
        ],
        start: |s| Ok(Box::new(Component::new(s.workers))),
        seeds: 200,
    },
    HostKind { name: "envoy", lacks: envoy::LACKS, start: envoy::start, seeds: 30 },
];

impl HostKind {
    /// Whether time passes as it does.
    pub(crate) fn is_in_real_time(&self) -> bool {
        self.lacks.iter().any(|(need, _)| *need == Need::VirtualTime)
    }

    /// Why it cannot run a scenario, if it cannot.
    pub(crate) fn excuse(&self, scenario: &Scenario) -> Option<String> {
        let missing = self.lacks.iter().filter(|(need, _)| scenario.needs.contains(need));
        let missing: Vec<_> =
            missing.map(|(need, why)| format!("needs {}: {why}", need.name())).collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }
}
