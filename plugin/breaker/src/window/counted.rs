//! A window over a number of calls: two bits for each.

use core::num::NonZeroU32;

use crate::counts::Counts;

/// The most calls that a window over a number of calls can hold.
pub const MAX_WINDOW_CALLS: u32 = 1_024;

const WORDS: usize = (MAX_WINDOW_CALLS / 64) as usize;

/// The latest calls, up to a number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// How many calls it holds at most.
    pub(crate) size: u16,
    /// How many it holds.
    pub(crate) len: u16,
    /// Where the next one goes.
    pub(crate) next: u16,
    /// Which of them failed. Bits of positions that are not taken are zero.
    pub(crate) failed: Bits,
    /// Which of them were slow.
    pub(crate) slow: Bits,
}

/// One bit for each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bits(pub(crate) [u64; WORDS]);

impl Counted {
    pub(crate) fn new(size: NonZeroU32) -> Self {
        let size = u16::try_from(size.get().min(MAX_WINDOW_CALLS)).unwrap_or(1);
        Self { size, len: 0, next: 0, failed: Bits::NONE, slow: Bits::NONE }
    }

    /// Adds calls: the failed ones first, and slow those that failed first.
    pub(crate) fn add(&mut self, counts: Counts) {
        let last = counts.calls.min(self.size.into());
        for number in 0..last {
            self.push(number < counts.failures, number < counts.slow);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts { calls: self.len.into(), failures: self.failed.count(), slow: self.slow.count() }
    }

    /// Copies the latest calls into another window.
    pub(crate) fn copy_into(&self, other: &mut Self) {
        let size = self.size.max(1);
        for age in (1..=self.len).rev() {
            let position = self.next.saturating_add(size).saturating_sub(age).rem_euclid(size);
            other.push(self.failed.get(position), self.slow.get(position));
        }
    }

    /// Whether calls may have led here: positions are taken in their order, and none but those that
    /// are taken have bits.
    pub(crate) fn is_possible(&self) -> bool {
        let next = if self.len < self.size { self.next == self.len } else { self.next < self.size };
        self.len <= self.size && next && self.failed.fits(self.len) && self.slow.fits(self.len)
    }

    fn push(&mut self, failed: bool, slow: bool) {
        self.failed.set(self.next, failed);
        self.slow.set(self.next, slow);
        self.len = self.len.saturating_add(1).min(self.size);
        self.next = self.next.saturating_add(1).rem_euclid(self.size.max(1));
    }
}

impl Bits {
    pub(crate) const NONE: Self = Self([0; WORDS]);

    fn get(&self, position: u16) -> bool {
        let (word, bit) = address(position);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn set(&mut self, position: u16, to: bool) {
        let (word, bit) = address(position);
        if let Some(word) = self.0.get_mut(word) {
            *word = if to { *word | bit } else { *word & !bit };
        }
    }

    /// Whether only the first so many positions have bits.
    fn fits(&self, len: u16) -> bool {
        let len = u32::from(len);
        (0..).step_by(64).zip(&self.0).all(|(first, word)| {
            let taken = len.saturating_sub(first);
            taken >= 64 || word.checked_shr(taken).unwrap_or_default() == 0
        })
    }

    fn count(&self) -> u32 {
        self.0.iter().fold(0, |sum, word| sum.saturating_add(word.count_ones()))
    }
}

fn address(position: u16) -> (usize, u64) {
    (usize::from(position / 64), 1 << (position % 64))
}
