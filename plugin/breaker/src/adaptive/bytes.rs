//! What the rule knows, as bytes of one size, little-endian.

use core::time::Duration;

use super::base::Base;
use super::channel::Channel;
use super::clumps::Clumps;
use super::latency::Latency;
use super::pace::Pace;
use super::ramp::Ramp;
use super::row::Row;
use super::share::Share;
use super::stuck::Stuck;
use super::window::Window;
use super::{Adaptive, Outage, Phase};
use crate::record::bytes::{DecodeError, Reader, Writer};
use crate::time::nanos;

const CHANNEL_LEN: usize = 80;

/// The size of what the rule knows of one service, in bytes.
pub const ADAPTIVE_LEN: usize = 2 * CHANNEL_LEN + 148;

const BY_LATENCY: u8 = 1;
const BRIEF: u8 = 2;

const IMPOSSIBLE: DecodeError = DecodeError::Value { field: "adaptive" };

impl Adaptive {
    /// What it knows, as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; ADAPTIVE_LEN] {
        let mut bytes = [0; ADAPTIVE_LEN];
        let Self { phase, failures, slow, latency, pace, outage, stuck, ramp } = self;
        let mut out = Writer(&mut bytes);
        let by_latency = if outage.by_latency { BY_LATENCY } else { 0 };
        let brief = if outage.brief { BRIEF } else { 0 };
        out.put(&[phase.code(), by_latency | brief, latency.steps, 0]);
        put_channel(failures, &mut out);
        put_channel(slow, &mut out);
        put_times(&[latency.p95, latency.limited_p95, latency.moved.as_nanos()], &mut out);
        put_counts(&[latency.calls, latency.over, pace.rate, pace.seen], &mut out);
        put_times(&[pace.since.as_nanos()], &mut out);
        let Window { calls, failed, slow, owed } = outage.window;
        put_counts(
            &[calls, failed, slow, owed, outage.diverted.parts(), outage.recovery],
            &mut out,
        );
        let Outage { tripped, since, next_trial, watched_until, .. } = outage;
        for time in [tripped, since, next_trial, watched_until, &stuck.at, &ramp.began] {
            put_times(&[time.as_nanos()], &mut out);
        }
        put_times(&[nanos(outage.age)], &mut out);
        put_counts(&[ramp.from.parts(), ramp.need, ramp.good, ramp.ceiling.parts()], &mut out);
        bytes
    }

    /// What it knew when these bytes were written.
    ///
    /// # Errors
    ///
    /// If they were not written by [`encode`](Self::encode).
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() != ADAPTIVE_LEN {
            return Err(DecodeError::Length { found: bytes.len(), expected: ADAPTIVE_LEN });
        }
        let mut input = Reader(bytes);
        let [phase, flags, steps, _] = input.array()?;
        let failures = channel(&mut input)?;
        let slow = channel(&mut input)?;
        let (p95, limited_p95) = (input.number_u64()?, input.number_u64()?);
        let moved = input.timestamp()?;
        let (calls, over) = (input.number_u32()?, input.number_u32()?);
        let latency = Latency { p95, limited_p95, moved, calls, over, steps };
        let (rate, seen) = (input.number_u32()?, input.number_u32()?);
        let pace = Pace { rate, seen, since: input.timestamp()? };
        let window = Window {
            calls: input.number_u32()?,
            failed: input.number_u32()?,
            slow: input.number_u32()?,
            owed: input.number_u32()?,
        };
        let outage = Outage {
            by_latency: flags & BY_LATENCY != 0,
            brief: flags & BRIEF != 0,
            window,
            diverted: share(&mut input)?,
            recovery: input.number_u32()?,
            tripped: input.timestamp()?,
            since: input.timestamp()?,
            next_trial: input.timestamp()?,
            watched_until: input.timestamp()?,
            age: Duration::ZERO,
        };
        let stuck = Stuck { at: input.timestamp()? };
        let began = input.timestamp()?;
        let age = Duration::from_nanos(input.number_u64()?);
        let outage = Outage { age, ..outage };
        let ramp = Ramp {
            began,
            from: share(&mut input)?,
            need: input.number_u32()?,
            good: input.number_u32()?,
            ceiling: share(&mut input)?,
        };
        let phase = Phase::of_code(phase).ok_or(IMPOSSIBLE)?;
        let possible = rate > 0 && window.is_possible() && flags <= BY_LATENCY | BRIEF;
        let rule = Self { phase, failures, slow, latency, pace, outage, stuck, ramp };
        possible.then_some(rule).ok_or(IMPOSSIBLE)
    }
}

impl Phase {
    const ALL: [Self; 3] = [Self::Closed, Self::Limited, Self::Ramp];

    const fn code(self) -> u8 {
        self as u8
    }

    fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.code() == code)
    }
}

fn put_counts(counts: &[u32], out: &mut Writer<'_>) {
    counts.iter().for_each(|count| out.put(&count.to_le_bytes()));
}

fn put_times(times: &[u64], out: &mut Writer<'_>) {
    times.iter().for_each(|time| out.put(&time.to_le_bytes()));
}

fn put_channel(channel: &Channel, out: &mut Writer<'_>) {
    let Channel { base, pending, pending_bad, rows, clumps } = channel;
    put_times(&[base.halved.as_nanos()], out);
    put_counts(&[base.bad, base.calls, *pending, *pending_bad], out);
    for Row { evidence, bad, calls } in rows {
        put_counts(&[*evidence, *bad, *calls], out);
    }
    let Clumps { spans, bad, squares, span, present } = clumps;
    put_counts(&[*spans, *bad, *squares, *span, *present], out);
}

fn channel(input: &mut Reader<'_>) -> Result<Channel, DecodeError> {
    let halved = input.timestamp()?;
    let base = Base { halved, bad: input.number_u32()?, calls: input.number_u32()? };
    let (pending, pending_bad) = (input.number_u32()?, input.number_u32()?);
    let mut channel = Channel { base, pending, pending_bad, ..Channel::default() };
    for row in &mut channel.rows {
        *row = Row {
            evidence: input.number_u32()?,
            bad: input.number_u32()?,
            calls: input.number_u32()?,
        };
    }
    channel.clumps = Clumps {
        spans: input.number_u32()?,
        bad: input.number_u32()?,
        squares: input.number_u32()?,
        span: input.number_u32()?,
        present: input.number_u32()?,
    };
    let possible = base.bad <= base.calls
        && pending_bad <= pending
        && channel.rows.iter().all(|row| row.bad <= row.calls);
    possible.then_some(channel).ok_or(IMPOSSIBLE)
}

fn share(input: &mut Reader<'_>) -> Result<Share, DecodeError> {
    let parts = input.number_u32()?;
    let share = Share::from_parts(parts);
    if share.parts() == parts { Ok(share) } else { Err(IMPOSSIBLE) }
}
