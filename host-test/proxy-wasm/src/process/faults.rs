//! Faults that a test switches on.

use std::collections::BTreeMap;

use crate::status::Status;

#[derive(Debug, Default)]
pub(crate) struct Faults {
    failing: BTreeMap<String, (Status, u64)>,
    pub(crate) lost_races: u64,
}

impl Faults {
    pub(crate) fn fail(&mut self, name: &str, status: Status, times: u64) {
        self.failing.insert(name.to_owned(), (status, times));
    }

    /// The status that this call is to return instead of doing anything.
    pub(crate) fn strike(&mut self, name: &str) -> Option<Status> {
        if self.failing.is_empty() {
            return None;
        }
        let (status, left) = self.failing.get_mut(name)?;
        *left = left.checked_sub(1)?;
        Some(*status)
    }

    /// Whether this write loses its race.
    pub(crate) fn lose_race(&mut self) -> bool {
        let lost = self.lost_races > 0;
        self.lost_races = self.lost_races.saturating_sub(1);
        lost
    }
}
