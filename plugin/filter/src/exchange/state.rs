//! What is remembered of one request between two callbacks.

use super::call::Call;
use super::diverted::Diverted;
use super::replay::Replaying;
use crate::bulkhead::BulkheadPermit;
use crate::effects::Effects;
use crate::host::Host;
use crate::instances::Number;
use crate::response::replacement::PendingBody;
use crate::services::Services;

/// What is remembered of one request.
#[derive(Debug, Default)]
pub struct Exchange {
    pub(super) phase: Phase,
    /// What is given back when the answer or the stream has ended, however the call was settled.
    pub(super) held: Option<HeldPermit>,
}

/// A permit of a service's bulkhead.
#[derive(Debug)]
pub(super) struct HeldPermit {
    pub(super) breaker: Number,
    pub(super) permit: BulkheadPermit,
}

/// Distinguished by a byte of its own: one that lies within a call takes each callback longer to look
/// at.
#[derive(Debug, Default)]
#[repr(u8)]
pub(super) enum Phase {
    /// Nothing is left to be done: left alone, answered, or settled.
    #[default]
    Idle,
    /// The fallback cluster answers, through the route.
    Diverted(Diverted),
    /// The service answers, and its answer counts.
    Admitted(Call),
    /// The service failed, and the fallback cluster is asked in its stead.
    Replaying(Replaying),
    /// Another answer takes the place of the failed one. Its body, until it is there.
    Replaced(Option<Box<PendingBody>>),
}

impl Exchange {
    /// Whether its answer is of interest.
    #[inline]
    pub(crate) const fn wants_response(&self) -> bool {
        !matches!(self.phase, Phase::Idle) || self.held.is_some()
    }

    /// Releases the bulkhead's permit.
    pub(super) fn release_permit(
        &mut self,
        services: &Services,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        if let Some(HeldPermit { breaker, permit }) = self.held.take()
            && let Some(handle) = services.handle(breaker)
            && let Some(permits) = handle.permits()
        {
            permits.release(&permit, host, effects);
        }
    }
}
