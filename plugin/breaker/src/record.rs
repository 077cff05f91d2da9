//! The record: a breaker as bytes, versioned and of one size, little-endian. One of the version
//! before is read as what it meant; it is written as one of this version.
//!
//! It is what all workers of a proxy share. `docs/shared-state.md` gives the layout; a test
//! pins the bytes, since two versions of the module may read each other's records.

pub(crate) mod bytes;
mod window;

use bytes::{DecodeError, Reader, Writer};

use crate::adaptive::Adaptive;
use crate::adaptive::bytes::ADAPTIVE_LEN;
use crate::breaker::Breaker;
use crate::check::Check;
use crate::mode::Mode;
use crate::permit::Generation;
use crate::reason::Reason;
use crate::state::{Closed, HalfOpen, Open, State};
use crate::state_name::StateName;
use crate::time::{Timestamp, UnixTime};
use crate::trials::{SLOTS, Trials};

/// What only one state has, in bytes: the calls of a closed breaker, the trials of a half-open one.
const TAIL_LEN: usize = SLOTS * 8;

/// What each format after the first one added: at which offset, and how many bytes. A record of an
/// older format is read as if these were zero. A further format is a row here, and what is written
/// and read at that place.
const ADDED: [(usize, usize); 2] = [(88, 24), (RECORD_LEN, ADAPTIVE_LEN)];

/// The newest format of a record that can be read: its first byte. It is written where there is an
/// adaptive rule or a fleet has opened it, and the one before elsewhere, so that an older module can read
/// it.
pub const RECORD_FORMAT: u8 = 1 + ADDED.len() as u8;
const PLAIN_FORMAT: u8 = RECORD_FORMAT - 1;

/// The size of the record of a breaker that has no adaptive rule, in bytes.
pub const RECORD_LEN: usize = 368;
/// The size of the record of one that has.
pub const LONGEST_RECORD: usize = 344 + added(&ADDED);

const fn added(mut rows: &[(usize, usize)]) -> usize {
    let mut sum = 0_usize;
    while let [(_, len), rest @ ..] = rows {
        sum = sum.saturating_add(*len);
        rows = rest;
    }
    sum
}

/// What the window of a closed breaker has before its calls; of an open one, the connection and what
/// is before it.
const BETWEEN_LEN: usize = 16;
const BEFORE_CONNECTION: usize = 8;

/// The last reason that the plain format came with.
const NEWEST_PLAIN_REASON: u8 = Reason::Operator.code();

const CLOSED: u8 = StateName::Closed.gauge() as u8;
const OPEN: u8 = StateName::Open.gauge() as u8;
const HALF_OPEN: u8 = StateName::HalfOpen.gauge() as u8;

impl Breaker {
    /// The breaker as a record.
    #[must_use]
    pub fn encode(&self) -> Encoded {
        let mut bytes = [0; LONGEST_RECORD];
        let mut out = Writer(&mut bytes);
        let head = Head::of(&self.state);
        // Who knows the plain format alone would take a reason that came later for damage.
        let is_plain = self.adaptive.is_none() && head.reason <= NEWEST_PLAIN_REASON;
        let (format, len) = match is_plain {
            true => (PLAIN_FORMAT, RECORD_LEN),
            false => (RECORD_FORMAT, LONGEST_RECORD),
        };
        out.put(&[format, head.state, head.reason, self.mode.map_or(0, Mode::code)]);
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
        let (mut between, mut tail) = (out.part(BETWEEN_LEN), out.part(TAIL_LEN));
        match &self.state {
            State::Closed(closed) => window::put(&closed.measured, &mut between, &mut tail),
            State::Open(open) => {
                between.part(BEFORE_CONNECTION);
                between.put(&open.connection.to_le_bytes());
                put_trials(&open.trials, &mut tail);
            }
            State::HalfOpen(half_open) => {
                between.put(&half_open.trials.failures.to_le_bytes());
                put_trials(&half_open.trials, &mut tail);
            }
        }
        if let Some(rule) = &self.adaptive {
            out.put(&rule.encode());
        }
        Encoded { bytes, len }
    }

