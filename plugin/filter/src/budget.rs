//! One budget of bytes for all that a worker copies: requests that may have to be sent again, with
//! their heads, and answers while they are copied to be kept.
//!
//! A worker has one memory, however many configurations are at work in it (listeners, updates), and
//! it is that memory that must not run out. So all copies of a worker are counted together, as
//! spare buffers for headers are kept together, and each configuration holds the sum against its
//! own limit.
//!
//! What has ended stays with its exchange, and is counted by a [`Claim`]. What has not may have to
//! go, so it lies here, and its exchange has a [`PendingCopy`] for it, which may come to nothing: where
//! room is needed, requests that have not ended go first, the oldest before all others, and then
//! answers that have not. So who sends what never ends makes room for everybody else. An answer
//! that has ended lies in the shared store, which has a bound of its own.

pub(crate) mod body;

use std::cell::{Cell, RefCell};

pub(crate) use body::Body;

use crate::effects::Effects;
use crate::headers::Headers;
use crate::sorted::SortedMap;
use crate::stale::entry::Entry;
use crate::telemetry::{ModuleMetric, SkipReason};

/// What a copy that has not ended takes beside its bytes: its place in the table.
const PLACE: usize = 192;

thread_local! {
    static SUMS: Cell<Sums> = const { Cell::new(Sums { all: 0, growing: 0 }) };
    static TABLE: RefCell<Table> = const { RefCell::new(Table::new()) };
    static SKIPPED: Cell<[u32; 2]> = const { Cell::new([0; 2]) };
}

/// Bytes of all copies of this worker.
#[derive(Clone, Copy)]
struct Sums {
    all: usize,
    /// Of those that may have to go.
    growing: usize,
}

impl Sums {
    fn get() -> Self {
        SUMS.try_with(Cell::get).unwrap_or(Self { all: usize::MAX, growing: 0 })
    }

    fn change(change: impl FnOnce(&mut Self)) {
        let _ = SUMS.try_with(|cell| {
            let mut sums = cell.get();
            change(&mut sums);
            cell.set(sums);
        });
    }

    /// As much of what may have to go is counted.
    fn grow(by: usize) {
        Self::change(|sums| {
            sums.all = sums.all.saturating_add(by);
            sums.growing = sums.growing.saturating_add(by);
        });
    }

    const fn leave(self, bytes: usize, limit: usize) -> bool {
        self.all.saturating_add(bytes) <= limit
    }
}

/// Bytes that count until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Claim(usize);

impl Claim {
    /// Claims so many bytes. `None`: there is no room.
    #[inline(always)]
    pub(crate) fn new(bytes: usize, limit: usize) -> Option<Self> {
        if !Sums::get().leave(bytes, limit) && !make_room(bytes, limit) {
            return None;
        }
        // Not beyond the limit.
        Sums::change(|sums| sums.all = sums.all.wrapping_add(bytes));
        Some(Self(bytes))
    }
}

impl Drop for Claim {
    #[inline(always)]
    fn drop(&mut self) {
        Sums::change(|sums| sums.all = sums.all.saturating_sub(self.0));
    }
}

#[cold]
#[inline(never)]
fn make_room(bytes: usize, limit: usize) -> bool {
    let room = with_table(|table| table.make_room(bytes, limit, None).then_some(())).is_some();
    if !room {
        skipped(SkipReason::Limit);
    }
    room
}

/// What is copied while it streams by, but for its body.
#[derive(Debug)]
pub(crate) enum Head {
    Request(Headers),
    Answer(Box<Entry>),
}

impl Head {
    fn size(&self) -> usize {
        match self {
            Self::Request(headers) => headers.size(),
            Self::Answer(entry) => entry.size(),
        }
    }

    /// Who came first goes first, but any request before any answer.
    const fn order(&self, number: u64) -> Order {
        match self {
            Self::Request(_) => number,
            Self::Answer(_) => number | ANSWERS,
        }
    }
}

type Order = u64;

/// The first of answers. No worker lives to see as many requests.
const ANSWERS: Order = 1 << 63;

#[derive(Debug)]
struct Growing {
    head: Head,
    body: Body,
    /// What is counted for it.
    counted: usize,
}

/// Copies that have not ended, in the order in which they go.
struct Table {
    copies: SortedMap<Order, Box<Growing>>,
    last: u64,
}

/// A copy that has not ended. It may have been evicted.
#[derive(Debug)]
pub(crate) struct PendingCopy(Order);

/// A copy that has ended.
#[derive(Debug)]
pub(crate) struct FinishedCopy {
    pub(crate) head: Head,
    pub(crate) body: Body,
    pub(crate) claim: Claim,
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// There is no room for it, or was none for what came before: the copy has gone.
    NoRoom,
    /// It cannot be had.
    Withheld,
}

