//! Warnings about what may be wrong with each request, which are given once between two ticks.

use std::cell::Cell;
use std::fmt::Debug;

use crate::effects::Effects;
use crate::telemetry::ModuleMetric;

/// What may be wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestWarning {
    /// An update was given up.
    LostUpdate,
    /// A diverted call went to the service.
    Misrouted,
}

/// Which warnings a worker has given about a service since the last tick, a bit each.
#[derive(Debug, Default)]
pub(crate) struct Warned(Cell<u8>);

impl Warned {
    /// Whether this worker gives a warning for the first time since the last tick.
    pub(crate) fn is_first(&self, warning: RequestWarning) -> bool {
        let bit = 1 << warning as u8;
        let warned = self.0.get();
        self.0.set(warned | bit);
        warned & bit == 0
    }

    /// There was a tick.
    pub(crate) fn reset(&self) {
        self.0.take();
    }

    /// An update of a service was given up.
    pub(crate) fn lost_update(&self, service: &str, cause: impl Debug, effects: &mut Effects) {
        effects.count(ModuleMetric::LostUpdates);
        if self.is_first(RequestWarning::LostUpdate) {
            effects.warn(format!("service={service} event=lost_update cause={cause:?}"));
        }
    }
}
