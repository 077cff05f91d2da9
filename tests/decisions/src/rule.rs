//! What every rule is asked. Times are nanoseconds of a virtual clock that starts at one second.

pub(crate) const MS: u64 = 1_000_000;
pub(crate) const SEC: u64 = 1_000_000_000;

/// A call that has ended.
#[derive(Clone, Copy)]
pub(crate) struct Ended {
    /// What its admission gave.
    pub(crate) ticket: u64,
    pub(crate) ok: bool,
    pub(crate) took: u64,
    /// How often the rule was told that it is overdue.
    pub(crate) told: u8,
}

/// A rule that guards one service.
pub(crate) trait Rule {
    /// Admits a call, or not. `random` is uniform over all its values.
    fn admit(&mut self, now: u64, random: u32) -> Option<u64>;

    /// An admitted call has ended.
    fn settle(&mut self, call: Ended, now: u64, random: u32);

    /// How long a call may be under way before the rule is told, the first time (0) and the second
    /// (1). It is asked again when that time has come.
    fn patience(&self, _stage: u8) -> Option<u64> {
        None
    }

    /// A call has been under way for so long.
    fn overdue(&mut self, _ticket: u64, _stage: u8, _now: u64) {}
}

/// A random word as a number from zero up to one.
pub(crate) fn unit(random: u32) -> f64 {
    f64::from(random) / 4_294_967_296.0
}
