//! What the adaptive rule knows, as far as the checks look at it: it stands behind the record.

use super::bytes::{number4, number8};

/// The length of what it knows.
const LENGTH: usize = 308;
/// The whole of a share.
const WHOLE: u32 = 1 << 16;

/// What becomes of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// All pass.
    Closed,
    /// A share is diverted, up to all.
    Limited,
    /// All are to pass again, little by little.
    Ramp,
}

/// What the checks look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) phase: Phase,
    /// When the failures that were learned were halved last.
    pub(crate) halved: u64,
    /// Calls that were learned, and those that are not known to be normal yet.
    pub(crate) calls: u64,
    /// The share that is diverted while it is limited.
    diverted: u32,
    /// When the next trial may be made, in nanoseconds of the monotonic clock.
    pub(crate) next_trial: u64,
}

impl Limits {
    /// Reads what stands behind a record.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let phases = [Phase::Closed, Phase::Limited, Phase::Ramp];
        if bytes.len() != LENGTH {
            return None;
        }
        Some(Self {
            phase: *phases.get(usize::from(bytes[0]))?,
            halved: number8(bytes, 4),
            calls: u64::from(number4(bytes, 16)) + u64::from(number4(bytes, 20)),
            diverted: number4(bytes, 228),
            next_trial: number8(bytes, 252),
        })
    }

    /// Whether all calls are diverted but for trials.
    pub(crate) fn diverts_all(self) -> bool {
        self.phase == Phase::Limited && self.diverted == WHOLE
    }

    /// Whether a share of the calls is diverted, or is until all of it has come back.
    pub(crate) fn diverts(self) -> bool {
        self.phase != Phase::Closed
    }
}
