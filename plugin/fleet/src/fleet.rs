//! One process's part in its fleet. Its files say what is done with it.

mod observe;
mod probe;
mod report;
pub(crate) mod status;
mod sync;

use breaker::Timestamp;

use crate::identity::Identity;
use crate::mine::Mine;
use crate::pace::Pace;
use crate::policy::FleetPolicy;
use crate::request::Request;
use crate::row::{Lease, MAX_ENTRIES, MAX_NAME, Report};
use crate::sorted::Sorted;
use crate::view::View;

/// One process's part in its fleet. See the [crate's contract](crate).
#[derive(Clone, Debug)]
pub struct Fleet {
    policy: FleetPolicy,
    me: Identity,
    pace: Pace,
    view: View,
    mine: Sorted<String, Mine>,
    /// Own trips so far, of all services.
    trips: u32,
    /// Looks at the store that went well.
    looks: u64,
    /// The request under way, if one is.
    under_way: Option<UnderWay>,
    /// Those that follow it.
    queue: Vec<Request>,
    tickets: u64,
}

/// A request that was not answered yet.
#[derive(Clone, Debug)]
struct UnderWay {
    ticket: u64,
    at: Timestamp,
    what: What,
}

/// What is to be remembered until a request is answered.
#[derive(Clone, Debug)]
enum What {
    Read,
    /// The reports that are written, and the services of those that are removed.
    Write(Vec<(String, Report)>, Vec<String>),
    Swap(String, Lease),
}

impl Fleet {
    /// A process that has not looked yet. `random` is uniform over all its values: it decides when it
    /// does.
    #[must_use]
    pub fn new(policy: FleetPolicy, me: Identity, now: Timestamp, random: u32) -> Self {
        Self {
            pace: Pace::new(&policy, now, random),
            policy,
            me,
            view: View::default(),
            mine: Sorted::default(),
            trips: 0,
            looks: 0,
            under_way: None,
            queue: Vec::new(),
            tickets: 0,
        }
    }

    /// How the fleet agrees.
    #[must_use]
    pub const fn policy(&self) -> &FleetPolicy {
        &self.policy
    }

    /// What is kept of a service, if there is room.
    fn mine(&mut self, service: &str) -> Option<&mut Mine> {
        if !self.mine.contains(service) {
            if self.mine.len() >= MAX_ENTRIES || service.len() > MAX_NAME {
                return None;
            }
            self.mine.insert(service.to_owned(), Mine::default());
        }
        self.mine.get_mut(service)
    }

    fn is_stale(&self, now: Timestamp) -> bool {
        self.pace.is_stale(&self.policy, now)
    }
}
