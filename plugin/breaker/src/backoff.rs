//! How waits grow, and how they are spread so that not all come back at once.

use core::time::Duration;

use crate::policy::{OpenPolicy, Rate};
use crate::time::nanos;

/// `base` multiplied by `rate` `steps` times, at most `max`.
pub(crate) fn grown(base: Duration, rate: Rate, steps: u32, max: Duration) -> Duration {
    let max_nanos = u128::from(nanos(max));
    let mut wait = u128::from(nanos(base)).min(max_nanos);
    for _ in 0..steps {
        let next = wait.saturating_mul(u128::from(rate.thousandths())) / 1_000;
        if next == wait {
            break;
        }
        wait = next;
        if wait >= max_nanos {
            wait = max_nanos;
            break;
        }
    }
    Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
}

/// How long the breaker stays open after the `trips`-th trip in a row.
///
/// From the second one on, what let the service back is known to have been wrong, and no wait is
/// shorter than `pause`. Waits grow from it, too: nothing grows from no wait at all.
///
/// The spread fits below the maximum: a wait that has reached it is centred lower, so that
/// breakers that have all reached it still do not come back in step. `random` is uniform.
pub(crate) fn open_wait(
    policy: &OpenPolicy,
    pause: Duration,
    trips: u32,
    retry_after: Option<Duration>,
    random: u32,
) -> Duration {
    let percent = u128::from(policy.jitter_percent.min(100));
    let highest = 100_u128.saturating_add(percent);
    let max = u128::from(nanos(policy.max_wait));
    let shortest = if trips > 1 { pause } else { Duration::ZERO };
    let first = policy.wait.max(shortest);
    let grown = grown(first, policy.backoff_rate, trips.saturating_sub(1), policy.max_wait);
    let centre = u128::from(nanos(grown)).min(max.saturating_mul(100).div_euclid(highest.max(1)));
    // From 100 - jitter to 100 + jitter, in 2^32 steps.
    let lowest = 100_u128.saturating_sub(percent).saturating_mul(1 << 32);
    let share = lowest.saturating_add(percent.saturating_mul(2).saturating_mul(random.into()));
    let spread = (centre.saturating_mul(share) >> 32) / 100;
    let spread = Duration::from_nanos(u64::try_from(spread).unwrap_or(u64::MAX));
    let asked = match retry_after {
        Some(asked) if policy.honor_retry_after => asked,
        _ => Duration::ZERO,
    };
    spread.max(asked).max(shortest).min(policy.max_wait)
}
