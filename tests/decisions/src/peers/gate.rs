//! The usual three states, behind any rule that only says when to open.

pub(super) struct Gate {
    is_open: bool,
    until: u64,
    pub(super) period: u64,
    /// Trials that were started while half-open; `None`: it is not.
    started: Option<u32>,
    trials: u32,
}

impl Gate {
    pub(super) fn new(trials: u32) -> Self {
        Self { is_open: false, until: 0, period: 1, started: None, trials }
    }

    pub(super) fn admit(&mut self, now: u64) -> Option<u64> {
        if !self.is_open {
            return Some(self.period);
        }
        if self.started.is_none() && now >= self.until {
            self.started = Some(0);
            self.period += 1;
        }
        let started = self.started.as_mut().filter(|it| **it < self.trials)?;
        *started += 1;
        Some(self.period)
    }

    pub(super) fn is_half_open(&self) -> bool {
        self.started.is_some()
    }

    pub(super) fn is_closed(&self) -> bool {
        !self.is_open
    }

    pub(super) fn open(&mut self, until: u64) {
        self.is_open = true;
        self.started = None;
        self.until = until;
        self.period += 1;
    }

    pub(super) fn close(&mut self) {
        self.is_open = false;
        self.started = None;
        self.period += 1;
    }
}
