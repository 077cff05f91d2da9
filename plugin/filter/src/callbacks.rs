//! Which of the proxy's callbacks come at all.
//!
//! A callback that an operator withholds is never made, and nothing says so in advance. What is
//! missing is logged once by each worker that misses it, for as long as it has not come a single time.

use std::cell::Cell;
use std::time::Duration;

use breaker::Timestamp;

use crate::effects::Effects;
use crate::host::{Host, Origin};

/// How many responses may come before the first request does: a filter in front of this one may have
/// answered some by itself.
const RESPONSES: u32 = 100;

/// How many calls are diverted between two looks at the clock.
const DIVERTED: u32 = 8;

/// How many periods the first tick may be late.
const PERIODS: u32 = 10;

/// Which callbacks one worker has seen.
#[derive(Debug)]
pub(crate) struct Callbacks {
    /// Whether any request has come, or it was logged that none does.
    requests: Cell<bool>,
    /// Responses that came before.
    responses: Cell<u32>,
    /// Whether any tick has come, or it was logged that none does.
    ticks: Cell<bool>,
    /// Calls that were diverted since the last look at the clock.
    diverted: Cell<u32>,
    /// Whether the bodies of responses do not come.
    bodiless: Cell<bool>,
    since: Timestamp,
    tick_period: Duration,
}

impl Callbacks {
    pub(crate) const fn new(since: Timestamp, tick_period: Duration) -> Self {
        Self {
            requests: Cell::new(false),
            responses: Cell::new(0),
            ticks: Cell::new(false),
            diverted: Cell::new(0),
            bodiless: Cell::new(false),
            since,
            tick_period,
        }
    }

    /// A request has come.
    #[inline(always)]
    pub(crate) fn on_request(&self) {
        self.requests.set(true);
    }

    /// A response has come that is of no interest.
    #[inline]
    pub(crate) fn on_other_response(&self, effects: &mut Effects) {
        if !self.requests.get() {
            self.on_response_alone(effects);
        }
    }

    /// A response has come, and no request yet, of any stream.
    #[cold]
    fn on_response_alone(&self, effects: &mut Effects) {
        if reaches(&self.responses, RESPONSES) {
            self.requests.set(true);
            effects.warn(format!(
                "event=callback_missing callback=proxy_on_request_headers \
                 problem=\"{RESPONSES} answers came and none of their requests did: nothing is \
                 guarded\" remedy=\"allow it (docs/security.md), or move the filter before the \
                 one that answers them all\""
            ));
        }
    }

    /// A tick has come.
    pub(crate) fn on_tick(&self) {
        self.ticks.set(true);
    }

    /// A call is diverted: by now the timer should have ticked.
    pub(crate) fn on_diverted(&self, host: &dyn Host, effects: &mut Effects) {
        if self.ticks.get() || !reaches(&self.diverted, DIVERTED) {
            return;
        }
        self.diverted.set(0);
        let passed = host.now().monotonic.since(self.since);
        if passed < self.tick_period.saturating_mul(PERIODS) {
            return;
        }
        self.ticks.set(true);
        effects.warn(
            "event=callback_missing callback=proxy_on_tick problem=\"no timer ticks: no health \
             check is made, nothing is posted, and gauges lag\" remedy=\"allow it \
             (docs/security.md)\""
                .to_owned(),
        );
    }

    /// Whether the bodies of responses come, as far as is known.
    pub(crate) const fn sees_bodies(&self) -> bool {
        !self.bodiless.get()
    }

    /// A response that was to be replaced has ended, and nothing of its body has come. If it did not
    /// break off, none ever comes.
    #[inline(never)]
    pub(crate) fn on_missing_body(&self, host: &dyn Host, effects: &mut Effects) {
        if host.origin() != Origin::Service {
            return;
        }
        self.bodiless.set(true);
        effects.warn(
            "event=callback_missing callback=proxy_on_response_body problem=\"a failed answer got \
             the head of another, and kept its body\" remedy=\"allow it (docs/security.md)\""
                .to_owned(),
        );
    }
}

impl Callbacks {
    /// How often the timer ticks.
    pub(crate) const fn tick_period(&self) -> Duration {
        self.tick_period
    }

    /// How many ticks the answer to a call may take that has this timeout.
    pub(crate) fn callout_ticks(&self, timeout: Duration) -> u32 {
        const LATE: u32 = 2;
        let nanos = |it: Duration| u64::try_from(it.as_nanos()).unwrap_or(u64::MAX);
        let ticks = nanos(timeout).div_ceil(nanos(self.tick_period).max(1));
        u32::try_from(ticks).unwrap_or(u32::MAX).saturating_add(LATE)
    }

    /// No answer to a call has ever come, and one is overdue.
    pub(crate) fn on_callouts_unanswered(effects: &mut Effects) {
        effects.warn(
            "event=callback_missing callback=proxy_on_http_call_response problem=\"no call is ever \
             answered: no health check passes, and failed calls get no fallback\" remedy=\"allow \
             it (docs/security.md)\""
                .to_owned(),
        );
    }
}

/// Counts up; whether it has come to this many.
fn reaches(count: &Cell<u32>, many: u32) -> bool {
    count.set(count.get().saturating_add(1));
    count.get() >= many
}
