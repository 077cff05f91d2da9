//! A configuration as it is at work: valid, and each value of its type.

use std::time::Duration;

use breaker::Policy;

pub use crate::fields::{
    Classify, ExposeState, FleetProbe, FleetScope, MOST_STALE_ENTRIES, OnFull, Overflow, Stale,
    StaticResponse,
};
use crate::headers::Headers;
use crate::matching::{Host, Match, Request};
use crate::naming::Template;
use crate::status::StatusSet;
use crate::warning::Warning;

/// A class of calls: the hash of its name, so that two configurations mean the same by it.
pub type ClassId = u32;

/// Calls of no class.
pub const NO_CLASS: ClassId = 0;

/// 501 Not Implemented, 505 HTTP Version Not Supported: a method or a version that the service does
/// not know is the client's choice.
pub const UNKNOWN_TO_SERVICE: [u16; 2] = [501, 505];

/// What a kept answer may take beside its body, in bytes.
pub const STALE_OVERHEAD: usize = 24 * 1024 + 64;

/// What the proxy permits of that which the filter can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permitted {
    /// Writing an answer into another.
    pub in_place: bool,
    /// Noting something for the access log.
    pub notes: bool,
}

impl Permitted {
    pub(crate) const ALL: Self = Self { in_place: true, notes: true };
}

/// A valid configuration.
#[derive(Debug)]
pub struct Config {
    /// When answers tell the breaker's state.
    pub expose_state: ExposeState,
    /// The services, of which the first that matches a request guards it.
    pub services: Vec<Service>,
    /// How many breakers the names that are made at run time may have.
    pub max_services: usize,
    /// How many bytes a worker may hold of copies.
    pub max_copied_bytes: usize,
    /// Where transitions are posted to.
    pub notify: Option<Notify>,
    /// Where the admin API answers.
    pub admin: Option<Admin>,
    /// The store through which proxies agree.
    pub fleet: Option<Fleet>,
    /// What is taken, and hardly meant so.
    pub warnings: Vec<Warning>,
    /// What the proxy permits.
    pub permitted: Permitted,
}

/// One guarded service.
#[derive(Debug)]
pub struct Service {
    /// Its name, or what its name is made of.
    pub name: Template,
    /// Which requests belong to it.
    pub matches: Match,
    /// The breaker's rules.
    pub policy: Policy,
    /// How long a call takes until its answer begins, at least, to be slow. `None`: nobody asks.
    pub slow_after: Option<Duration>,
    /// What counts as what.
    pub classify: Classify,
    /// Statuses of which more may follow than that all is well: below 500, as above that it always
    /// may.
    pub special_status: StatusSet,
    /// The health check.
    pub probe: Option<Probe>,
    /// Who answers in its stead.
    pub fallback: Fallback,
    /// How many of its calls may be under way.
    pub bulkhead: Option<Bulkhead>,
    /// Whether it takes part in the fleet, if there is one.
    pub in_fleet: bool,
}

impl Service {
    /// Whether a rule asks how long calls take.
    #[must_use]
    #[inline]
    pub fn times_calls(&self) -> bool {
        let adaptive = self.policy.trip.adaptive.as_ref();
        self.slow_after.is_some() || adaptive.is_some_and(|it| it.latency_floor.is_some())
    }

    /// The cluster that answers in its stead.
    #[must_use]
    #[inline]
    pub fn fallback_cluster(&self) -> Option<&str> {
        self.fallback.cluster.as_ref().map(|cluster| cluster.name.as_str())
    }

    /// The cluster that its health checks go to.
    #[must_use]
    #[inline]
    pub fn checked_cluster(&self) -> Option<&str> {
        self.probe.as_ref().map(|probe| probe.cluster.as_str())
    }

    /// Whether the proxy has to be asked for a request's cluster.
    #[inline]
    pub fn needs_cluster(&self) -> bool {
        let partitions = self.bulkhead.iter().flat_map(|bulkhead| &bulkhead.partitions);
        self.matches.needs_cluster() || partitions.into_iter().any(|it| it.matches.needs_cluster())
    }
}

/// How many calls may be under way at a time.
#[derive(Debug)]
pub struct Bulkhead {
    /// How many calls may be under way.
    pub max_concurrent_calls: u32,
    /// How long a request may take to complete before it gives its permit back.
    pub max_request_duration: Duration,
    /// What becomes of a call that finds it full.
    pub on_full: OnFull,
    /// Classes of calls; the first that matches has a call.
    pub partitions: Vec<Partition>,
}

/// A class of calls with a share of its own.
#[derive(Debug)]
pub struct Partition {
    /// What metrics and logs call it.
    pub name: String,
    /// What stands for its name where workers meet.
    pub id: ClassId,
    /// Which calls belong to it.
    pub matches: Match,
    /// How many of them may be under way.
    pub max_concurrent_calls: u32,
}

