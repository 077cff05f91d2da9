//! The streams under way, by the proxy's numbers, which are given out in their order.
//!
//! Each has its place by its number, or the next that is free, and is made, found and dropped
//! there. A general table took twice as many instructions to begin and to end a stream: it mixes
//! the numbers, and moves what it keeps.

use std::mem;
use std::rc::Rc;

use crate::host::{self, LogLevel};
use crate::root::Worker;
use crate::stream::Stream;

const FEWEST: usize = 16;
/// How many places there may be before any stream has ended. A proxy that withholds the callback for
/// that would have the table grow for ever.
const MOST_UNENDED: usize = 8192;

/// A table of which at least half is free.
pub(crate) struct Streams {
    /// Their number is a power of two, or none.
    places: Vec<Option<Stream>>,
    len: usize,
    /// Whether any has ended.
    ended: bool,
    /// Whether it was logged that none does.
    warned: bool,
}

impl Streams {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), len: 0, ended: false, warned: false }
    }

    /// Adds a stream, in place of one with the same number. It is left alone if there is no room.
    pub(crate) fn begin(&mut self, number: u32, worker: &Rc<Worker>) {
        if self.len >= self.places.len() / 2 && !self.grow() {
            return;
        }
        let place = self.place(number);
        if let Some(place) = self.places.get_mut(place) {
            self.len = self.len.saturating_add(usize::from(place.is_none()));
            // Made where it stays: to be moved there took longer than all else.
            *place = Some(Stream::new(number, Rc::clone(worker)));
        }
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Stream> {
        let place = self.place(number);
        self.places.get_mut(place)?.as_mut()
    }

    /// Drops a stream, and moves those up that it has kept from their places.
    pub(crate) fn remove(&mut self, number: u32) {
        let mut gap = self.place(number);
        let Some(stream) = self.places.get_mut(gap) else {
            return;
        };
        self.len = self.len.saturating_sub(usize::from(stream.is_some()));
        self.ended = true;
        *stream = None;
        let mut place = self.after(gap);
        while let Some(Some(other)) = self.places.get(place) {
            let wanted = self.first_place(other.number);
            if self.distance(wanted, place) >= self.distance(gap, place) {
                self.places.swap(gap, place);
                gap = place;
            }
            place = self.after(place);
        }
    }

    /// The place of a number: where its stream is, or would be. Shared by all callbacks, so that
    /// each finds it at hand.
    #[inline(never)]
    fn place(&self, number: u32) -> usize {
        let mut place = self.first_place(number);
        while let Some(Some(stream)) = self.places.get(place)
            && stream.number != number
        {
            place = self.after(place);
        }
        place
    }

    const fn first_place(&self, number: u32) -> usize {
        number as usize & self.mask()
    }

    const fn after(&self, place: usize) -> usize {
        place.wrapping_add(1) & self.mask()
    }

    /// How many places on from one another is.
    const fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.mask()
    }

    const fn mask(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }

    /// Makes room, if there may be more.
    #[cold]
    fn grow(&mut self) -> bool {
        if self.places.len() >= MOST_UNENDED && !self.ended {
            self.warn_once();
            return false;
        }
        let len = self.places.len().saturating_mul(2).max(FEWEST);
        let streams = mem::replace(&mut self.places, (0..len).map(|_| None).collect());
        for stream in streams.into_iter().flatten() {
            let place = self.place(stream.number);
            if let Some(place) = self.places.get_mut(place) {
                *place = Some(stream);
            }
        }
        true
    }

    fn warn_once(&mut self) {
        if !mem::replace(&mut self.warned, true) {
            let streams = self.len;
            let line = format!(
                "edge-breaker event=callback_missing callback=proxy_on_delete problem=\"{streams} \
                 streams began and none has ended: those that begin now are not guarded\" \
                 remedy=\"allow it (docs/security.md)\""
            );
            host::log(LogLevel::Error, &line);
        }
    }
}
