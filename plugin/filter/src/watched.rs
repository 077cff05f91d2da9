//! The calls of one worker that are under way, and may turn out to hang: from when their requests are
//! complete until an answer begins.
//!
//! They are looked through by each tick, in one list for all services: a worker's memory is bounded,
//! however many services there are. A call that finds no place counts when it has ended.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;

use breaker::{Told, UnderWay};

use crate::instances::Number;

/// The most calls that are looked at.
const MOST: usize = 16 * 1024;

/// Where a call stands in the list until it is [taken out](Watched::end).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that has ended is under way no more"]
pub(crate) struct Place(NonZeroU32);

/// The list.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    places: RefCell<Places>,
    number: Cell<usize>,
}

#[derive(Debug, Default)]
struct Places {
    all: Vec<Entry>,
    /// The first one that is free.
    free: Option<usize>,
}

#[derive(Debug)]
enum Entry {
    Taken(Number, UnderWay),
    /// And so is that one.
    Free(Option<usize>),
}

impl Watched {
    /// Whether there are none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.number.get() == 0
    }

    /// Adds a call of a breaker. `None`: there is no room.
    pub(crate) fn begin(&self, breaker: Number, call: UnderWay) -> Option<Place> {
        let mut places = self.places.try_borrow_mut().ok()?;
        let place = places.take(Entry::Taken(breaker, call))?;
        self.number.set(self.number.get().saturating_add(1));
        Place::of(place)
    }

    /// A call is under way no more: what its breaker was told of it.
    pub(crate) fn end(&self, place: Place) -> Told {
        let Ok(mut places) = self.places.try_borrow_mut() else {
            return Told::default();
        };
        self.number.set(self.number.get().saturating_sub(1));
        places.give_back(place.index()).map(|call| call.told()).unwrap_or_default()
    }

    /// Those that this is true of, with the numbers of their places.
    pub(crate) fn those(
        &self,
        mut is_one: impl FnMut(Number, &UnderWay) -> bool,
    ) -> Vec<(usize, Number, UnderWay)> {
        let Ok(places) = self.places.try_borrow() else {
            return Vec::new();
        };
        let taken = places.all.iter().enumerate().filter_map(|(place, entry)| match entry {
            Entry::Taken(breaker, call) if is_one(*breaker, call) => Some((place, *breaker, *call)),
            Entry::Taken(..) | Entry::Free(_) => None,
        });
        taken.collect()
    }

    /// A call is this by now. Nothing has ended since it was looked at.
    pub(crate) fn set(&self, place: usize, now: UnderWay) {
        if let Ok(mut places) = self.places.try_borrow_mut()
            && let Some(Entry::Taken(_, call)) = places.all.get_mut(place)
        {
            *call = now;
        }
    }
}

impl Place {
    fn of(index: usize) -> Option<Self> {
        NonZeroU32::new(u32::try_from(index).ok()?.saturating_add(1)).map(Self)
    }

    fn index(&self) -> usize {
        usize::try_from(self.0.get().saturating_sub(1)).unwrap_or(usize::MAX)
    }
}

impl Places {
    fn take(&mut self, entry: Entry) -> Option<usize> {
        if let Some(place) = self.free
            && let Some(free) = self.all.get_mut(place)
        {
            let Entry::Free(next) = std::mem::replace(free, entry) else {
                return None;
            };
            self.free = next;
            return Some(place);
        }
        let place = self.all.len();
        (place < MOST).then(|| {
            self.all.push(entry);
            place
        })
    }

    fn give_back(&mut self, place: usize) -> Option<UnderWay> {
        let entry = self.all.get_mut(place)?;
        let Entry::Taken(_, call) = *entry else {
            return None;
        };
        *entry = Entry::Free(self.free.replace(place));
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use breaker::{Breaker, Timestamp};
    use config::Config;

    use super::*;

    const BREAKER: Number = Number::Fixed(0);

    fn call(since: u64) -> UnderWay {
        let config = Config::parse(br#"{"services": [{"name": "a", "match": {"hosts": ["a"]}}]}"#);
        let policy = config.unwrap().services.remove(0).policy;
        let permit = Breaker::new().clean(&policy).unwrap().permit().unwrap();
        UnderWay::new(&permit, Timestamp::from_nanos(since))
    }

    fn all(watched: &Watched) -> Vec<UnderWay> {
        watched.those(|_, _| true).into_iter().map(|(_, _, call)| call).collect()
    }

    #[test]
    fn a_place_is_free_again_when_its_call_has_ended() {
        let watched = Watched::default();
        let [first, second] = [1, 2].map(|since| watched.begin(BREAKER, call(since)).unwrap());
        assert_eq!(all(&watched), [call(1), call(2)]);
        watched.end(first);
        assert_eq!(all(&watched), [call(2)]);
        let third = watched.begin(BREAKER, call(3)).unwrap();
        assert_eq!(all(&watched), [call(3), call(2)]);
        assert!(!watched.is_empty());
        watched.end(second);
        watched.end(third);
        assert!(watched.is_empty() && all(&watched).is_empty());
    }

    #[test]
    fn beyond_the_bound_a_call_has_no_place() {
        let watched = Watched::default();
        let call = call(1);
        let mut places: Vec<_> = (0..MOST).map(|_| watched.begin(BREAKER, call).unwrap()).collect();
        assert_eq!(watched.begin(BREAKER, call), None);
        watched.end(places.pop().unwrap());
        assert!(watched.begin(BREAKER, call).is_some());
        assert_eq!(watched.begin(BREAKER, call), None);
    }
}
