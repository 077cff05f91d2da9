//! One worker: what it holds, and where it stands.

use std::sync::Arc;

use crate::held::Held;

/// One worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Worker {
    /// The policy in force here.
    pub(crate) policy: u8,
    /// Services whose breakers are to be told of that policy.
    pub(crate) unsynced: Vec<u8>,
    pub(crate) calls: Vec<Call>,
    pub(crate) checks: Vec<Check>,
    pub(crate) step: Step,
}

/// A call that was admitted and has not ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Call {
    pub(crate) service: u8,
    pub(crate) permit: Held,
    pub(crate) generation: u64,
    pub(crate) is_trial: bool,
}

/// A health check that is being made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Check {
    pub(crate) service: u8,
    pub(crate) ticket: Held,
}

/// Where a worker stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    /// It waits for something to happen.
    #[default]
    Idle,
    /// It has lost a race, and is to load anew.
    Lost(Job),
    /// It has read the record.
    Loaded(Job, View),
    /// It has decided, at this time, and is to swap.
    Decided(Job, View, u8),
}

/// What a worker has read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct View {
    pub(crate) record: Arc<[u8]>,
    /// Whether nobody has written since.
    pub(crate) current: bool,
}

/// What a worker is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Job {
    /// A call has come for this service.
    Admit(u8),
    /// A call has ended.
    Settle(Call, Ending),
    /// The timer looks whether a health check is due.
    TakeCheck(u8),
    /// A health check has been answered: well, or not.
    FinishCheck(Check, bool),
    /// The policy is put in force.
    Sync(u8),
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// The service answered well.
    Success,
    /// It failed.
    Failure,
    /// The client went away.
    Aborted,
}

impl Job {
    pub(crate) const fn service(&self) -> u8 {
        match self {
            Self::Admit(service) | Self::TakeCheck(service) | Self::Sync(service) => *service,
            Self::Settle(call, _) => call.service,
            Self::FinishCheck(check, _) => check.service,
        }
    }
}

impl Worker {
    /// Others have written the record of this service.
    pub(crate) fn overtaken(&mut self, service: u8) {
        if let Step::Loaded(job, view) | Step::Decided(job, view, _) = &mut self.step
            && job.service() == service
        {
            view.current = false;
        }
    }
}
