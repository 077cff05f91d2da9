//! What every rule is asked. Times are nanoseconds of a virtual clock that starts at one second.

/// A millisecond.
pub const MS: u64 = 1_000_000;
/// A second.
pub const SEC: u64 = 1_000_000_000;

/// A call that has ended.
#[derive(Clone, Copy)]
pub struct Ended {
    /// What its admission gave.
    pub ticket: u64,
    /// Whether it was good.
    pub ok: bool,
    /// Nanoseconds.
    pub took: u64,
    /// How often the rule was told that it is overdue.
    pub told: u8,
}

/// A rule that guards one service.
pub trait Rule {
    /// Admits a call, or not. `random` is uniform over all its values.
    fn admit(&mut self, now: u64, random: u32) -> Option<u64>;

    /// An admitted call has ended.
    fn settle(&mut self, call: Ended, now: u64, random: u32);

    /// How often it has opened or closed, if that is counted.
    fn transitions(&self) -> Option<u64> {
        None
    }

    /// How long a call may be under way before the rule is told, the first time (0) and the second
    /// (1). It is asked again when that time has come.
    fn patience(&self, _stage: u8) -> Option<u64> {
        None
    }

    /// A call has been under way for so long.
    fn overdue(&mut self, _ticket: u64, _stage: u8, _now: u64) {}
}
