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

/// What the breaker of a call was told of it while it was under way: one bit for each. Most calls
/// have none, which is asked of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told(u8);

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
        Self { generation: permit.generation, since, told: Told(0) }
    }

    /// What its breaker was told of it.
    #[must_use]
    pub const fn told(&self) -> Told {
        self.told
    }
}

impl Told {
    /// That it is slow, by the configured duration.
    pub const SLOW: Self = Self(1);
    const OVERDUE: Self = Self(2);
    const HUNG: Self = Self(4);

    /// What the adaptive rule was told.
    #[must_use]
    pub const fn adaptive(it_is: Overdue) -> Self {
        match it_is {
            Overdue::Slow => Self::OVERDUE,
            Overdue::Hung => Self::HUNG,
        }
    }

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether nothing was told.
    #[inline(always)]
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether it is slow, by the configured duration.
    #[must_use]
    pub const fn is_slow(self) -> bool {
        self.0 & Self::SLOW.0 != 0
    }

    /// The most that the adaptive rule was told.
    #[must_use]
    pub const fn to_adaptive(self) -> Option<Overdue> {
        if self.0 & Self::HUNG.0 != 0 {
            Some(Overdue::Hung)
        } else if self.0 & Self::OVERDUE.0 != 0 {
            Some(Overdue::Slow)
        } else {
            None
        }
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
