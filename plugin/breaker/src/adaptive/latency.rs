//! How long calls take: the latency that one in twenty exceeds, and what is slow by that.

use core::time::Duration;

use crate::time::{Timestamp, nanos};

/// Steps by which it is found at first: of so many calls each, and so large.
const EARLY: u8 = 100;
const LARGE: u8 = 30;

/// Calls, and time, of a step once it is known.
const CALLS: u32 = 200;
const EARLY_CALLS: u32 = 20;
const PAUSE: Duration = Duration::from_secs(10);

/// While limited, a call that takes longer moves it up by so many parts, and any other down by one.
const STEPS_UP: u64 = 19;
const STEPS: u64 = 8 * STEPS_UP;

/// A first guess is at least twice this, in nanoseconds.
const SHORTEST: u64 = 1_000;

/// The latency that one call in twenty exceeds, which follows what is seen by small steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Latency {
    /// In nanoseconds; zero: nothing was seen yet.
    pub(super) p95: u64,
    /// Calls since the last step, and how many of them took longer.
    pub(super) calls: u32,
    pub(super) over: u32,
    /// Steps made, at most [`EARLY`].
    pub(super) steps: u8,
    /// When the last step was made, once it is known.
    pub(super) moved: Timestamp,
    /// The same of calls that end well while the service is limited, since it last tripped, in
    /// nanoseconds.
    pub(super) limited_p95: u64,
}

impl Latency {
    pub(super) const fn is_known(&self) -> bool {
        self.steps >= EARLY
    }

    /// What is slow: twice what one call in twenty exceeds, in nanoseconds. `None`: that is not
    /// known yet.
    pub(super) fn slow(&self, floor: Duration) -> Option<u64> {
        self.is_known().then(|| self.p95.saturating_mul(2).max(nanos(floor)))
    }

    /// Follows good calls, so many of which took longer than one in twenty should.
    pub(super) fn follow(&mut self, calls: u32, over: u32, now: Timestamp) {
        self.calls = self.calls.saturating_add(calls);
        self.over = self.over.saturating_add(over);
        if self.moved > now {
            self.moved = now;
        }
        let (known, enough) = (self.is_known(), if self.is_known() { CALLS } else { EARLY_CALLS });
        if self.calls < enough || known && now.since(self.moved) < PAUSE {
            return;
        }
        let step = match self.steps {
            ..LARGE => self.p95 / 4,
            LARGE..EARLY => self.p95 / 12,
            _ => self.p95 / 32,
        };
        let (over, calls) = (u64::from(self.over).saturating_mul(100), u64::from(self.calls));
        if over > calls.saturating_mul(7) {
            self.p95 = self.p95.saturating_add(step);
        } else if over < calls.saturating_mul(3) {
            self.p95 = self.p95.saturating_sub(step);
        }
        self.steps = self.steps.saturating_add(1).min(EARLY);
        if self.is_known() {
            self.moved = now;
        }
        self.calls = 0;
        self.over = 0;
    }

    /// Makes a first guess, by the first call.
    pub(super) fn guess(&mut self, took: u64) {
        if self.p95 == 0 {
            self.p95 = took.max(SHORTEST).saturating_mul(2);
        }
    }

    /// Follows calls that end well while it is limited, so many of which took longer than one in
    /// twenty should.
    pub(super) fn follow_limited(&mut self, calls: u32, over: u32) {
        // As many steps down as up if it is one in twenty; many calls at once are no larger a step.
        let up = u64::from(over).saturating_mul(STEPS_UP);
        let down = u64::from(calls.saturating_sub(over));
        let part = |steps| self.limited_p95.saturating_mul(steps) / STEPS;
        self.limited_p95 = if up > down {
            let steps = up.saturating_sub(down).min(2 * STEPS_UP);
            self.limited_p95.saturating_add(part(steps))
        } else {
            let steps = down.saturating_sub(up).min(STEPS_UP);
            self.limited_p95.saturating_sub(part(steps))
        };
    }

    /// What has been found while limited is normal from now on.
    pub(super) fn accept(&mut self, now: Timestamp) {
        *self = Self { p95: self.limited_p95, calls: 0, over: 0, moved: now, ..*self };
    }
}