impl Bulkhead {
    /// The class of a call: the first partition that it matches, counted from one, or none, zero.
    pub fn class_of(&self, request: &impl Request) -> usize {
        let matching = self.partitions.iter().position(|it| it.matches.matches(request));
        matching.map_or(0, |index| index.saturating_add(1))
    }

    /// The classes in the order of their numbers.
    #[inline]
    pub fn classes(&self) -> impl Iterator<Item = ClassId> {
        std::iter::once(NO_CLASS).chain(self.partitions.iter().map(|partition| partition.id))
    }

    /// Whether one more call of a class may be under way beside these, told by class or in all.
    #[inline]
    pub fn has_place(&self, class: usize, under_way: impl Fn(Option<ClassId>) -> u32) -> bool {
        let partition = class.checked_sub(1).and_then(|index| self.partitions.get(index));
        under_way(None) < self.max_concurrent_calls
            && partition.is_none_or(|it| under_way(Some(it.id)) < it.max_concurrent_calls)
    }
}

/// The request that a health check makes, and which answers pass.
#[derive(Clone, Debug, Hash)]
pub struct Probe {
    /// The cluster that is asked.
    pub cluster: String,
    /// Its headers, the pseudo-headers first.
    pub headers: Headers,
    /// When a check without an answer has failed.
    pub timeout: Duration,
    /// Which answers pass.
    pub expected_status: StatusSet,
}

/// Who answers in the service's stead.
#[derive(Clone, Debug)]
pub struct Fallback {
    /// The cluster that is asked.
    pub cluster: Option<FallbackCluster>,
    /// Which good answers are kept.
    pub stale: Option<Stale>,
    /// What is answered where there is nothing else.
    pub response: Option<StaticResponse>,
    /// Whether a failed call is answered too.
    pub on_failure: bool,
    /// With which statuses of the service a call is answered too, whatever they count as. None at all if
    /// there is nothing to answer with.
    pub on_status: StatusSet,
}

impl Fallback {
    /// Whether an answer with this status moves on to the fallback, if it is the service's.
    #[inline]
    #[must_use]
    pub fn takes(&self, status: Option<u16>) -> bool {
        status.is_some_and(|status| self.on_status.contains(status))
    }

    /// Whether a call that was admitted may be answered.
    #[inline]
    #[must_use]
    pub fn answers_calls(&self) -> bool {
        self.on_failure || !self.on_status.is_empty()
    }
}

/// A cluster that answers in a service's stead.
#[derive(Clone, Debug)]
pub struct FallbackCluster {
    /// Its name.
    pub name: String,
    /// The authority a replayed request is sent with; `None`: the one it came with.
    pub host: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// The longest body that is sent again, in bytes.
    pub max_request_bytes: usize,
}

/// Whom transitions are posted to.
#[derive(Debug)]
pub struct Notify {
    /// The cluster that is posted to.
    pub cluster: String,
    /// The headers, the pseudo-headers first.
    pub headers: Headers,
    /// How long the answer may take.
    pub timeout: Duration,
    /// Further attempts.
    pub num_retries: u32,
}

/// Where the admin API answers.
#[derive(Debug)]
pub struct Admin {
    /// What its paths begin with.
    pub path_prefix: String,
    /// The bearer token that it asks for.
    pub token: Option<String>,
    /// Names of this machine beside `localhost`, by which it may be asked without a token.
    pub hosts: Vec<Host>,
    /// Origins whose pages may use it in a browser.
    pub origins: Vec<String>,
    /// Other proxies' admin APIs, which the page offers to show: their addresses.
    pub peers: Vec<String>,
}

/// A store, and where in it the fleet is.
#[derive(Clone, Debug)]
pub enum Store {
    /// DynamoDB.
    DynamoDb {
        /// The table.
        table: String,
        /// The regions whose rows are read, the own one among them.
        regions: Vec<String>,
    },
    /// etcd.
    Etcd {
        /// What keys begin with.
        prefix: String,
    },
}

impl Store {
    /// What tells it from another in the same cluster.
    #[must_use]
    pub fn place(&self) -> &str {
        match self {
            Self::DynamoDb { table, .. } => table,
            Self::Etcd { prefix } => prefix,
        }
    }
}

/// The store through which proxies agree, and how they do.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// Which store it is.
    pub store: Store,
    /// Its cluster.
    pub cluster: String,
    /// The `:authority` of requests to it.
    pub host: String,
    /// The region that this process is in.
    pub region: String,
    /// Whose reports count.
    pub scope: FleetScope,
    /// The time from one look to the next.
    pub sync_interval: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// After this long without a change, what the store says counts no more.
    pub max_staleness: Duration,
    /// So many processes have to report a service.
    pub quorum: u32,
    /// Who makes health checks.
    pub probe: FleetProbe,
}

impl Config {
    /// The names of the services as they are written, in their order.
    pub fn service_names(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|service| service.name.text())
    }

    /// Whether any name is made at run time of the proxy's own words.
    pub fn has_templates(&self) -> bool {
        let mut names = self.services.iter().map(|service| &service.name);
        names.any(|name| !name.is_plain() && !name.is_of_clients())
    }
}
