//! Calls that are under way: from when their requests are complete until an answer begins.

use core::time::Duration;

use crate::adaptive::call::Overdue;
use crate::permit::{Generation, Permit};
use crate::time::Timestamp;
use crate::told::Told;

/// A call whose request is complete, and that no answer has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderWay {
    pub(crate) generation: Generation,
    since: Timestamp,
    pub(crate) told: Told,
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
        Self { generation: permit.generation, since, told: Told::NOTHING }
    }

    /// What its breaker was told of it.
    #[must_use]
    pub const fn told(&self) -> Told {
        self.told
    }
}

impl News {
    pub(crate) const fn told(self) -> Told {
        match self {
            Self::Slow => Told::SLOW,
            Self::Adaptive(it_is) => Told::adaptive(it_is),
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
        if !told.is_slow() && is_over(self.slow) {
            return Some(News::Slow);
        }
        let known = told.to_adaptive();
        let is_new = |it: &Overdue| known.is_none_or(|known| known < *it);
        let mut adaptive = self.adaptive.into_iter().filter(|(it, _)| is_new(it));
        adaptive.find(|(_, limit)| is_over(*limit)).map(|(it, _)| News::Adaptive(it))
    }
}
