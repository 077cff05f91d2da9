//! How long is measured: long enough for the intervals to be narrow, or just long enough to see
//! that everything works.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

/// What a run takes upon itself.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Effort {
    /// How often all proxies are started anew: at least so often, and at most, if the intervals are
    /// not narrow enough before.
    pub(crate) starts: RangeInclusive<u32>,
    /// Rounds per start.
    pub(crate) rounds: u32,
    /// Requests per burst, of which each proxy gets one per round.
    pub(crate) requests: u32,
    /// Requests before each burst that do not count.
    pub(crate) warm_up: u32,
    /// Requests to each proxy after its start that do not count, while its code is being compiled.
    pub(crate) start_up: u32,
    /// Connections that are busy at once.
    pub(crate) connections: u32,
    /// How long requests are sent at a fixed rate, in each round.
    pub(crate) at_fixed_rate: Duration,
    /// How often each outage is played.
    pub(crate) outages: u32,
    /// How long one lasts.
    pub(crate) outage: Duration,
    /// How long a proxy is watched while nothing is asked of it.
    pub(crate) idle: Duration,
    /// How often proxies are started for their start alone.
    pub(crate) processes: u32,
    /// Requests over which the memory is watched.
    pub(crate) memory_requests: u32,
}

impl Effort {
    /// That of the numbers in the docs.
    pub(crate) const FULL: Self = Self {
        starts: 6..=30,
        rounds: 40,
        requests: 400,
        warm_up: 40,
        start_up: 4000,
        connections: 8,
        at_fixed_rate: Duration::from_secs(4),
        outages: 3,
        outage: Duration::from_secs(20),
        idle: Duration::from_secs(30),
        processes: 9,
        memory_requests: 10_000_000,
    };

    /// That of a run which only shows that it works.
    pub(crate) const QUICK: Self = Self {
        starts: 2..=2,
        rounds: 4,
        requests: 80,
        warm_up: 8,
        start_up: 80,
        connections: 8,
        at_fixed_rate: Duration::from_millis(300),
        outages: 1,
        outage: Duration::from_secs(6),
        idle: Duration::from_secs(2),
        processes: 2,
        memory_requests: 20_000,
    };
}
