//! Good and bad calls of the latest time, in buckets.

pub(super) struct Buckets {
    width: u64,
    newest: u64,
    ring: Vec<[u64; 2]>,
    pub(super) good: u64,
    pub(super) bad: u64,
}

impl Buckets {
    pub(super) fn new(window: u64, buckets: usize) -> Self {
        let width = window / buckets as u64;
        Self { width, newest: 0, ring: vec![[0; 2]; buckets], good: 0, bad: 0 }
    }

    pub(super) fn all(&self) -> u64 {
        self.good + self.bad
    }

    pub(super) fn roll(&mut self, now: u64) {
        let bucket = now / self.width;
        let buckets = self.ring.len() as u64;
        for step in 0..bucket.saturating_sub(self.newest).min(buckets) {
            let slot = ((bucket - step) % buckets) as usize;
            let [good, bad] = std::mem::take(&mut self.ring[slot]);
            self.good -= good;
            self.bad -= bad;
        }
        self.newest = self.newest.max(bucket);
    }

    pub(super) fn add(&mut self, ok: bool, now: u64) {
        self.roll(now);
        let slot = (self.newest % self.ring.len() as u64) as usize;
        self.ring[slot][usize::from(!ok)] += 1;
        *if ok { &mut self.good } else { &mut self.bad } += 1;
    }

    pub(super) fn clear(&mut self) {
        self.ring.fill([0; 2]);
        self.good = 0;
        self.bad = 0;
    }
}
