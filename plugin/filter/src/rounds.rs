//! Which breakers a tick looks at.
//!
//! A look at a breaker is dear: it reads the record. So each look remembers in which version of the
//! record it left nothing to do, and until when ([`LocalState`](crate::store::LocalState)). While the
//! gauge of that version stands still, there is nothing to look at again.
//!
//! Two kinds of tick ask for that. A *round* asks of every breaker, each half a second. A tick in
//! between, as a short interval of health checks wants it, asks of those alone that are open and have
//! a check to be made. A breaker that another worker has opened is among them at once: a gauge moves
//! after each transition of any breaker, and a tick that finds it moved is a round.
//!
//! What changes a record and not its gauge, such as a hot restart, is found by rounds that read
//! records nevertheless: those of the first few breakers each time, and a part of all others in turn.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::host::Host;
use crate::instances::Number;
use crate::store::is_counted;
use crate::telemetry::{Metric, ModuleMetric};
use config::Config;

/// The longest time between two ticks, and between two rounds: half of what `last_success_time` may lag.
const LONGEST_TICK: Duration = Duration::from_millis(500);
const SHORTEST_TICK: Duration = Duration::from_millis(5);

/// How many breakers have their records read in each round.
const ALWAYS_READ: usize = 16;
/// In so many rounds all others have them read.
const READ_WITHIN: usize = 10;

/// Moves after each transition of any breaker.
const TRANSITIONS: Metric = Metric::Module(ModuleMetric::Transitions);

/// What one worker keeps of its rounds.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// Whether the gauge of all transitions can be relied on.
    counted: bool,
    /// How many ticks a round takes, at least one.
    ticks: u32,
    /// How many ticks are left before the next one.
    left: Cell<u32>,
    /// What the gauge of all transitions stood at when the last one began.
    seen: Cell<Option<u64>>,
    number: Cell<usize>,
    /// Breakers that are open and have a health check, as far as the last round knew.
    open: RefCell<Vec<Number>>,
}

/// How often in a sync interval the timer ticks: what was read of a fleet is heeded at the next tick.
const TICKS_PER_SYNC: u32 = 8;

/// How often a configuration wants the timer to tick: four times in the shortest of its waits, eight times
/// in a fleet's.
pub(crate) fn tick_period(config: &Config) -> Duration {
    let mut tick = LONGEST_TICK;
    for check in config.services.iter().filter_map(|it| it.policy.health_check.as_ref()) {
        let retry = check.retry.as_ref().map_or(check.interval, |it| it.interval);
        tick = tick.min(check.interval.min(retry) / 4);
    }
    if let Some(fleet) = &config.fleet {
        tick = tick.min(fleet.sync_interval / TICKS_PER_SYNC);
    }
    tick.max(SHORTEST_TICK)
}

/// A breaker has made a transition, which is stored.
pub(crate) fn on_transition(host: &dyn Host) {
    host.gauges().into_iter().for_each(|gauges| gauges.adjust(TRANSITIONS, 1));
}

impl Rounds {
    /// The first tick begins the first one.
    pub(crate) fn new(config: &Config, host: &dyn Host) -> Self {
        let nanos = |it: Duration| it.subsec_nanos();
        let ticks = nanos(LONGEST_TICK).checked_div(nanos(tick_period(config))).unwrap_or(1);
        Self {
            // Where each tick is a round, nobody asks.
            counted: ticks > 1 && is_counted(TRANSITIONS, host),
            ticks,
            left: Cell::default(),
            seen: Cell::default(),
            number: Cell::default(),
            open: RefCell::default(),
        }
    }

    /// Whether this tick is a round.
    pub(crate) fn begins(&self, host: &dyn Host) -> bool {
        let gauges = host.gauges().filter(|_| self.counted);
        let now = gauges.and_then(|gauges| gauges.read(TRANSITIONS));
        let begins = self.left.get() == 0 || now.is_none() || now != self.seen.get();
        if begins {
            self.seen.set(now);
            self.left.set(self.ticks);
            self.number.set(self.number.get().wrapping_add(1));
        }
        self.left.set(self.left.get().saturating_sub(1));
        begins
    }

    /// Whether this round reads the record of the breaker in this place of all.
    pub(crate) fn reads(&self, place: usize) -> bool {
        place < ALWAYS_READ || place.wrapping_add(self.number.get()).is_multiple_of(READ_WITHIN)
    }

    /// Whether this round asks for what hardly ever changes.
    pub(crate) fn asks_again(&self) -> bool {
        self.number.get().is_multiple_of(READ_WITHIN)
    }

    /// The breakers that are open and have a health check, as far as the last round knew; none, as long
    /// as they are taken.
    pub(crate) fn take_open(&self) -> Vec<Number> {
        self.open.try_borrow_mut().map(|mut open| std::mem::take(&mut *open)).unwrap_or_default()
    }

    /// These are.
    pub(crate) fn set_open(&self, open: Vec<Number>) {
        if let Ok(mut known) = self.open.try_borrow_mut() {
            *known = open;
        }
    }
}
