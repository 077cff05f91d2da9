//! Running a failed call again, where the host can: its second run is diverted to the fallback, as calls
//! are while a breaker is open.
//!
//! Nothing is held back for that, and nothing copied: the request comes anew, and all filters and the
//! fallback's route see it and its answer. The answer that failed is gone by then.

use breaker::StateName;

use super::diverted::{Cause, Diverted};
use crate::handle::ServiceHandle;
use crate::headers::steering;
use config::FallbackCluster;

/// What the second run of a request has to know of the first. It is handed over, and never a part of
/// the request: no client can send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rerun {
    pub(super) headers: Vec<(&'static str, String)>,
    replaced: Option<u16>,
    pub(super) diverted: Diverted,
}

impl Rerun {
    /// That of a call of this service, which has failed with this status.
    pub(super) fn new(
        handle: &ServiceHandle<'_>,
        cluster: &FallbackCluster,
        state: StateName,
        replaced: Option<u16>,
    ) -> Self {
        let (name, breaker) = (&handle.instance.name, handle.instance.number);
        let cause = Cause::Failure { series: handle.number };
        Self {
            headers: steering(&cluster.name, name, state.name(), "failure"),
            replaced,
            diverted: Diverted { breaker, cause, state },
        }
    }

    /// The status of the answer that failed, for the access log.
    #[must_use]
    pub const fn replaced(&self) -> Option<u16> {
        self.replaced
    }
}
