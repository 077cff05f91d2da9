//! The history of one breaker, and its bytes in the shared store.

use std::time::Duration;

use breaker::{StateName, Timestamp};
use shared::Reader;

use crate::parts::FORMAT;

/// How long a piece is.
pub(crate) const PIECE: Duration = Duration::from_secs(5);
/// How many pieces are kept: ten minutes.
pub(crate) const PIECES: usize = 120;

/// In the place of a state: nothing is known of that piece.
const UNKNOWN: u8 = u8::MAX;
/// What is worse comes first.
const WORST_FIRST: [StateName; 6] = [
    StateName::Open,
    StateName::ForcedOpen,
    StateName::HalfOpen,
    StateName::MetricsOnly,
    StateName::Disabled,
    StateName::Closed,
];

/// The number of the piece that a time is in.
pub(crate) fn number_at(now: Timestamp) -> u64 {
    now.since(Timestamp::from_nanos(0)).as_secs().checked_div(PIECE.as_secs()).unwrap_or_default()
}

/// When a piece ends.
pub(crate) fn end_of(number: u64) -> Timestamp {
    let nanos = u64::try_from(PIECE.as_nanos()).unwrap_or(u64::MAX);
    Timestamp::from_nanos(number.saturating_add(1).saturating_mul(nanos))
}

/// Of two states, that which a piece shows.
pub(crate) fn worse(one: StateName, other: StateName) -> StateName {
    WORST_FIRST.into_iter().find(|it| *it == one || *it == other).unwrap_or(one)
}

/// What was counted, over all workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Calls that ended, whatever they ended as.
    pub(crate) calls: u64,
    /// Those of them that failed.
    pub(crate) failures: u64,
    /// Calls that were diverted.
    pub(crate) diverted: u64,
}

/// A piece of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The worst state in it.
    pub(crate) state: StateName,
    pub(crate) counted: Counted,
}

/// The latest pieces of one breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// The number of the newest.
    newest: u64,
    /// The state at its end, and what was counted by then since the proxy was started.
    state: StateName,
    total: Counted,
    /// The oldest first; `None`: nothing is known of it.
    list: Vec<Option<Piece>>,
}

impl Counted {
    /// What came since; all of it, if the proxy counts from zero again.
    fn since(self, before: Self) -> Self {
        let before = if self.calls < before.calls { Self::default() } else { before };
        Self {
            calls: self.calls.saturating_sub(before.calls),
            failures: self.failures.saturating_sub(before.failures),
            diverted: self.diverted.saturating_sub(before.diverted),
        }
    }
}

impl Pieces {
    /// One that begins with this piece, of which only the state is known.
    pub(crate) fn begun(number: u64, state: StateName, total: Counted) -> Self {
        let first = Piece { state, counted: Counted::default() };
        Self { newest: number, state, total, list: vec![Some(first)] }
    }

    /// Adds what was counted up to the end of a piece, whose worst state was this one. Of pieces before
    /// it from `known_since` on it is known that nothing was counted in them.
    pub(crate) fn add(
        &mut self,
        number: u64,
        worst: StateName,
        state: StateName,
        total: Counted,
        known_since: u64,
    ) {
        let counted = total.since(self.total);
        let worst = worse(worst, self.state);
        if number <= self.newest {
            // Another worker has sampled it too, a little earlier.
            if let Some(Some(last)) = self.list.last_mut() {
                last.state = worse(last.state, worst);
                last.counted.calls = last.counted.calls.saturating_add(counted.calls);
                last.counted.failures = last.counted.failures.saturating_add(counted.failures);
                last.counted.diverted = last.counted.diverted.saturating_add(counted.diverted);
            }
        } else {
            self.pass(number, known_since);
            self.list.push(Some(Piece { state: worst, counted }));
            self.newest = number;
        }
        shorten(&mut self.list);
        (self.state, self.total) = (state, total);
    }

    /// Adds the pieces between the newest and this one.
    fn pass(&mut self, number: u64, known_since: u64) {
        let oldest = number.saturating_sub(PIECES as u64);
        for between in self.newest.saturating_add(1).max(oldest)..number {
            let still = Piece { state: self.state, counted: Counted::default() };
            self.list.push((between >= known_since).then_some(still));
        }
    }

    /// The pieces up to this one, the oldest first, as many as are kept; those before the first and
    /// those of which nothing is known are `None`.
    pub(crate) fn up_to(mut self, number: u64, known_since: u64) -> Vec<Option<Piece>> {
        self.pass(number.saturating_add(1), known_since);
        let mut pieces = self.list;
        shorten(&mut pieces);
        let missing = PIECES.saturating_sub(pieces.len());
        std::iter::repeat_n(None, missing).chain(pieces).collect()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT, code(self.state)];
        let Counted { calls, failures, diverted } = self.total;
        for number in [self.newest, calls, failures, diverted] {
            bytes.extend(number.to_le_bytes());
        }
        for piece in &self.list {
            bytes.push(piece.map_or(UNKNOWN, |it| code(it.state)));
            let Counted { calls, failures, diverted } =
                piece.map(|it| it.counted).unwrap_or_default();
            for number in [calls, failures, diverted] {
                bytes.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
            }
        }
        bytes
    }

    /// `None`: the bytes are no history.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Reader(bytes.strip_prefix(&[FORMAT])?);
        let state = coded(rest.u8()?)?;
        let newest = rest.u64()?;
        let total = Counted { calls: rest.u64()?, failures: rest.u64()?, diverted: rest.u64()? };
        let mut list = Vec::new();
        while !rest.is_empty() {
            let state = rest.u8()?;
            let (calls, failures, diverted) = (rest.u32()?, rest.u32()?, rest.u32()?);
            let counted = Counted {
                calls: calls.into(),
                failures: failures.into(),
                diverted: diverted.into(),
            };
            let piece = || Some(Piece { state: coded(state)?, counted });
            list.push(if state == UNKNOWN { None } else { Some(piece()?) });
        }
        (list.len() <= PIECES).then_some(Self { newest, state, total, list })
    }
}

