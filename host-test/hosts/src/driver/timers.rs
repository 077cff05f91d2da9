//! Virtual time of a host: which tick or deadline comes next.

use std::time::Duration;

/// Ticks of threads and deadlines of callouts, in the one order that all hosts keep: by time, then
/// deadlines in the order in which they were set, then ticks by thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers<T> {
    now: Duration,
    threads: Vec<Option<Ticking>>,
    deadlines: Vec<(Duration, T)>,
}

#[derive(Clone, Copy, Debug)]
struct Ticking {
    period: Duration,
    next: Duration,
}

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due<T> {
    /// A deadline has come.
    Deadline(T),
    /// A thread ticks.
    Tick(usize),
}

impl<T> Timers<T> {
    /// Time since the beginning.
    pub(crate) const fn now(&self) -> Duration {
        self.now
    }

    /// A thread ticks from now on, as often as this; zero: never.
    pub(crate) fn tick_every(&mut self, thread: usize, period: Duration) {
        if self.threads.len() <= thread {
            self.threads.resize(thread.saturating_add(1), None);
        }
        let next = self.now.saturating_add(period);
        if let Some(place) = self.threads.get_mut(thread) {
            *place = (!period.is_zero()).then_some(Ticking { period, next });
        }
    }

    /// Something is due after so much time, unless it is forgotten before.
    pub(crate) fn set_deadline(&mut self, after: Duration, what: T) {
        self.deadlines.push((self.now.saturating_add(after), what));
    }

    /// Takes the deadlines back for which this is true.
    pub(crate) fn forget(&mut self, mut which: impl FnMut(&T) -> bool) {
        self.deadlines.retain(|(_, what)| !which(what));
    }

    /// Goes on to what is due next, at `end` at the latest; `None`: nothing until then, and the time
    /// is now `end`.
    pub(crate) fn next(&mut self, end: Duration) -> Option<Due<T>> {
        let deadline = self.deadlines.iter().enumerate().map(|(index, (at, _))| (*at, 0, index));
        let ticks = self.threads.iter().enumerate();
        let ticks = ticks.filter_map(|(thread, ticking)| Some(((*ticking)?.next, 1, thread)));
        let first = deadline.chain(ticks).min().filter(|(at, ..)| *at <= end);
        let Some((at, kind, index)) = first else {
            self.now = self.now.max(end);
            return None;
        };
        self.now = self.now.max(at);
        if kind == 0 {
            return Some(Due::Deadline(self.deadlines.remove(index).1));
        }
        if let Some(Some(ticking)) = self.threads.get_mut(index) {
            ticking.next = ticking.next.saturating_add(ticking.period);
        }
        Some(Due::Tick(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn deadlines_come_before_ticks_of_the_same_moment_and_threads_in_order() {
        let mut timers = Timers::default();
        timers.tick_every(1, SECOND);
        timers.tick_every(0, SECOND);
        timers.set_deadline(SECOND, "a");
        timers.set_deadline(2 * SECOND, "forgotten");
        timers.forget(|what| *what == "forgotten");
        let end = 2 * SECOND;
        let due: Vec<_> = std::iter::from_fn(|| timers.next(end)).collect();
        let expected = [Due::Deadline("a"), Due::Tick(0), Due::Tick(1), Due::Tick(0), Due::Tick(1)];
        assert_eq!(due, expected);
        assert_eq!(timers.now(), end);
    }

    #[test]
    fn time_in_pieces_brings_the_same_ticks_as_time_in_one() {
        let ticks = |pieces: u32| {
            let mut timers = Timers::<()>::default();
            timers.tick_every(0, Duration::from_millis(700));
            let mut at = Vec::new();
            for piece in 1..=pieces {
                while timers.next(6 * SECOND * piece / pieces).is_some() {
                    at.push(timers.now());
                }
            }
            at
        };
        assert_eq!(ticks(1), ticks(6));
        assert_eq!(ticks(1).len(), 8);
    }
}
