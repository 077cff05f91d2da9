//! The record of a breaker, read by the layout that `docs/shared-state.md` documents, and by
//! nothing else.

mod bytes;
mod limits;

pub(crate) use limits::{Limits, Phase};

use bytes::{number4, number8};

/// The length of a record.
pub(crate) const LENGTH: usize = 368;
/// The format of a record, and of one with the adaptive rule.
const FORMATS: [u8; 2] = [2, 3];
/// Where the places of trials begin.
pub(crate) const PLACES: usize = 112;
/// Where the generation is.
pub(crate) const GENERATION: usize = 8;
/// Where the lease of the health check is.
pub(crate) const LEASED_UNTIL: usize = 64;

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Closed,
    Open,
    HalfOpen,
}

/// What the checks look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) state: State,
    pub(crate) failures: u32,
    pub(crate) generation: u64,
    pub(crate) trips: u32,
    pub(crate) successes: u32,
    /// In nanoseconds of the monotonic clock, as all that follows.
    pub(crate) opened_at: u64,
    /// When it may be left, or the next trial be made.
    pub(crate) retry_at: u64,
    /// From when on a health check may be made.
    pub(crate) check_due: u64,
    /// Until when somebody has the lease of the health check.
    pub(crate) leased_until: u64,
    /// Places that are not free for all.
    pub(crate) places: u32,
    /// What the adaptive rule knows, if there is that rule.
    pub(crate) limits: Option<Limits>,
}

impl Record {
    /// A breaker of which nothing was written yet.
    pub(crate) const ABSENT: Self = Self {
        state: State::Closed,
        failures: 0,
        generation: 1,
        trips: 0,
        successes: 0,
        opened_at: 0,
        retry_at: 0,
        check_due: 0,
        leased_until: 0,
        places: 0,
        limits: None,
    };

    /// Reads a record.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let (bytes, behind) = bytes.split_at(LENGTH.min(bytes.len()));
        let limits = Limits::read(behind);
        let format = FORMATS[usize::from(limits.is_some())];
        let is_whole = bytes.len() == LENGTH && (limits.is_some() || behind.is_empty());
        if !is_whole || bytes.first() != Some(&format) {
            return Err(format!("{} bytes that are no record", bytes.len() + behind.len()));
        }
        let state = match bytes[1] {
            0 => State::Closed,
            1 => State::Open,
            2 => State::HalfOpen,
            other => return Err(format!("no state has the number {other}")),
        };
        let half_open = state == State::HalfOpen;
        let (places, _) = bytes[PLACES..].as_chunks::<8>();
        let taken = places.iter().filter(|place| u64::from_le_bytes(**place) > 1).count();
        Ok(Self {
            state,
            failures: number4(bytes, 4),
            generation: number8(bytes, GENERATION),
            trips: number4(bytes, 32),
            successes: if half_open { number4(bytes, 36) } else { 0 },
            opened_at: number8(bytes, 40),
            retry_at: if state == State::Closed { 0 } else { number8(bytes, 48) },
            check_due: if state == State::Open { 0 } else { number8(bytes, 56) },
            leased_until: if state == State::Open { number8(bytes, LEASED_UNTIL) } else { 0 },
            places: match state {
                State::Closed => 0,
                State::Open | State::HalfOpen => u32::try_from(taken).unwrap_or(u32::MAX),
            },
            limits,
        })
    }
}
