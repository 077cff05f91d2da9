//! Scenarios, as data: a service, its callers, and phases. `scenarios/README.md` has the fields.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// A file of scenarios.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) about: String,
    pub(crate) scenarios: Vec<Scenario>,
}

/// A service and its callers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) family: String,
    /// Callers that wait for their answers; zero: calls come whatever becomes of the others.
    pub(crate) threads: usize,
    pub(crate) breaker_per: Guarded,
    /// Calls a second.
    pub(crate) rps: f64,
    pub(crate) services: usize,
    /// The share of calls that fail.
    pub(crate) base_error: f64,
    pub(crate) median_ms: f64,
    pub(crate) sigma: f64,
    pub(crate) timeout_s: f64,
    /// Calls that a service works on at once; zero: any number.
    pub(crate) permits: usize,
    /// How long a failed call takes; zero: as long as others.
    pub(crate) fail_ms: f64,
    /// Servers that calls queue for; zero: none do.
    pub(crate) servers: usize,
    pub(crate) queue_s: f64,
    /// The mean size of clumps of failures; zero: they are independent.
    pub(crate) clump: f64,
    pub(crate) blips_per_hour: f64,
    pub(crate) blip_ms: f64,
    pub(crate) blip_error: f64,
    pub(crate) classic_limit: usize,
    /// What a caller calls slow; zero: nothing.
    pub(crate) slow_ms: f64,
    pub(crate) jitter: f64,
    pub(crate) phases: Vec<Phase>,
}

/// What has a breaker of its own.
#[derive(Clone, Copy, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Guarded {
    #[default]
    Service,
    Thread,
}

/// A time in which nothing changes but at a steady pace.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Phase {
    pub(crate) label: String,
    /// Seconds.
    pub(crate) s: f64,
    pub(crate) times: Option<usize>,
    error: Option<f64>,
    error_from: Option<f64>,
    error_to: Option<f64>,
    pub(crate) latency_x: Option<f64>,
    pub(crate) latency_add_s: f64,
    pub(crate) slow_endpoint_s: f64,
    pub(crate) capacity_x: Option<f64>,
    pub(crate) rps_x: Option<f64>,
}

impl Phase {
    /// The share of calls that fail, at its beginning and at its end.
    pub(crate) fn errors(&self, base: f64) -> [f64; 2] {
        [self.error_from, self.error_to].map(|it| it.or(self.error).unwrap_or(base))
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: String::new(),
            family: String::new(),
            threads: 0,
            breaker_per: Guarded::Service,
            rps: 50.0,
            services: 1,
            base_error: 0.01,
            median_ms: 50.0,
            sigma: 0.5,
            timeout_s: 10.0,
            permits: 0,
            fail_ms: 0.0,
            servers: 0,
            queue_s: 2.0,
            clump: 0.0,
            blips_per_hour: 0.0,
            blip_ms: 0.0,
            blip_error: 1.0,
            classic_limit: 12,
            slow_ms: 0.0,
            jitter: 0.0,
            phases: Vec::new(),
        }
    }
}

impl Scenario {
    /// How many calls come.
    pub(crate) fn calls(&self) -> f64 {
        self.phases.iter().map(|phase| phase.s * phase.rps_x.unwrap_or(1.0) * self.rps).sum()
    }
}

impl File {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
        let mut file: Self =
            serde_json::from_slice(&text).with_context(|| format!("{}", path.display()))?;
        for scenario in &mut file.scenarios {
            let phases = std::mem::take(&mut scenario.phases);
            let repeated = |it: Phase| std::iter::repeat_n(it.clone(), it.times.unwrap_or(1));
            scenario.phases = phases.into_iter().flat_map(repeated).collect();
        }
        Ok(file)
    }
}
