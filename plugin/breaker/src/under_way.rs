//! Calls that are under way: from when their requests are complete until an answer begins.

use core::time::Duration;

use crate::adaptive::call::Overdue;
use crate::permit::{Generation, Permit};
use crate::time::Timestamp;

/// A call whose request is complete, and that no answer has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    pub(crate) generation: Generation,
    since: Timestamp,
    pub(crate) told: Told,
}

/// What the breaker of a call was told of it while it was under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// That it is slow, by the configured duration.
    pub slow: bool,
    /// What the adaptive rule was told.
    pub adaptive: Option<Overdue>,
}

/// What is to be told of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// It is slow, by the configured duration.
    Slow,
    /// It is this to the adaptive rule.
    Adaptive(Overdue),
}

/// For how long the calls of a period may be under way before they are overdue. `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub(crate) generation: Generation,
    /// By the configured duration.
    pub(crate) slow: Option<Duration>,
    /// By the adaptive rule: until a call hangs, and until it is slow.
    pub(crate) adaptive: [(Overdue, Option<Duration>); 2],
}

impl UnderWay {
    /// A call of this permit, under way since then.
    #[must_use]
    pub const fn new(permit: &Permit, since: Timestamp) -> Self {
        Self { generation: permit.generation, since, told: Told { slow: false, adaptive: None } }
    }

    /// What its breaker was told of it.
    #[must_use]
    pub const fn told(&self) -> Told {
        self.told
    }
}

impl Told {
    /// Whether nothing was told.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        !self.slow && self.adaptive.is_none()
    }

    pub(crate) fn add(&mut self, news: News) {
        match news {
            News::Slow => self.slow = true,
            News::Adaptive(overdue) => self.adaptive = Some(overdue),
        }
    }
}

impl Patience {
    /// Whether there is anything to tell of a call.
    #[must_use]
    pub fn is_over(&self, call: &UnderWay, now: Timestamp) -> bool {
        self.news(call, now).is_some()
    }

    /// What is to be told of a call next, and was not told yet.
    pub(crate) fn news(&self, call: &UnderWay, now: Timestamp) -> Option<News> {
        if call.generation != self.generation {
            return None;
        }
        let (lasted, told) = (now.since(call.since), call.told);
        let is_over = |limit: Option<Duration>| limit.is_some_and(|limit| lasted >= limit);
        if !told.slow && is_over(self.slow) {
            return Some(News::Slow);
        }
        let is_new = |it: &Overdue| told.adaptive.is_none_or(|told| told < *it);
        let mut adaptive = self.adaptive.into_iter().filter(|(it, _)| is_new(it));
        adaptive.find(|(_, limit)| is_over(*limit)).map(|(it, _)| News::Adaptive(it))
    }
}
