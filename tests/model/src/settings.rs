//! What a model is about: the policies, and how far it goes.

use std::num::NonZeroU32;
use std::time::Duration;

use breaker::{
    AfterCheck, HalfOpenPolicy, HealthCheckPolicy, Mode, Now, OpenPolicy, Policy, Rate, Timestamp,
    TripPolicy, UnixTime,
};

/// One step of time.
pub(crate) const STEP: Duration = Duration::from_secs(1);

/// How long a trial may take, in steps.
const TRIAL: u8 = 2;

/// When every story begins.
const START: Timestamp = Timestamp::from_nanos(1_000_000_000_000);

/// How far a model goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Workers that share the store.
    pub workers: usize,
    /// Services, each with a breaker of its own.
    pub services: usize,
    /// Steps of time.
    pub steps: u8,
    /// Calls that ask for admission.
    pub calls: u8,
    /// Workers that are lost with all that they hold, and come back empty.
    pub crashes: u8,
    /// Workers that get the other policy.
    pub reloads: u8,
}

/// What a model is about.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How far it goes.
    pub bounds: Bounds,
    /// What each worker begins with, and what it has after a reload.
    pub policies: [Policy; 2],
    /// Whether the store writes only if nobody has written since. If not, it is one that loses.
    pub compares: bool,
}

impl Settings {
    /// Two failures in a row open, after a step one of at most two trials decides, and after a
    /// reload one failure opens.
    #[must_use]
    pub fn by_trials(bounds: Bounds) -> Self {
        let policy = |failures| Policy {
            mode: Mode::Enabled,
            trip: TripPolicy {
                consecutive_failures: Some(count(failures)),
                rates: None,
                adaptive: None,
                overdue_after: None,
            },
            open: OpenPolicy {
                wait: STEP,
                backoff_rate: Rate::from_thousandths(2_000),
                max_wait: STEP * 2,
                jitter_percent: 0,
                honor_retry_after: false,
                on_retry_after: false,
            },
            half_open: HalfOpenPolicy {
                permitted_calls: count(2),
                success_threshold: count(2),
                failure_threshold: count(1),
                max_wait: STEP * u32::from(TRIAL),
                ramp: Duration::ZERO,
            },
            health_check: None,
        };
        Self { bounds, policies: [policy(2), policy(1)], compares: true }
    }

    /// The same with a health check that comes before the trials; after a reload it closes without
    /// them, by other settings.
    #[must_use]
    pub fn by_checks(bounds: Bounds) -> Self {
        let mut settings = Self::by_trials(bounds);
        let checks = [(AfterCheck::HalfOpen, 1), (AfterCheck::Close, 2)];
        for (policy, (then, number)) in settings.policies.iter_mut().zip(checks) {
            policy.health_check = Some(HealthCheckPolicy {
                interval: STEP,
                timeout: STEP,
                healthy_threshold: NonZeroU32::MIN,
                then,
                retry: None,
                settings: number,
            });
        }
        settings
    }

    pub(crate) fn policy(&self, number: u8) -> &Policy {
        let [before, after] = &self.policies;
        if number == 0 { before } else { after }
    }
}

/// When a trial that was admitted at this time has to have ended.
pub(crate) const fn deadline(admitted: u8) -> u8 {
    admitted.saturating_add(TRIAL)
}

/// The time after so many steps.
pub(crate) fn at(steps: u8) -> Now {
    let monotonic = START.after(STEP * u32::from(steps));
    Now { monotonic, wall: UnixTime::from_nanos(0) }
}

fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
