//! What the rule knows, in one line for people.

use core::fmt;

use super::clumps::Clumps;
use super::log::BIT;
use super::policy::AdaptivePolicy;
use super::share::Share;
use super::{Adaptive, Phase};
use crate::time::Timestamp;

/// What the rule goes by. Shares are in thousandths of a percent, evidence in tenths of a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveReport {
    /// Whether it is about slow calls, or else about failures.
    pub by_latency: bool,
    /// The share of bad calls that was learned.
    pub base: u32,
    /// What it may be at most.
    pub at_most: u32,
    /// The share of bad calls now,
    pub now: u32,
    /// of so many calls.
    pub calls: u32,
    /// Whether the evidence is that it is well again, or else that it is not.
    pub recovering: bool,
    /// The evidence,
    pub evidence: u32,
    /// and how much it takes.
    pub bar: u32,
    /// The share of calls that is diverted.
    pub diverts: u32,
}

impl fmt::Display for AdaptiveReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.by_latency { "slow: " } else { "" };
        let (base, at_most, now) =
            (Tenths::of(self.base), Tenths::of(self.at_most), Tenths::of(self.now));
        let towards = if self.recovering { "recovery" } else { "evidence" };
        let (evidence, bar) = (Tenths(self.evidence), Tenths(self.bar));
        let diverts = self.diverts.saturating_add(500) / 1000;
        write!(f, "{kind}base {base} % (at most {at_most}), now {now} % of {}, ", self.calls)?;
        write!(f, "{towards} {evidence} of {bar} bits, diverts {diverts} %")
    }
}

/// A number in tenths.
struct Tenths(u32);

impl Tenths {
    /// From thousandths, rounded.
    const fn of(thousandths: u32) -> Self {
        Self(thousandths.saturating_add(50) / 100)
    }

    /// From 1/1024 bit, rounded.
    fn of_bits(evidence: u64) -> u32 {
        const WHOLE: u64 = BIT as u64;
        let tenths = evidence.saturating_mul(10).saturating_add(WHOLE / 2) / WHOLE;
        u32::try_from(tenths).unwrap_or(u32::MAX)
    }
}

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

impl Adaptive {
    /// What it goes by now.
    #[must_use]
    pub fn report(&self, policy: &AdaptivePolicy, now: Timestamp) -> AdaptiveReport {
        if self.phase == Phase::Limited {
            return self.report_on(policy, self.outage.by_latency, now);
        }
        let by_latency = self.slow.top().evidence > self.failures.top().evidence;
        self.report_on(policy, by_latency, now)
    }

    /// What it goes by in one of the channels.
    pub(super) fn report_on(
        &self,
        policy: &AdaptivePolicy,
        by_latency: bool,
        now: Timestamp,
    ) -> AdaptiveReport {
        let channel = if by_latency { &self.slow } else { &self.failures };
        let recovering = self.phase == Phase::Limited;
        let (share, calls, evidence, bar) = if recovering {
            let window = &self.outage.window;
            (window.bad(), window.calls, self.outage.recovery.into(), self.pace.well().into())
        } else {
            let top = channel.top();
            let share = if top.calls == 0 {
                Share::NONE
            } else {
                Share::of(top.bad.into(), top.calls.into())
            };
            let bar = u64::from(self.bar(policy, now)).saturating_mul(channel.clumps.size());
            (share, top.calls, top.evidence.into(), bar / Clumps::ONE)
        };
        AdaptiveReport {
            by_latency,
            base: channel.base.seen().thousandths(),
            at_most: channel.at_most(policy.tolerated()).thousandths(),
            now: share.thousandths(),
            calls,
            recovering,
            evidence: Tenths::of_bits(evidence),
            bar: Tenths::of_bits(bar),
            diverts: self.passing(now).rest().thousandths(),
        }
    }
}
