//! What is kept of a service whose breaker here is not simply closed.

use breaker::Timestamp;

use crate::own::{By, CheckSaid, Opened, Standing};
use crate::row::{Lease, Report};

/// What is kept of a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mine {
    pub(crate) open: Option<Open>,
    pub(crate) reporting: Reporting,
    pub(crate) probing: Probing,
    /// It returned on another's word, and has not closed since.
    pub(crate) on_word: bool,
    /// The look after which its standing was decided.
    pub(crate) looked: u64,
    pub(crate) standing: Standing,
}

/// Its breaker is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) is: Opened,
    /// When it was seen to have opened.
    pub(crate) at: Timestamp,
    /// The trip, if it is open on its own account.
    pub(crate) trip: Option<u32>,
}

/// Its entry in the row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reporting {
    /// What was written last, and when.
    pub(crate) written: Option<(Report, Timestamp)>,
    /// When it is to be written first.
    pub(crate) due: Option<Timestamp>,
    /// Whether it is to be removed.
    pub(crate) withdraw: bool,
}

/// Its part in the region's health checks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Probing {
    /// When the lease is to be taken.
    pub(crate) take: Option<Timestamp>,
    pub(crate) held: Option<Held>,
    /// A change of the lease that was asked for and is not known to have been made.
    pub(crate) tried: Option<Tried>,
    /// A check of its own has failed since it opened.
    pub(crate) failed: bool,
}

/// The lease is this process's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) lease: Lease,
    /// When it was asked for.
    pub(crate) since: Timestamp,
    /// From when on the check may be made.
    pub(crate) check_from: Timestamp,
    /// How it ends, or goes on, once that is written.
    pub(crate) said: Option<Said>,
}

/// How a lease ends, or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Check(CheckSaid),
    /// The breaker has left the open state otherwise.
    Left,
}

/// A change of the lease that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tried {
    pub(crate) to: Lease,
    pub(crate) at: Timestamp,
    pub(crate) check_from: Timestamp,
}

impl Mine {
    /// Whether nothing need be kept.
    pub(crate) fn is_idle(&self) -> bool {
        let quiet = self.open.is_none() && !self.on_word && self.standing == Standing::Agrees;
        let unwritten = self.reporting.written.is_none() && !self.reporting.withdraw;
        quiet && unwritten && self.probing.held.is_none() && self.probing.tried.is_none()
    }

    /// Whether something is to be written without another look.
    pub(crate) fn speaks(&self) -> bool {
        let Probing { held, tried, .. } = self.probing;
        self.reporting.withdraw || tried.is_none() && held.is_some_and(|held| held.said.is_some())
    }

    /// Whether a look has to find all that was written before.
    pub(crate) fn is_involved(&self) -> bool {
        let Probing { take, held, tried, .. } = self.probing;
        let probes = take.is_some() || held.is_some() || tried.is_some();
        probes || self.reporting.due.is_some()
    }

    pub(crate) fn doubts(&self) -> bool {
        self.standing == Standing::OwnTrialsFail
    }

    /// The trip that is to be reported, if one is.
    pub(crate) fn to_report(&self) -> Option<u32> {
        self.open.filter(|_| !self.doubts())?.trip
    }
}

impl Open {
    /// Whether another's word holds it.
    pub(crate) fn is_on_word(&self) -> bool {
        self.trip.is_none() && self.is.by == By::Fleet
    }
}
