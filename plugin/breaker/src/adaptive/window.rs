//! How bad a service is while it is limited, and what share is diverted for that.

use super::share::Share;

/// More than this is all, and stays so until it is less than that: to and fro are transitions.
const ALMOST_ALL: Share = Share::from_parts(Share::WHOLE.parts() / 32 * 31);
const MOST: Share = Share::from_parts(Share::WHOLE.parts() / 8 * 7);

/// The latest calls of a limited service: counts that are halved when they come to be too many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) calls: u32,
    pub(super) failed: u32,
    pub(super) slow: u32,
    /// Calls that failed because they took too long, have ended well since, and could not be taken
    /// back yet.
    pub(super) owed: u32,
}

impl Window {
    /// Begins with the calls that tripped it. As what trips is a little worse than what is, they
    /// fill no more than a quarter of the span.
    pub(super) fn begin(calls: u32, failed: u32, slow: u32, span: u32) -> Self {
        let mut window = Self { calls: calls.max(1), failed, slow, owed: 0 };
        while window.calls > (span / 4).max(1) {
            window.calls = window.calls.div_ceil(2);
            window.failed = window.failed.div_ceil(2);
            window.slow = window.slow.div_ceil(2);
        }
        window
    }

    /// Adds calls, of which so many failed, and so many were slow.
    pub(super) fn count(&mut self, calls: u32, failed: u32, slow: u32, span: u32) {
        self.calls = self.calls.saturating_add(calls);
        self.failed = self.failed.saturating_add(failed);
        self.slow = self.slow.saturating_add(slow);
        while self.calls >= span.max(2) {
            self.calls /= 2;
            self.failed /= 2;
            self.slow /= 2;
            self.owed /= 2;
        }
    }

    /// The share of bad calls, of the kind that is more frequent.
    pub(super) fn bad(&self) -> Share {
        Share::of(self.failed.max(self.slow).into(), self.calls.into())
    }

    /// What is to be diverted so that no more calls fail than one does without in exchange: for
    /// each bad call beyond what is normal, one of the good ones. A slow answer is better than
    /// none, so for these alone no more than half. `before`: what was diverted until now.
    pub(super) fn excess(&self, normal: [Share; 2], before: Share) -> Share {
        let [failures, slow] = normal;
        let failed = self.part(self.failed, failures);
        let slow = self.part(self.slow, slow).min(Share::HALF);
        let most = if before == Share::WHOLE { MOST } else { ALMOST_ALL };
        if failed > most { Share::WHOLE } else { failed.max(slow) }
    }

    fn part(&self, bad: u32, normal: Share) -> Share {
        let whole = u64::from(Share::WHOLE.parts());
        let usual = u64::from(normal.parts()).saturating_mul(self.calls.into());
        let beyond = u64::from(bad).saturating_mul(whole).saturating_sub(usual);
        let parts = beyond.checked_div(self.calls.saturating_sub(bad).into());
        Share::from_parts(parts.and_then(|it| u32::try_from(it).ok()).unwrap_or(u32::MAX))
    }

    /// Takes back what is owed, if it ended well after all: it was slow, not failed.
    pub(super) fn settle_debt(&mut self, by_latency: bool) -> u32 {
        let debt = core::mem::take(&mut self.owed);
        self.failed = self.failed.saturating_sub(debt);
        if !by_latency {
            self.slow = self.slow.saturating_add(debt).min(self.calls);
        }
        debt
    }

    /// Whether these can be counts of calls.
    pub(super) const fn is_possible(&self) -> bool {
        self.calls > 0 && self.failed <= self.calls && self.slow <= self.calls
    }

    /// Whether no more calls fail than is normal.
    pub(super) fn fails_no_more_than(&self, normal: Share) -> bool {
        let failed = u64::from(self.failed).saturating_mul(Share::WHOLE.parts().into());
        failed <= u64::from(normal.parts()).saturating_mul(self.calls.into())
    }
}
