//! The services of Shopify's experiments with Semian: ten endpoints with a fixed latency each.

use crate::rng::Rng;
use crate::scenario::{Phase, Scenario};

const ENDPOINTS: usize = 10;

pub(super) struct Endpoints {
    /// By service and endpoint, in seconds: log-normal by a mean of 0.15 and a deviation of 3.
    latencies: Vec<[f64; ENDPOINTS]>,
    /// What the first service's endpoints take longer.
    slow: [f64; ENDPOINTS],
}

/// What becomes of a call.
pub(super) struct Fate {
    pub(super) ok: bool,
    /// Nanoseconds.
    pub(super) took: u64,
}

impl Endpoints {
    pub(super) fn new(services: usize, rng: &mut Rng) -> Self {
        let variance = (1.0_f64 + 9.0 / 0.0225).ln();
        let mean = 0.15_f64.ln() - variance / 2.0;
        let latency =
            |rng: &mut Rng| (mean + variance.sqrt() * rng.normal()).exp().clamp(0.1, 10.0);
        let service = |_| std::array::from_fn(|_| latency(rng));
        Self { latencies: (0..services).map(service).collect(), slow: [0.0; ENDPOINTS] }
    }

    pub(super) fn begin(&mut self, phase: &Phase, rng: &mut Rng) {
        if phase.slow_endpoint_s > 0.0 {
            self.slow[rng.below(ENDPOINTS)] = phase.slow_endpoint_s;
        } else {
            self.slow = [0.0; ENDPOINTS];
        }
    }

    pub(super) fn any(rng: &mut Rng) -> usize {
        rng.below(ENDPOINTS)
    }

    /// What becomes of a call of an endpoint.
    pub(super) fn serve(
        &self,
        scenario: &Scenario,
        phase: &Phase,
        [service, endpoint]: [usize; 2],
        rng: &mut Rng,
    ) -> Fate {
        let mut latency = self.latencies[service][endpoint];
        if service == 0 {
            let slow = self.slow[endpoint];
            latency += if slow > 0.0 { slow } else { phase.latency_add_s };
        }
        let (ok, took) = if rng.chance(error(scenario, phase, service)) {
            (false, latency * 0.3)
        } else {
            (latency <= scenario.timeout_s, latency.min(scenario.timeout_s))
        };
        Fate { ok, took: (took * 1e9) as u64 }
    }

    /// Whether a call that was not made would have gone well.
    pub(super) fn would_serve(
        &self,
        scenario: &Scenario,
        phase: &Phase,
        [service, endpoint]: [usize; 2],
        rng: &mut Rng,
    ) -> bool {
        let late = self.latencies[service][endpoint] + phase.latency_add_s > scenario.timeout_s;
        let fails = rng.chance(error(scenario, phase, service)) || service == 0 && late;
        !fails
    }
}

/// The share of a service's calls that fail: only the first gets worse.
fn error(scenario: &Scenario, phase: &Phase, service: usize) -> f64 {
    let [from, _] = phase.errors(scenario.base_error);
    if service == 0 { from } else { scenario.base_error }
}