    /// The breaker of a record.
    ///
    /// # Errors
    ///
    /// If the bytes were not written by [`encode`](Self::encode) of this format version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match (bytes.first(), bytes.len()) {
            (Some(&PLAIN_FORMAT), RECORD_LEN) | (Some(&RECORD_FORMAT), LONGEST_RECORD) => {
                Self::read(bytes)
            }
            _ => Self::read(&upgraded(bytes)?),
        }
    }

    fn read(record: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader(record);
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
        let (mut between, mut tail) = (input.part(BETWEEN_LEN)?, input.part(TAIL_LEN)?);
        let state = match state {
            CLOSED => {
                let measured = window::read(window, failures, &mut between, &mut tail)?;
                let (ramp_began, check_due) = (opened_at, check.due);
                State::Closed(Closed { measured, trips, ramp_began, check_due })
            }
            OPEN => {
                between.part(BEFORE_CONNECTION)?;
                let (reason, connection) = (reason_of(reason)?, between.number_u64()?);
                let trials = match reason {
                    Reason::Adaptive => trials_of(&mut tail)?,
                    _ => Trials::NONE,
                };
                State::Open(Open {
                    failures,
                    trips,
                    reason,
                    opened_at,
                    retry_at,
                    check,
                    connection,
                    trials,
                })
            }
            HALF_OPEN => {
                let failed = between.number_u32()?;
                let trials = Trials { successes, failures: failed, ..trials_of(&mut tail)? };
                State::HalfOpen(HalfOpen {
                    failures,
                    trips,
                    reason: reason_of(reason)?,
                    opened_at,
                    retry_at,
                    check_due: check.due,
                    trials,
                })
            }
            _ => return Err(DecodeError::Value { field: "state" }),
        };
        let mode = mode_of(mode)?;
        let adaptive = rule_of(input)?;
        Ok(Self {
            generation,
            state,
            last_failure,
            last_success,
            check_settings,
            window,
            adaptive,
            mode,
        })
    }
}

/// A breaker as a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    bytes: [u8; LONGEST_RECORD],
    len: usize,
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

impl core::ops::Deref for Encoded {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

fn put_trials(trials: &Trials, out: &mut Writer<'_>) {
    for deadline in &trials.deadlines {
        out.put(&deadline.as_nanos().to_le_bytes());
    }
}

fn trials_of(input: &mut Reader<'_>) -> Result<Trials, DecodeError> {
    let mut trials = Trials::NONE;
    for deadline in &mut trials.deadlines {
        *deadline = input.timestamp()?;
    }
    Ok(trials)
}

/// Nothing, or nothing but zeros, stands for no rule.
fn rule_of(Reader(bytes): Reader<'_>) -> Result<Option<Adaptive>, DecodeError> {
    let is_there = bytes.iter().any(|byte| *byte != 0);
    is_there.then(|| Adaptive::decode(bytes)).transpose()
}

/// A record of an older format in the newest one.
#[cold]
#[inline(never)]
fn upgraded(bytes: &[u8]) -> Result<[u8; LONGEST_RECORD], DecodeError> {
    let found = bytes.first().copied().unwrap_or(PLAIN_FORMAT);
    let lacks = usize::from(found).checked_sub(1).and_then(|known| ADDED.get(known..));
    let lacks = lacks.ok_or(DecodeError::Version { found })?;
    let expected = LONGEST_RECORD.saturating_sub(added(lacks));
    let mut record = [0; LONGEST_RECORD];
    match record.split_at_mut_checked(expected) {
        Some((here, _)) if bytes.len() == expected => here.copy_from_slice(bytes),
        _ => return Err(DecodeError::Length { found: bytes.len(), expected }),
    }
    for (offset, len) in lacks {
        if let Some(rest) = record.get_mut(*offset..) {
            rest.rotate_right((*len).min(rest.len()));
        }
    }
    Ok(record)
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Length { found, expected } => write!(f, "{found} bytes, not {expected}"),
            Self::Version { found } => write!(f, "format version {found}, not {RECORD_FORMAT}"),
            Self::Value { field } => write!(f, "impossible value of {field}"),
        }
    }
}

impl core::error::Error for DecodeError {}

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
