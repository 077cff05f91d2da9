//! A window over time: ten buckets, the oldest of which leaves as a new one begins.

use core::time::Duration;

use crate::counts::Counts;
use crate::time::{Timestamp, nanos};

/// How many buckets a window over time has.
pub const WINDOW_BUCKETS: usize = 10;

const BUCKETS: u64 = WINDOW_BUCKETS as u64;

/// The calls of the latest ten tenths of the window's length. The tenth that is under way counts
/// as one, so the window spans nine tenths of its length to all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timed {
    /// The length of a bucket, in nanoseconds; at least one.
    pub(crate) bucket: u64,
    /// The number of the newest bucket: its time divided by the length.
    pub(crate) newest: u64,
    /// The bucket of each number, at that number modulo ten.
    pub(crate) buckets: [Counts; WINDOW_BUCKETS],
}

impl Timed {
    pub(crate) fn new(length: Duration) -> Self {
        let bucket = nanos(length).div_euclid(BUCKETS).max(1);
        Self { bucket, newest: 0, buckets: [Counts::NONE; WINDOW_BUCKETS] }
    }

    /// Adds calls to the bucket of their time. They are left out if it has slid out already.
    pub(crate) fn add(&mut self, counts: Counts, at: Timestamp, now: Timestamp) {
        let present = self.number_of(now);
        if self.newest >= present.saturating_add(BUCKETS) {
            // The clock was set back: nothing here would slide out until it has caught up.
            *self = Self { newest: present, buckets: [Counts::NONE; WINDOW_BUCKETS], ..*self };
        }
        self.slide_to(present);
        let number = self.number_of(at);
        if self.newest.saturating_sub(number) < BUCKETS
            && number <= self.newest
            && let Some(bucket) = self.bucket_mut(number)
        {
            *bucket = bucket.plus(counts);
        }
    }

    pub(crate) fn counts(&self, now: Timestamp) -> Counts {
        let oldest = self.number_of(now).max(self.newest).saturating_sub(BUCKETS.saturating_sub(1));
        self.numbered()
            .filter(|(number, _)| *number >= oldest)
            .fold(Counts::NONE, |sum, (_, counts)| sum.plus(counts))
    }

    /// What is left of the calls as time goes by: without none, the oldest, the two oldest buckets
    /// and so on.
    pub(crate) fn remainders(&self) -> impl Iterator<Item = Counts> {
        self.numbered().scan(Counts::NONE, |sum, (_, counts)| {
            *sum = sum.plus(counts);
            Some(*sum)
        })
    }

    /// The calls by the end of their bucket, oldest first.
    pub(crate) fn by_time(&self) -> impl Iterator<Item = (Timestamp, Counts)> {
        let oldest = self.newest.saturating_sub(BUCKETS.saturating_sub(1));
        (oldest..=self.newest).filter_map(|number| {
            let end = number.saturating_add(1).saturating_mul(self.bucket).saturating_sub(1);
            Some((Timestamp::from_nanos(end), *self.buckets.get(index(number))?))
        })
    }

    /// The buckets with their numbers, newest first.
    fn numbered(&self) -> impl Iterator<Item = (u64, Counts)> {
        (0..BUCKETS)
            .map_while(|age| self.newest.checked_sub(age))
            .filter_map(|number| Some((number, *self.buckets.get(index(number))?)))
    }

    /// Makes this the newest bucket, if it is newer: all that lie between are empty, however many.
    fn slide_to(&mut self, number: u64) {
        let steps = number.saturating_sub(self.newest);
        for step in 0..steps.min(BUCKETS) {
            if let Some(bucket) = self.bucket_mut(number.saturating_sub(step)) {
                *bucket = Counts::NONE;
            }
        }
        self.newest = self.newest.max(number);
    }

    fn bucket_mut(&mut self, number: u64) -> Option<&mut Counts> {
        self.buckets.get_mut(index(number))
    }

    fn number_of(&self, at: Timestamp) -> u64 {
        at.as_nanos().div_euclid(self.bucket.max(1))
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number.rem_euclid(BUCKETS)).unwrap_or_default()
}