impl PendingCopy {
    /// Begins a copy. `None`: there is no room for its head.
    #[inline(never)]
    pub(crate) fn begin(head: Head, limit: usize) -> Option<Self> {
        let counted = head.size().saturating_add(PLACE);
        let copy = with_table(|table| {
            table.last = table.last.wrapping_add(1);
            let order = head.order(table.last);
            table.make_room(counted, limit, Some(order)).then(|| {
                let copy = Growing { head, body: Body::default(), counted };
                table.copies.insert(order, Box::new(copy));
                Sums::grow(counted);
                Self(order)
            })
        });
        if copy.is_none() {
            skipped(SkipReason::Limit);
        }
        copy
    }

    /// Takes a piece of the body, `len` bytes long, which is asked for only if there is room.
    pub(crate) fn take(
        &self,
        len: usize,
        limit: usize,
        bytes: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Taken {
        let room = with_table(|table| {
            let more = table.copies.get_mut(self.0)?.body.growth(len);
            let room = table.make_room(more, limit, Some(self.0));
            if !room {
                table.remove(self.0);
                skipped(SkipReason::Limit);
            }
            room.then_some(())
        });
        if room.is_none() {
            return Taken::NoRoom;
        }
        let piece = match bytes() {
            Some(piece) if piece.len() == len => piece,
            _ => return Taken::Withheld,
        };
        let taken = with_table(|table| {
            let copy = table.copies.get_mut(self.0)?;
            let more = copy.body.push(piece);
            copy.counted = copy.counted.saturating_add(more);
            Sums::grow(more);
            Some(())
        });
        taken.map_or(Taken::NoRoom, |()| Taken::Yes)
    }

    /// Drops its body. The head stays for as long as there is room.
    pub(crate) fn keep_head(&self) {
        with_table(|table| {
            let copy = table.copies.get_mut(self.0)?;
            let counted = copy.head.size().saturating_add(PLACE);
            let less = copy.counted.saturating_sub(counted);
            (copy.body, copy.counted) = (Body::default(), counted);
            Sums::change(|sums| {
                sums.all = sums.all.saturating_sub(less);
                sums.growing = sums.growing.saturating_sub(less);
            });
            Some(())
        });
    }

    /// It has ended. `None`: it was evicted.
    pub(crate) fn finish(self) -> Option<FinishedCopy> {
        let Growing { head, body, counted } = *with_table(|table| table.remove(self.0))?;
        Sums::change(|sums| sums.all = sums.all.saturating_add(counted));
        Some(FinishedCopy { head, body, claim: Claim(counted) })
    }
}

impl Drop for PendingCopy {
    fn drop(&mut self) {
        drop(with_table(|table| table.remove(self.0)));
    }
}

impl Table {
    const fn new() -> Self {
        Self { copies: SortedMap::new(), last: 0 }
    }

    fn remove(&mut self, order: Order) -> Option<Box<Growing>> {
        let copy = self.copies.remove(order)?;
        Sums::change(|sums| {
            sums.all = sums.all.saturating_sub(copy.counted);
            sums.growing = sums.growing.saturating_sub(copy.counted);
        });
        Some(copy)
    }

    /// Makes room for so many bytes, if need be. Who has not ended itself takes it from those
    /// alone that go before.
    fn make_room(&mut self, bytes: usize, limit: usize, asking: Option<Order>) -> bool {
        while !Sums::get().leave(bytes, limit) {
            // In vain if even all of it were not enough.
            let Sums { all, growing } = Sums::get();
            if all.saturating_sub(growing).saturating_add(bytes) > limit {
                return false;
            }
            match self.copies.first_key() {
                Some(first) if asking.is_none_or(|asking| first < asking) => {
                    drop(self.remove(first));
                    skipped(SkipReason::Evicted);
                }
                _ => return false,
            }
        }
        true
    }
}

/// Works on the table. Nobody comes in while it is worked on, so it is always there.
fn with_table<R>(f: impl FnOnce(&mut Table) -> Option<R>) -> Option<R> {
    TABLE.try_with(|table| f(&mut *table.try_borrow_mut().ok()?)).ok().flatten()
}

/// Notes that a copy was not made, or not to its end.
#[cold]
fn skipped(reason: SkipReason) {
    let _ = SKIPPED.try_with(|cell| {
        let mut counts = cell.get();
        if let Some(count) = counts.get_mut(reason as usize) {
            *count = count.saturating_add(1);
        }
        cell.set(counts);
    });
}

/// Counts what was noted. Not every callback can count, so this is left to the timer's; what is too
/// much for one is left to the next.
pub(crate) fn count_skipped(effects: &mut Effects) {
    const AT_ONCE: u32 = 4096;
    let mut counts = SKIPPED.try_with(Cell::get).unwrap_or_default();
    for (reason, count) in SkipReason::ALL.into_iter().zip(&mut counts) {
        let now = AT_ONCE.min(*count);
        *count = count.saturating_sub(now);
        (0..now).for_each(|_| effects.count(ModuleMetric::CopiesSkipped(reason)));
    }
    let _ = SKIPPED.try_with(|cell| cell.set(counts));
}