/// Leaves the latest pieces, as many as are kept.
fn shorten(pieces: &mut Vec<Option<Piece>>) {
    pieces.drain(..pieces.len().saturating_sub(PIECES));
}

fn code(state: StateName) -> u8 {
    u8::try_from(state.gauge()).unwrap_or(UNKNOWN)
}

fn coded(code: u8) -> Option<StateName> {
    StateName::ALL.into_iter().find(|state| state.gauge() == u64::from(code))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use super::*;

    fn total(calls: u64, failures: u64) -> Counted {
        Counted { calls, failures, diverted: 0 }
    }

    fn calls(pieces: &Pieces, up_to: u64, known_since: u64) -> Vec<Option<u64>> {
        let pieces = pieces.clone().up_to(up_to, known_since);
        assert_eq!(pieces.len(), PIECES);
        pieces.into_iter().map(|piece| piece.map(|it| it.counted.calls)).collect()
    }

    #[test]
    fn a_history_reads_as_it_was_written_and_has_room_in_two_kibibytes() {
        let mut pieces = Pieces::begun(7, StateName::Closed, total(3, 0));
        pieces.add(9, StateName::Open, StateName::HalfOpen, total(30, 20), 9);
        for number in 10..300 {
            assert_eq!(Pieces::decode(&pieces.encode()), Some(pieces.clone()));
            let total = total(number * 10_000, number);
            pieces.add(number, StateName::Closed, StateName::Closed, total, 9);
        }
        assert!(pieces.encode().len() <= 2048 - 16, "{}", pieces.encode().len());
        let bytes = pieces.encode();
        for len in 0..bytes.len() {
            let read = Pieces::decode(bytes.get(..len).unwrap());
            assert!(read.is_none() || (len - 34).is_multiple_of(13), "cut at {len}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            *damaged.get_mut(at).unwrap() ^= 0xff;
            // Whatever is read, it is read, shown and gone on with without harm.
            if let Some(mut pieces) = Pieces::decode(&damaged) {
                pieces.add(301, StateName::Closed, StateName::Open, total(1, 1), 0);
                assert_eq!(pieces.up_to(302, 0).len(), PIECES);
            }
        }
    }

    #[test]
    fn a_piece_in_which_nobody_looked_is_a_gap_and_one_in_which_nothing_happened_is_none() {
        let mut pieces = Pieces::begun(10, StateName::Closed, total(5, 0));
        pieces.add(11, StateName::Closed, StateName::Closed, total(7, 0), 10);
        // Somebody has looked from 14 on.
        pieces.add(16, StateName::Closed, StateName::Closed, total(8, 0), 14);
        let shown = calls(&pieces, 17, 14);
        let tail = shown.get(PIECES - 9..).unwrap();
        let expected = [None, Some(0), Some(2), None, None, Some(0), Some(0), Some(1), Some(0)];
        assert_eq!(tail, expected);
    }

    #[test]
    fn a_piece_has_the_worst_state_in_it_and_that_which_it_began_with() {
        let mut pieces = Pieces::begun(1, StateName::Closed, total(0, 0));
        pieces.add(2, StateName::Open, StateName::HalfOpen, total(0, 0), 1);
        pieces.add(3, StateName::Closed, StateName::Closed, total(0, 0), 1);
        pieces.add(4, StateName::Closed, StateName::Closed, total(0, 0), 1);
        let states: Vec<_> =
            pieces.up_to(4, 1).into_iter().flatten().map(|piece| piece.state).collect();
        let (closed, open) = (StateName::Closed, StateName::Open);
        assert_eq!(states, [closed, open, StateName::HalfOpen, closed]);
    }

    #[test]
    fn two_that_look_at_a_piece_count_nothing_twice() {
        let mut pieces = Pieces::begun(1, StateName::Closed, total(0, 0));
        pieces.add(2, StateName::Closed, StateName::Closed, total(4, 0), 1);
        pieces.add(2, StateName::Closed, StateName::Closed, total(5, 0), 1);
        pieces.add(2, StateName::Closed, StateName::Closed, total(5, 0), 1);
        assert_eq!(calls(&pieces, 2, 1).last(), Some(&Some(5)));
    }

    #[test]
    fn a_proxy_that_counts_from_zero_again_is_followed() {
        let mut pieces = Pieces::begun(1, StateName::Closed, total(100, 0));
        pieces.add(2, StateName::Closed, StateName::Closed, total(4, 0), 1);
        assert_eq!(calls(&pieces, 2, 1).last(), Some(&Some(4)));
    }
}
