//! How the latest calls are written down: which window is in force, and what is in it.

use core::num::NonZeroU32;
use core::time::Duration;

use super::bytes::{DecodeError, Reader, Writer};
use crate::counts::Counts;
use crate::time::nanos;
use crate::trip::{Measured, OverdueCalls};
use crate::window::{Bits, Counted, MAX_WINDOW_CALLS, Timed, Window, WindowPolicy};

/// Set in the code of a window over a number of calls; else it is a time in nanoseconds.
const CALLS: u64 = 1 << 63;

const IMPOSSIBLE: DecodeError = DecodeError::Value { field: "window" };

pub(super) fn code_of(policy: Option<WindowPolicy>) -> u64 {
    match policy {
        None => 0,
        Some(WindowPolicy::Time(length)) => nanos(length),
        Some(WindowPolicy::Calls(size)) => CALLS | u64::from(size.get()),
    }
}

pub(super) fn of_code(code: u64) -> Result<Option<WindowPolicy>, DecodeError> {
    if code == 0 {
        return Ok(None);
    }
    if code & CALLS == 0 {
        return Ok(Some(WindowPolicy::Time(Duration::from_nanos(code))));
    }
    let size = u32::try_from(code & !CALLS).ok().and_then(NonZeroU32::new);
    let size = size.filter(|size| size.get() <= MAX_WINDOW_CALLS).ok_or(IMPOSSIBLE)?;
    Ok(Some(WindowPolicy::Calls(size)))
}

/// Writes the number of bad calls and the window's own numbers to the one part, its calls to the other.
/// Calls that are overdue stand where there is room.
pub(super) fn put(measured: &Measured, head: &mut Writer<'_>, calls: &mut Writer<'_>) {
    let OverdueCalls { number, added } = measured.overdue;
    let overdue = [number, added].map(u32::to_le_bytes);
    head.put(&measured.bad.to_le_bytes());
    match &measured.window {
        Window::None => {}
        Window::Timed(Timed { newest, buckets, .. }) => {
            head.part(4);
            head.put(&newest.to_le_bytes());
            for Counts { calls: all, failures, slow } in buckets {
                for number in [all, failures, slow] {
                    calls.put(&number.to_le_bytes());
                }
            }
            overdue.iter().for_each(|number| calls.put(number));
        }
        Window::Counted(Counted { len, next, failed, slow, .. }) => {
            head.put(&len.to_le_bytes());
            head.put(&next.to_le_bytes());
            overdue.iter().for_each(|number| head.put(number));
            for word in failed.0.iter().chain(&slow.0) {
                calls.put(&word.to_le_bytes());
            }
        }
    }
}

/// Reads them again.
pub(super) fn read(
    policy: Option<WindowPolicy>,
    failures: u32,
    head: &mut Reader<'_>,
    calls: &mut Reader<'_>,
) -> Result<Measured, DecodeError> {
    let bad = head.number_u32()?;
    let mut overdue = OverdueCalls::NONE;
    let mut window = Window::new(policy);
    let possible = match &mut window {
        Window::None => true,
        Window::Timed(window) => {
            head.part(4)?;
            window.newest = head.number_u64()?;
            for bucket in &mut window.buckets {
                *bucket = Counts {
                    calls: calls.number_u32()?,
                    failures: calls.number_u32()?,
                    slow: calls.number_u32()?,
                };
            }
            overdue = overdue_of(calls)?;
            window.buckets.iter().all(|it| it.failures <= it.calls && it.slow <= it.calls)
        }
        Window::Counted(window) => {
            window.len = head.number_u16()?;
            window.next = head.number_u16()?;
            overdue = overdue_of(head)?;
            let Bits(failed) = &mut window.failed;
            let Bits(slow) = &mut window.slow;
            for word in failed.iter_mut().chain(slow) {
                *word = calls.number_u64()?;
            }
            window.is_possible()
        }
    };
    if possible { Ok(Measured { failures, bad, window, overdue }) } else { Err(IMPOSSIBLE) }
}

fn overdue_of(from: &mut Reader<'_>) -> Result<OverdueCalls, DecodeError> {
    Ok(OverdueCalls { number: from.number_u32()?, added: from.number_u32()? })
}
