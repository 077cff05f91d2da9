//! Waits that let a few speak first, however many want to.

use core::time::Duration;

/// A share of the whole wait in so many parts.
const PARTS: u128 = 12 << 20;

/// How long to wait before something that few need do. `random` is uniform over all its values.
///
/// Few wait for a short time, and most for nearly all of `longest`: of every 4,096 one does not wait
/// at all, and their number doubles every twelfth of the time. Of some thousand that begin to wait
/// together so few speak within the time in which one learns what another has said.
#[must_use]
pub fn spread(longest: Duration, random: u32) -> Duration {
    let random = random | 1;
    let whole = 31_u32.saturating_sub(random.leading_zeros());
    // The logarithm of base 2, in 2^20 parts: a straight line from each power to the next.
    let part = (u64::from(random) << 20 >> whole).saturating_sub(1 << 20);
    let logarithm = (u64::from(whole) << 20).saturating_add(part);
    let parts = logarithm.saturating_sub(20 << 20);
    let nanos = longest.as_nanos().saturating_mul(parts.into()).div_euclid(PARTS);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(longest)
}
