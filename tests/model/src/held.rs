//! Permits and tickets cannot be copied, and states of a model are. So what is kept of one is what
//! it was made from: it is made again when it is used.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use breaker::{Admission, CheckTicket, Permit};

use crate::settings::{Settings, at};
use crate::store::read;

/// A permit or a ticket. Two are the same if they show the same, whatever they were made from.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    /// The record that it was given by.
    record: Arc<[u8]>,
    /// When.
    pub(crate) since: u8,
    /// By which policy.
    pub(crate) policy: u8,
    shown: String,
}

impl Held {
    pub(crate) fn of_permit(record: &Arc<[u8]>, since: u8, policy: u8, permit: &Permit) -> Self {
        Self { record: Arc::clone(record), since, policy, shown: format!("{permit:?}") }
    }

    pub(crate) fn of_ticket(
        record: &Arc<[u8]>,
        since: u8,
        policy: u8,
        ticket: &CheckTicket,
    ) -> Self {
        Self { record: Arc::clone(record), since, policy, shown: format!("{ticket:?}") }
    }

    pub(crate) fn permit(&self, settings: &Settings) -> Permit {
        let (policy, now) = (settings.policy(self.policy), at(self.since).monotonic);
        match read(&self.record).admit(policy, true, now, 0) {
            (Admission::Admitted(permit), _) => permit,
            other => unreachable!("it was admitted: {other:?}"),
        }
    }

    pub(crate) fn ticket(&self, settings: &Settings) -> CheckTicket {
        let (policy, now) = (settings.policy(self.policy), at(self.since).monotonic);
        let ticket = read(&self.record).take_check(policy, now);
        ticket.unwrap_or_else(|| unreachable!("it was taken"))
    }

    fn key(&self) -> (&str, u8, u8) {
        (&self.shown, self.since, self.policy)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for Held {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.key().hash(hasher);
    }
}
