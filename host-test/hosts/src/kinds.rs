//! All hosts, by name.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use host_test_proxy_wasm::{Module, Options};
use scenario::{Host, Need, Report, Scenario, play};

use crate::component::Component;
use crate::dynamic_module::dynamic_module_host;
use crate::envoy::{self, TooLate};
use crate::module::module_host;
use crate::native::Native;
use crate::record;

/// A way to run the breaker. One more is one more entry in [`HOSTS`].
#[derive(Debug)]
pub struct HostKind {
    /// Its name in reports.
    pub name: &'static str,
    /// What it cannot do, and why.
    pub lacks: &'static [(Need, &'static str)],
    /// A new one for a scenario.
    pub start: fn(&Scenario) -> Result<Box<dyn Host>>,
}

/// All of them.
pub const HOSTS: &[HostKind] = &[
    HostKind { name: "native", lacks: &[], start: |s| Ok(Box::new(Native::start(s.workers))) },
    HostKind {
        name: "module",
        lacks: &[],
        start: |s| Ok(Box::new(module_host(module()?, s.workers, record::status))),
    },
    HostKind {
        name: "component",
        lacks: &[
            (Need::Peers, "the component has no word for them"),
            (Need::UnknownClusters, "it makes the calls itself, and knows"),
            (Need::LateAnswers, "a host is not told to answer what it was told to let pass"),
        ],
        start: |s| Ok(Box::new(Component::start(s.workers))),
    },
    HostKind {
        name: "dynamic_module",
        lacks: &[(Need::Crash, "a worker does not crash without the process")],
        start: |s| Ok(Box::new(dynamic_module_host(s.workers))),
    },
    HostKind { name: "envoy", lacks: envoy::LACKS, start: envoy::start },
];

/// The filter as the host of a component sees it: no gauge says whether a record was written.
pub static NATIVE_AS_A_COMPONENT: HostKind = HostKind {
    name: "native_as_a_component",
    lacks: &[],
    start: |s| Ok(Box::new(Native::start_as_a_component(s.workers))),
};

/// The module, compiled once for all scenarios.
fn module() -> Result<Module> {
    static MODULE: OnceLock<Result<Module, String>> = OnceLock::new();
    let compile = || {
        let bytes = std::fs::read(artifacts::proxy_wasm()?)?;
        Ok(Module::new(&bytes, &Options::default())?)
    };
    let compiled =
        MODULE.get_or_init(|| compile().map_err(|error: anyhow::Error| format!("{error:#}")));
    compiled.clone().map_err(|error| anyhow!(error))
}

impl HostKind {
    /// Whether time passes as it does.
    #[must_use]
    pub fn is_in_real_time(&self) -> bool {
        self.lacks.iter().any(|(need, _)| *need == Need::VirtualTime)
    }

    /// Why it cannot run a scenario, if it cannot.
    #[must_use]
    pub fn excuse(&self, scenario: &Scenario) -> Option<String> {
        let missing = self.lacks.iter().filter(|(need, _)| scenario.needs.contains(need));
        let missing: Vec<_> =
            missing.map(|(need, why)| format!("needs {}: {why}", need.name())).collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }

    /// Plays a scenario on a new one. What comes of one whose steps came too late, on a machine that stood
    /// still for a while, says nothing: then it is played again.
    ///
    /// # Errors
    /// When the host fails, or cannot be had.
    pub fn play(&self, scenario: &Scenario) -> Result<Report> {
        const ATTEMPTS: usize = 10;
        let attempt = || play(scenario, &mut *(self.start)(scenario)?);
        for _ in 1..ATTEMPTS {
            match attempt() {
                Err(error) if error.is::<TooLate>() => {
                    eprintln!("{} on {}: again: {error:#}", scenario.file.display(), self.name);
                }
                result => return result,
            }
        }
        attempt()
    }
}
