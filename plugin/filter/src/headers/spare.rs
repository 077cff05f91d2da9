//! LocalState that headers have left, for the next ones.
//!
//! Headers come with each request and each answer, and are gone soon after. To have them
//! allocated and freed was a tenth of what the closed path ran through.

use std::cell::RefCell;

/// The most buffers that are kept: what as many requests under way have left.
const MOST: usize = 64;
/// The room of each: most messages' headers fit.
const ROOM: usize = 1024;
/// What is smaller is a name or a value.
const SMALLEST: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for so many bytes.
#[inline]
pub(super) fn take(size: usize) -> Vec<u8> {
    if !(SMALLEST..=ROOM).contains(&size) {
        return allocate(size);
    }
    let spare = SPARE.try_with(|spare| spare.try_borrow_mut().ok()?.pop()).ok().flatten();
    spare.unwrap_or_else(|| allocate(ROOM))
}

#[cold]
#[inline(never)]
fn allocate(size: usize) -> Vec<u8> {
    Vec::with_capacity(size)
}

/// Keeps a buffer, if it is one of those that are taken again.
#[inline]
pub(super) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() == ROOM {
        buffer.clear();
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.try_borrow_mut().ok()?;
            (spare.len() < MOST).then(|| spare.push(buffer))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> usize {
        SPARE.with_borrow(Vec::len)
    }

    #[test]
    fn a_buffer_that_was_given_is_taken_again() {
        let buffer = take(SMALLEST);
        let place = buffer.as_ptr();
        give(buffer);
        let again = take(ROOM);
        assert_eq!((again.as_ptr(), again.len(), kept()), (place, 0, 0));
    }

    #[test]
    fn a_buffer_always_has_the_room_that_was_asked_for() {
        give(take(ROOM));
        for size in [0, 1, SMALLEST - 1, SMALLEST, ROOM, ROOM + 1, 64 * ROOM] {
            assert!(take(size).capacity() >= size, "{size}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_in_size_and_number() {
        for size in [0, SMALLEST - 1, ROOM + 1] {
            give(take(size));
            assert_eq!(kept(), 0, "{size}");
        }
        let buffers: Vec<_> = (0..2 * MOST).map(|_| take(SMALLEST)).collect();
        buffers.into_iter().for_each(give);
        assert_eq!(kept(), MOST);
    }
}
