//! Which of the proxy's callbacks come at all.
//!
//! A callback that an operator withholds is never made, and nothing tells so in advance. What is
//! said here is said once, by the first worker and each after it that misses one, for as long as it
//! has not come a single time.

use std::cell::Cell;

use breaker::Timestamp;

use crate::effects::Effects;
use crate::filter::Filter;
use crate::host::Host;
use crate::host::origin::Origin;

/// How many answers may come before the first request does: a filter in front of this one may have
/// answered some by itself.
const ANSWERS: u32 = 100;

/// How many calls are diverted between two looks at the clock.
const DIVERTED: u32 = 8;

/// How many periods the first tick may be late.
const PERIODS: u32 = 10;

/// What one worker has seen.
#[derive(Debug)]
pub(crate) struct Witness {
    /// Whether any request has come, or it was said that none does.
    met: Cell<bool>,
    passed: Cell<u32>,
    /// Whether any tick has come, or it was said that none does.
    ticked: Cell<bool>,
    diverted: Cell<u32>,
    /// Whether the bodies of answers do not come.
    bodiless: Cell<bool>,
    since: Timestamp,
}

impl Witness {
    pub(crate) const fn new(since: Timestamp) -> Self {
        Self {
            met: Cell::new(false),
            passed: Cell::new(0),
            ticked: Cell::new(false),
            diverted: Cell::new(0),
            bodiless: Cell::new(false),
            since,
        }
    }

    /// A request has come.
    #[inline(always)]
    pub(crate) fn meet(&self) {
        self.met.set(true);
    }

    /// Whether any has.
    #[inline(always)]
    pub(crate) const fn has_met(&self) -> bool {
        self.met.get()
    }

    /// Whether the bodies of answers come, as far as is known.
    pub(crate) const fn sees_bodies(&self) -> bool {
        !self.bodiless.get()
    }

    /// A tick has come.
    pub(crate) fn tick(&self) {
        self.ticked.set(true);
    }
}

/// Counts up; whether it has come to this many.
fn reaches(count: &Cell<u32>, many: u32) -> bool {
    count.set(count.get().saturating_add(1));
    count.get() >= many
}

impl Filter {
    /// An answer has come, and no request yet, of any stream.
    #[cold]
    pub(crate) fn on_unmet(&self, effects: &mut Effects) {
        let witness = &self.witness;
        if !witness.met.get() && reaches(&witness.passed, ANSWERS) {
            witness.met.set(true);
            effects.warn(format!(
                "event=callback_missing callback=proxy_on_request_headers \
                 problem=\"{ANSWERS} answers came and none of their requests did: nothing is \
                 guarded\" remedy=\"allow it (docs/security.md), or move the filter before the \
                 one that answers them all\""
            ));
        }
    }

    /// A call is diverted: by now the timer should have ticked.
    pub(crate) fn watch_timer(&self, host: &impl Host, effects: &mut Effects) {
        let witness = &self.witness;
        if witness.ticked.get() || !reaches(&witness.diverted, DIVERTED) {
            return;
        }
        witness.diverted.set(0);
        let passed = host.now().monotonic.since(witness.since);
        if passed < self.tick_period().saturating_mul(PERIODS) {
            return;
        }
        witness.ticked.set(true);
        effects.warn(
            "event=callback_missing callback=proxy_on_tick problem=\"no timer ticks: no health \
             check is made, nothing is posted, and gauges lag\" remedy=\"allow it \
             (docs/security.md)\""
                .to_owned(),
        );
    }

    /// An answer that was to be replaced has ended, and nothing of its body has come. If it did not
    /// break off, none ever comes.
    #[inline(never)]
    pub(crate) fn on_bodiless(&self, host: &impl Host, effects: &mut Effects) {
        if Origin::ask(host) != Origin::Service {
            return;
        }
        self.witness.bodiless.set(true);
        effects.warn(
            "event=callback_missing callback=proxy_on_response_body problem=\"a failed answer got \
             the head of another, and kept its body\" remedy=\"allow it (docs/security.md)\""
                .to_owned(),
        );
    }

    /// No answer to a call has ever come, and one is overdue.
    pub fn on_unheard(&self, effects: &mut Effects) {
        effects.warn(
            "event=callback_missing callback=proxy_on_http_call_response problem=\"no call is ever \
             answered: no health check passes, and failed calls get no fallback\" remedy=\"allow \
             it (docs/security.md)\""
                .to_owned(),
        );
    }

    /// How many ticks the answer to a call may take that has this timeout.
    #[must_use]
    pub fn patience(&self, timeout: std::time::Duration) -> u32 {
        const LATE: u32 = 2;
        let ticks = timeout.as_nanos().div_ceil(self.tick_period().as_nanos().max(1));
        u32::try_from(ticks).unwrap_or(u32::MAX).saturating_add(LATE)
    }
}
