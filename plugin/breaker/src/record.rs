//! The record: a breaker as bytes, versioned and of one size, little-endian. One of the version
//! before is read as what it meant; it is written as one of this version.
//!
//! It is what all workers of a proxy share. `docs/shared-state.md` gives the layout; a test
//! pins the bytes, since two versions of the module may read each other's records.

pub(crate) mod bytes;
mod window;

use bytes::{DecodeError, RECORD_FORMAT, Reader, Writer};

use crate::breaker::Breaker;
use crate::check::Check;
use crate::mode::Mode;
use crate::permit::Generation;
use crate::reason::Reason;
use crate::state::{Closed, HalfOpen, Open, State};
use crate::state_name::StateName;
use crate::time::{Timestamp, UnixTime};
use crate::trials::{SLOTS, Trials};

const VERSION: u8 = RECORD_FORMAT;

/// The version before: it had no window.
const VERSION_1: u8 = 1;

/// The size of a record of version 1, in bytes, and of what it has before its trials.
const RECORD_LEN_1: usize = HEAD_LEN_1 + SLOTS * 8;
const HEAD_LEN_1: usize = 88;

/// Where a record of either version says when its breaker opened.
const OPENED_AT: usize = 40;

/// Bytes before what is there for one state only.
const HEAD_LEN: usize = 112;

/// Bytes between the window in force and the connection of an open breaker.
const BEFORE_CONNECTION: usize = 8;

/// The size of every record, in bytes.
pub const RECORD_LEN: usize = HEAD_LEN + SLOTS * 8;

const CLOSED: u8 = StateName::Closed.gauge() as u8;
const OPEN: u8 = StateName::Open.gauge() as u8;
const HALF_OPEN: u8 = StateName::HalfOpen.gauge() as u8;

impl Breaker {
    /// The breaker as a record.
    #[must_use]
    pub fn encode(&self) -> [u8; RECORD_LEN] {
        let mut bytes = [0; RECORD_LEN];
        let mut out = Writer(&mut bytes);
        let head = Head::of(&self.state);
        out.put(&[VERSION, head.state, head.reason, self.mode.map_or(0, Mode::code)]);
        out.put(&head.failures.to_le_bytes());
        out.put(&self.generation.number().to_le_bytes());
        out.put(&unix_nanos(self.last_failure).to_le_bytes());
        out.put(&unix_nanos(self.last_success).to_le_bytes());
        out.put(&head.trips.to_le_bytes());
        out.put(&head.successes.to_le_bytes());
        out.put(&head.opened_at.as_nanos().to_le_bytes());
        out.put(&head.retry_at.as_nanos().to_le_bytes());
        out.put(&head.check.due.as_nanos().to_le_bytes());
        out.put(&head.check.leased_until.as_nanos().to_le_bytes());
        out.put(&head.check.turn.to_le_bytes());
        out.put(&head.check.attempts.to_le_bytes());
        out.put(&head.check.passed.to_le_bytes());
        out.put(&self.check_settings.to_le_bytes());
        out.put(&window::code_of(self.window).to_le_bytes());
        match &self.state {
            State::Closed(closed) => window::put(closed, &mut out),
            State::Open(open) => {
                out.put(&[0; BEFORE_CONNECTION]);
                out.put(&open.connection.to_le_bytes());
            }
            State::HalfOpen(half_open) => {
                out.put(&[0; window::HEAD_LEN]);
                for deadline in &half_open.trials.deadlines {
                    out.put(&deadline.as_nanos().to_le_bytes());
                }
            }
        }
        bytes
    }

