//! Calls that got another answer than the service's, as they are counted.

use crate::telemetry::FallbackKind;

/// Calls that got another answer than the service's, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answered {
    /// By the kinds of fallbacks, in the order of their numbers.
    pub(crate) by: [u64; FallbackKind::ALL.len()],
    /// Calls that were diverted, whoever answered them.
    pub(crate) diverted: u64,
}

impl Answered {
    /// Those since; all of them, if the proxy counts from zero again.
    pub(crate) fn since(self, before: Self) -> Self {
        let mut by = self.by;
        for (now, before) in by.iter_mut().zip(before.by) {
            *now = now.checked_sub(before).unwrap_or(*now);
        }
        let diverted = self.diverted.checked_sub(before.diverted).unwrap_or(self.diverted);
        Self { by, diverted }
    }
}
