//! What a policy changes of a breaker that others have brought about.

use crate::adaptive::Adaptive;
use crate::breaker::Breaker;
use crate::policy::Policy;
use crate::state::State;
use crate::time::Timestamp;
use crate::window::WindowPolicy;

impl Breaker {
    /// Puts in force what all workers share of a policy: its window of calls, and its health check.
    ///
    /// Calls that are in the window already are kept as far as they fit. Another policy's check,
    /// such as that of a replaced configuration, is not made from now on, unless a call of that
    /// policy trips this breaker, or the check in force is abandoned. A policy without a window or
    /// a check leaves those in force alone: it may be that of a listener which only shows them.
    pub fn sync(&mut self, policy: &Policy, now: Timestamp) {
        self.sync_window(policy);
        self.ensure_rule(policy);
        self.sync_check(policy, now);
    }

    fn sync_window(&mut self, policy: &Policy) {
        let wanted = policy.trip.window().map(WindowPolicy::bounded);
        if wanted.is_none() || wanted == self.window {
            return;
        }
        self.window = wanted;
        if let State::Closed(closed) = &mut self.state {
            closed.measured.window = closed.measured.window.refitted(wanted);
        }
    }

    /// Gives a record that has no window or no adaptive rule what this policy wants: a breaker that
    /// was started over has none.
    pub(crate) fn ensure_kept(&mut self, policy: &Policy) {
        if self.window.is_none() {
            self.sync_window(policy);
        }
        self.ensure_rule(policy);
    }

    /// What another policy's rule has learned is as true for this one's.
    fn ensure_rule(&mut self, policy: &Policy) {
        if policy.trip.adaptive.is_some() && self.adaptive.is_none() {
            self.adaptive = Some(Adaptive::new());
        }
    }

    pub(crate) fn sync_check(&mut self, policy: &Policy, now: Timestamp) {
        let Some(check) = &policy.health_check else {
            return;
        };
        if check.settings == self.check_settings {
            return;
        }
        self.bound(policy, now);
        self.check_settings = check.settings;
        if let State::Open(open) = &mut self.state {
            open.check.start_over(open.retry_at.max(now));
        }
    }

    /// Cuts short what would last longer than this policy lets anything last. Such times come from
    /// before the clock stepped back, from other settings, or from nobody: whatever a record says,
    /// what waits for it waits for no longer. Until it is stored, the longest wait begins anew with
    /// each look, so whoever looks stores it.
    pub fn bound(&mut self, policy: &Policy, now: Timestamp) {
        match &mut self.state {
            State::Closed(closed) => closed.bound(now),
            State::Open(open) => {
                let max_wait = policy.open.max_wait;
                open.opened_at = open.opened_at.min(now);
                open.retry_at = open.retry_at.min(now.after(max_wait));
                open.trials.bound(&policy.half_open, now);
                if let Some(health_check) = &policy.health_check {
                    match self.check_settings == health_check.settings {
                        true => open.check.bound(health_check, max_wait, now),
                        false => open.check.bound_of_others(health_check, max_wait, now),
                    }
                }
            }
            State::HalfOpen(half_open) => half_open.bound(&policy.half_open, now),
        }
    }
}
