//! What becomes of a breaker as calls are under way for too long: they count while they hang.

use crate::adaptive::call::Overdue;
use crate::breaker::Breaker;
use crate::counts::Counts;
use crate::policy::Policy;
use crate::reason::Reason;
use crate::state::State;
use crate::time::Now;
use crate::told::Told;
use crate::transition::Transition;
use crate::under_way::{News, Patience, UnderWay};

impl Breaker {
    /// For how long its calls may be under way before it is to be [told](Self::tell_overdue).
    #[must_use]
    pub fn patience(&self, policy: &Policy) -> Patience {
        // Trials say how the service is when they end, but to the adaptive rule.
        let (slow, rule) = match &self.state {
            State::Closed(_) => (policy.trip.overdue_after, self.rule(policy)),
            State::Open(open) if open.reason == Reason::Adaptive => (None, self.rule(policy)),
            State::Open(_) | State::HalfOpen(_) => (None, None),
        };
        let of = |it| (it, rule.and_then(|(rule, of)| rule.patience(of, it)));
        let adaptive = [of(Overdue::Hung), of(Overdue::Slow)];
        Patience { generation: self.generation, slow, adaptive }
    }

    /// Tells of calls that are under way what is new of them, as long as their period goes on. It
    /// stands in each call then. Good calls that their worker has kept are to be
    /// [merged](Self::merge) before. The first value: whether there was anything new.
    pub fn tell_overdue(
        &mut self,
        policy: &Policy,
        calls: &mut [UnderWay],
        now: Now,
        random: u32,
    ) -> (bool, Option<Transition>) {
        let mut is_new = false;
        for call in calls {
            while let Some(news) = self.patience(policy).news(call, now.monotonic) {
                is_new = true;
                self.ensure_kept(policy);
                let before = call.told;
                call.told = before.and(news.told());
                if let Some(transition) = self.heed(policy, (before, news), now, random) {
                    return (true, Some(transition));
                }
            }
        }
        (is_new, None)
    }

    fn heed(
        &mut self,
        policy: &Policy,
        (before, news): (Told, News),
        now: Now,
        random: u32,
    ) -> Option<Transition> {
        match news {
            News::Slow => self.heed_slow(policy, now, random),
            News::Adaptive(it_is) => {
                let mut tell = |it_is| {
                    self.tell(policy, now, random, |rule, of| {
                        rule.overdue(of, it_is, now.monotonic)
                    })
                };
                // A call that hangs before anybody has looked is slow as well. That it hangs says more.
                let is_both = it_is == Overdue::Hung && before.to_adaptive().is_none();
                tell(it_is).or_else(|| is_both.then(|| tell(Overdue::Slow)).flatten())
            }
        }
    }

    fn heed_slow(&mut self, policy: &Policy, now: Now, random: u32) -> Option<Transition> {
        let State::Closed(closed) = &mut self.state else {
            return None;
        };
        closed.measured.begin_overdue(now.monotonic);
        let reason = policy.trip.reached(&closed.measured, Counts::NONE, now.monotonic)?;
        Some(self.trip(policy, reason, None, now, random))
    }
}
