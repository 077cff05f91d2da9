//! A service that is called at a steady pace.

use std::time::Duration;

use breaker::{
    Adaptive, AdaptiveAdmission, AdaptiveCall, AdaptiveChange, AdaptivePolicy, Overdue, Percentage,
    Timestamp,
};

/// A service, its calls, and the rule that guards it.
pub(crate) struct Service {
    pub(crate) rule: Adaptive,
    pub(crate) policy: AdaptivePolicy,
    pub(crate) now: Duration,
    /// Calls a second.
    pub(crate) pace: u32,
    /// Calls of a hundred that fail.
    pub(crate) failing: u32,
    /// How long each call takes.
    pub(crate) takes: Duration,
    /// All that the rule did.
    pub(crate) changes: Vec<AdaptiveChange>,
    /// What chance is drawn from; not zero.
    pub(crate) seed: u64,
}

/// What became of some calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) passed: u32,
    pub(crate) tried: u32,
    pub(crate) diverted: u32,
}

impl Seen {
    /// The share that was diverted, in percent.
    pub(crate) fn share(self) -> u32 {
        100 * self.diverted / (self.passed + self.tried + self.diverted)
    }
}

pub(crate) fn policy() -> AdaptivePolicy {
    AdaptivePolicy {
        tolerate: Percentage::from_thousandths(5_000),
        false_trips: Duration::from_secs(720 * 3600),
        shed: true,
        latency_floor: None,
        max_gap: Duration::from_secs(300),
    }
}

impl Service {
    /// A hundred calls a second of 20 ms, none of which fails.
    pub(crate) fn new() -> Self {
        Self {
            rule: Adaptive::new(),
            policy: policy(),
            now: Duration::from_secs(1),
            pace: 100,
            failing: 0,
            takes: Duration::from_millis(20),
            changes: Vec::new(),
            seed: 88_172_645_463_325_252,
        }
    }

    /// One that is watched for its latency, from so many milliseconds on.
    pub(crate) fn watched(floor: u64) -> Self {
        let mut service = Self::new();
        service.policy.latency_floor = Some(Duration::from_millis(floor));
        service
    }

    pub(crate) fn at(&self) -> Timestamp {
        Timestamp::from_nanos(u64::try_from(self.now.as_nanos()).expect("a time"))
    }

    /// Uniform over all its values.
    pub(crate) fn random(&mut self) -> u32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 32) as u32
    }

    /// One call, which ends at once as far as the rule is concerned.
    pub(crate) fn call(&mut self) -> AdaptiveAdmission {
        self.now += Duration::from_secs(1) / self.pace;
        let (at, random) = (self.at(), self.random());
        let admission = self.rule.admit(&self.policy, at, random);
        if admission != AdaptiveAdmission::Diverted {
            let failed = self.random() % 100 < self.failing;
            self.end(failed, self.takes, None);
        }
        admission
    }

    pub(crate) fn end(&mut self, failed: bool, took: Duration, told: Option<Overdue>) {
        let call = AdaptiveCall { failed, took, told };
        let change = self.rule.settle(&self.policy, &call, self.at());
        self.changes.extend(change);
    }

    pub(crate) fn overdue(&mut self, it_is: Overdue) {
        let change = self.rule.overdue(&self.policy, it_is, self.at());
        self.changes.extend(change);
    }

    /// All calls of so many seconds.
    pub(crate) fn run(&mut self, seconds: u32) -> Seen {
        let mut seen = Seen::default();
        for _ in 0..seconds * self.pace {
            match self.call() {
                AdaptiveAdmission::Passes => seen.passed += 1,
                AdaptiveAdmission::Tries => seen.tried += 1,
                AdaptiveAdmission::Diverted => seen.diverted += 1,
            }
        }
        seen
    }

    /// Calls until the rule does something, which is taken from its changes; how long that took.
    pub(crate) fn until_change(&mut self) -> (AdaptiveChange, Duration) {
        let began = self.now;
        let before = self.changes.len();
        while self.changes.len() == before {
            assert!(self.now - began < Duration::from_secs(3600), "nothing happens");
            self.call();
        }
        (self.changes[before], self.now - began)
    }

    /// How often it began to divert calls.
    pub(crate) fn trips(&self) -> usize {
        let is_trip = |it: &&AdaptiveChange| matches!(it, AdaptiveChange::Limited(_));
        self.changes.iter().filter(is_trip).count()
    }
}
