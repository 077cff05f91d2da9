//! A rule that learns what is normal: it sees by how much a service is worse than it was, diverts
//! as much of the traffic, and asks the service how it is as often as that is worth.
//!
//! * What is normal is learned ([`base`], [`latency`]); a rise is *evidence* ([`row`]), in bits,
//!   which counts for less where bad calls come in clumps ([`clumps`]).
//! * So much evidence trips as chance alone reaches once in a given time ([`pace`]). From then on
//!   the service is *limited*: a share of its calls is diverted ([`window`]), up to all.
//! * Evidence that it is well again ([`limited`]) ends that, and the traffic comes back ([`ramp`]).
//!
//! All is integers, whatever the input: shares in 1/65,536, evidence in 1/1024 bit. It needs no
//! memory but this value. `docs/adaptive.md` has the equations.

mod admit;
mod base;
pub(crate) mod bytes;
pub(crate) mod call;
mod channel;
mod closed;
mod clumps;
mod latency;
mod limited;
mod log;
mod overdue;
mod pace;
pub(crate) mod policy;
mod ramp;
pub(crate) mod report;
mod row;
mod settle;
mod share;
mod stuck;
pub(crate) mod tally;
mod window;

use core::time::Duration;

use channel::Channel;
use latency::Latency;
use pace::Pace;
use policy::AdaptivePolicy;
use ramp::Ramp;
use share::Share;
use stuck::Stuck;
use window::Window;

use crate::time::Timestamp;

/// What the adaptive rule knows of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adaptive {
    phase: Phase,
    failures: Channel,
    slow: Channel,
    latency: Latency,
    pace: Pace,
    outage: Outage,
    stuck: Stuck,
    ramp: Ramp,
}

/// What becomes of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// All pass.
    Closed,
    /// A share is diverted, up to all.
    Limited,
    /// All are to pass again, little by little.
    Ramp,
}

/// The outage under way, or the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outage {
    /// Whether latency is all that is wrong.
    by_latency: bool,
    window: Window,
    /// The share that is diverted.
    diverted: Share,
    /// Evidence that the service is well again, in 1/1024 bit.
    recovery: u32,
    /// When it tripped last.
    tripped: Timestamp,
    /// Since when trials become more seldom: the trip, or when all came to be diverted, or earlier
    /// after a relapse.
    since: Timestamp,
    /// When the next trial may be made.
    next_trial: Timestamp,
    /// How long it lasted, once it is over.
    age: Duration,
    /// Whether it was over so soon that it was a clump of failures rather than an outage.
    brief: bool,
    /// Until when a relapse is likely: less evidence trips again. While a share is diverted: since
    /// when, or when it was last told that it still is.
    watched_until: Timestamp,
}

impl Outage {
    const NONE: Self = Self {
        by_latency: false,
        window: Window { calls: 1, failed: 0, slow: 0, owed: 0 },
        diverted: Share::NONE,
        recovery: 0,
        tripped: Timestamp::from_nanos(0),
        since: Timestamp::from_nanos(0),
        next_trial: Timestamp::from_nanos(0),
        age: Duration::ZERO,
        brief: false,
        watched_until: Timestamp::from_nanos(0),
    };
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::new()
    }
}

impl Adaptive {
    /// A rule that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            phase: Phase::Closed,
            failures: Channel::default(),
            slow: Channel::default(),
            latency: Latency::default(),
            pace: Pace::NEW,
            outage: Outage::NONE,
            stuck: Stuck::default(),
            ramp: Ramp::NEW,
        }
    }

    /// The share of calls that pass, trials aside.
    fn passing(&self, now: Timestamp) -> Share {
        match self.phase {
            Phase::Closed => Share::WHOLE,
            Phase::Limited => self.outage.diverted.rest().min(self.ramp.ceiling),
            Phase::Ramp => self.ramp.share(now),
        }
    }

    /// Whether a share of the calls is diverted, or is until all of it has come back.
    pub(crate) fn is_limiting(&self) -> bool {
        self.phase != Phase::Closed
    }

    /// Whether all calls are diverted but for trials.
    pub(crate) fn diverts_all(&self) -> bool {
        self.phase == Phase::Limited && self.outage.diverted == Share::WHOLE
    }

    /// The share of calls that is diverted, in thousandths of a percent.
    #[must_use]
    pub fn diverted(&self, now: Timestamp) -> u32 {
        self.passing(now).rest().thousandths()
    }

    /// Drops what points to an outage: another rule has seen it, or an operator knows better. What
    /// is known to be normal stays.
    pub(crate) fn forget_evidence(&mut self) {
        self.phase = Phase::Closed;
        self.outage = Outage::NONE;
        self.failures.forget_evidence();
        self.slow.forget_evidence();
        self.ramp = Ramp::NEW;
    }

    /// The channel by which it is limited.
    fn channel(&self) -> &Channel {
        if self.outage.by_latency { &self.slow } else { &self.failures }
    }

    /// How many of the latest calls are looked at while it is limited.
    fn span(&self) -> u32 {
        (self.pace.rate / 256).clamp(64, 512)
    }

    /// Whether a relapse is likely.
    fn is_watched(&self, now: Timestamp) -> bool {
        self.phase == Phase::Ramp || now < self.outage.watched_until
    }

    /// The evidence that trips, in 1/1024 bit.
    fn bar(&self, policy: &AdaptivePolicy, now: Timestamp) -> u32 {
        let bar = self.pace.bar(policy);
        let half = self.is_watched(now) && !self.outage.brief;
        if half { (bar / 2).max(pace::LEAST_BAR) } else { bar }
    }
}