    /// The breaker of a record.
    ///
    /// # Errors
    ///
    /// If the bytes were not written by [`encode`](Self::encode) of this format version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wrong = |expected| DecodeError::Length { found: bytes.len(), expected };
        match bytes.first() {
            Some(&VERSION) | None => {
                Self::decode_whole(bytes.try_into().map_err(|_| wrong(RECORD_LEN))?)
            }
            Some(&VERSION_1) => {
                let bytes = bytes.try_into().map_err(|_| wrong(RECORD_LEN_1))?;
                Self::decode_whole(&of_version_1(bytes)?)
            }
            Some(&found) => Err(DecodeError::Version { found }),
        }
    }

    /// All of it is known to be there, so that no field is looked for beyond the end.
    fn decode_whole(bytes: &[u8; RECORD_LEN]) -> Result<Self, DecodeError> {
        let mut input = Reader(bytes);
        let [_, state, reason, mode] = input.array()?;
        let failures = input.number_u32()?;
        let generation = generation_of(input.number_u64()?)?;
        let last_failure = unix_time(input.number_u64()?);
        let last_success = unix_time(input.number_u64()?);
        let trips = input.number_u32()?;
        let successes = input.number_u32()?;
        let opened_at = input.timestamp()?;
        let retry_at = input.timestamp()?;
        let check = Check {
            due: input.timestamp()?,
            leased_until: input.timestamp()?,
            turn: input.number_u32()?,
            attempts: input.number_u32()?,
            passed: input.number_u32()?,
        };
        let check_settings = input.number_u32()?;
        let window = window::of_code(input.number_u64()?)?;
        let state = match state {
            CLOSED => {
                let (bad, window) = window::read(window, &mut input)?;
                let (ramp_began, check_due) = (opened_at, check.due);
                State::Closed(Closed { failures, trips, bad, window, ramp_began, check_due })
            }
            OPEN => {
                input.array::<BEFORE_CONNECTION>()?;
                let connection = input.number_u64()?;
                let reason = reason_of(reason)?;
                let open = Open { failures, trips, reason, opened_at, retry_at, check, connection };
                State::Open(open)
            }
            HALF_OPEN => {
                input.array::<{ window::HEAD_LEN }>()?;
                let mut trials = Trials { successes, ..Trials::NONE };
                for deadline in &mut trials.deadlines {
                    *deadline = input.timestamp()?;
                }
                let reason = reason_of(reason)?;
                State::HalfOpen(HalfOpen {
                    failures,
                    trips,
                    reason,
                    opened_at,
                    retry_at,
                    check_due: check.due,
                    trials,
                })
            }
            _ => return Err(DecodeError::Value { field: "state" }),
        };
        let mode = mode_of(mode)?;
        Ok(Self { generation, state, last_failure, last_success, check_settings, window, mode })
    }
}

/// A record of version 1 as one of this version: a closed one had no ramp, and none had a window.
#[cold]
fn of_version_1(before: &[u8; RECORD_LEN_1]) -> Result<[u8; RECORD_LEN], DecodeError> {
    let (mut input, mut bytes) = (Reader(before), [0; RECORD_LEN]);
    let mut out = Writer(&mut bytes);
    let head: [u8; OPENED_AT] = input.array()?;
    let opened_at: [u8; 8] = input.array()?;
    let [_, state, ..] = head;
    out.put(&head);
    out.put(&if state == CLOSED { [0; 8] } else { opened_at });
    out.put(&input.array::<{ HEAD_LEN_1 - OPENED_AT - 8 }>()?);
    out.put(&[0; HEAD_LEN - HEAD_LEN_1]);
    out.put(&input.array::<{ SLOTS * 8 }>()?);
    Ok(bytes)
}

/// The fields that every record has, whatever its state makes of them.
struct Head {
    state: u8,
    reason: u8,
    failures: u32,
    trips: u32,
    successes: u32,
    opened_at: Timestamp,
    retry_at: Timestamp,
    check: Check,
}

impl Head {
    fn of(state: &State) -> Self {
        let empty = Self {
            state: CLOSED,
            reason: 0,
            failures: state.failures(),
            trips: 0,
            successes: 0,
            opened_at: Timestamp::default(),
            retry_at: Timestamp::default(),
            check: Check::due_at(state.check_due()),
        };
        match state {
            State::Closed(closed) => {
                Self { trips: closed.trips, opened_at: closed.ramp_began, ..empty }
            }
            State::Open(open) => Self {
                state: OPEN,
                reason: open.reason.code(),
                trips: open.trips,
                opened_at: open.opened_at,
                retry_at: open.retry_at,
                check: open.check.clone(),
                ..empty
            },
            State::HalfOpen(half_open) => Self {
                state: HALF_OPEN,
                reason: half_open.reason.code(),
                trips: half_open.trips,
                successes: half_open.trials.successes,
                opened_at: half_open.opened_at,
                retry_at: half_open.retry_at,
                ..empty
            },
        }
    }
}

/// A period that nobody gets to is no period: the next one would have the same number.
const fn generation_of(number: u64) -> Result<Generation, DecodeError> {
    const LATEST: u64 = u64::MAX >> 1;
    match number {
        1..=LATEST => Ok(Generation::from_number(number)),
        _ => Err(DecodeError::Value { field: "generation" }),
    }
}

fn reason_of(code: u8) -> Result<Reason, DecodeError> {
    let reason = Reason::ALL.into_iter().find(|reason| reason.code() == code);
    reason.ok_or(DecodeError::Value { field: "reason" })
}

/// Zero stands for the configured one.
fn mode_of(code: u8) -> Result<Option<Mode>, DecodeError> {
    if code == 0 {
        return Ok(None);
    }
    let mode = Mode::ALL.into_iter().find(|mode| mode.code() == code);
    mode.map(Some).ok_or(DecodeError::Value { field: "mode" })
}

/// Zero stands for never.
fn unix_nanos(time: Option<UnixTime>) -> u64 {
    time.map_or(0, UnixTime::as_nanos)
}

fn unix_time(nanos: u64) -> Option<UnixTime> {
    (nanos != 0).then_some(UnixTime::from_nanos(nanos))
}
