//! Requests that run again: the second stream is told what the first has found out.
//!
//! Envoy makes the second stream while the first one ends, on the same thread. So what it is told lies
//! beside the request, where no client can put anything.

use std::cell::Cell;
use std::ptr;

use filter::Rerun;

use crate::envoy::OnStream;

thread_local! {
    /// While a request is made to run again.
    static RUNNING: Cell<Option<Running>> = const { Cell::new(None) };
}

/// First its streams end, and then those of its second run begin.
struct Running {
    told: Vec<HandedOver>,
    has_begun: bool,
}

/// Which of a request's filters: where its configuration is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(*const ());

impl Place {
    pub(crate) const fn of<C>(configuration: &C) -> Self {
        Self(ptr::from_ref(configuration).cast())
    }
}

/// What the second run of a request is told, at this place among its filters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HandedOver {
    place: Place,
    rerun: Box<Rerun>,
}

impl HandedOver {
    pub(crate) const fn new(place: Place, rerun: Box<Rerun>) -> Self {
        Self { place, rerun }
    }

    /// Has a request run again; whether it does, and its stream is gone.
    pub(crate) fn run(self, stream: OnStream) -> bool {
        let before = replace(Some(Running { told: vec![self], has_begun: false }));
        let runs = stream.rerun();
        replace(before);
        runs
    }
}

/// Whether a request is made to run again, and the streams of its first run end.
pub(crate) fn is_ending() -> bool {
    let mut is_ending = false;
    change(|running| is_ending = !running.has_begun);
    is_ending
}

/// A second run ends, perhaps for a further one that another configuration wants, which is to know as
/// much: it would never end otherwise.
pub(crate) fn hand_on(place: Place, rerun: &Rerun) {
    change(|running| {
        if !running.has_begun {
            running.told.push(HandedOver::new(place, Box::new(rerun.clone())));
        }
    });
}

/// What a new stream is told, at this place. `None`: its request has just come.
#[inline]
pub(crate) fn take(place: Place) -> Option<Box<Rerun>> {
    let mut taken = None;
    change(|running| {
        running.has_begun = true;
        let index = running.told.iter().position(|it| it.place == place);
        taken = index.map(|index| running.told.swap_remove(index).rerun);
    });
    taken
}

fn change(change: impl FnOnce(&mut Running)) {
    if let Some(mut running) = replace(None) {
        change(&mut running);
        replace(Some(running));
    }
}

fn replace(running: Option<Running>) -> Option<Running> {
    RUNNING.try_with(|cell| cell.replace(running)).ok().flatten()
}
