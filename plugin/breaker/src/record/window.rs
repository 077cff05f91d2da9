//! How the latest calls are written down: which window is in force, and what is in it.

use core::num::NonZeroU32;
use core::time::Duration;

use super::bytes::{DecodeError, Reader, Writer};
use crate::counts::Counts;
use crate::state::Closed;
use crate::time::nanos;
use crate::trip::WindowPolicy;
use crate::window::{Bits, Counted, MAX_WINDOW_CALLS, Timed, Window};

/// Bytes before the calls themselves.
pub(super) const HEAD_LEN: usize = 16;

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

pub(super) fn put(closed: &Closed, out: &mut Writer<'_>) {
    out.put(&closed.bad.to_le_bytes());
    match &closed.window {
        Window::None => {}
        Window::Timed(Timed { newest, buckets, .. }) => {
            out.put(&[0; 4]);
            out.put(&newest.to_le_bytes());
            for Counts { calls, failures, slow } in buckets {
                for number in [calls, failures, slow] {
                    out.put(&number.to_le_bytes());
                }
            }
        }
        Window::Counted(Counted { len, next, failed, slow, .. }) => {
            out.put(&len.to_le_bytes());
            out.put(&next.to_le_bytes());
            out.put(&[0; 8]);
            for word in failed.0.iter().chain(&slow.0) {
                out.put(&word.to_le_bytes());
            }
        }
    }
}

/// The number of bad calls, and the window.
pub(super) fn read(
    policy: Option<WindowPolicy>,
    input: &mut Reader<'_>,
) -> Result<(u32, Window), DecodeError> {
    let bad = input.number_u32()?;
    let mut window = Window::new(policy);
    let possible = match &mut window {
        Window::None => true,
        Window::Timed(window) => {
            input.array::<4>()?;
            window.newest = input.number_u64()?;
            for bucket in &mut window.buckets {
                *bucket = Counts {
                    calls: input.number_u32()?,
                    failures: input.number_u32()?,
                    slow: input.number_u32()?,
                };
            }
            window.buckets.iter().all(|it| it.failures <= it.calls && it.slow <= it.calls)
        }
        Window::Counted(window) => {
            window.len = input.number_u16()?;
            window.next = input.number_u16()?;
            input.array::<8>()?;
            let Bits(failed) = &mut window.failed;
            let Bits(slow) = &mut window.slow;
            for word in failed.iter_mut().chain(slow) {
                *word = input.number_u64()?;
            }
            window.is_possible()
        }
    };
    if possible { Ok((bad, window)) } else { Err(IMPOSSIBLE) }
}
