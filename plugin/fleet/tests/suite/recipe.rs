//! The recipe's item, which its state machine and filters share.

use fleet::{By, Item, ItemAdvice, ItemChange, ItemState, Shared, Since};

const fn item(state: ItemState, failures: u64) -> Option<Item> {
    Some(Item { state, failures })
}

const CLOSED: Option<Item> = item(ItemState::Closed, 0);
const OPEN: Option<Item> = item(ItemState::Open, 3);

const NOTHING: Since = Since { failures: 0, succeeded: false, tripped: false };
const ONE_FAILED: Since = Since { failures: 1, succeeded: false, tripped: false };
const SUCCEEDED: Since = Since { failures: 0, succeeded: true, tripped: false };
const TRIPPED: Since = Since { failures: 0, succeeded: false, tripped: true };

#[test]
fn an_item_that_is_not_there_is_created_closed() {
    assert_eq!(Shared::new(true).change(None, ONE_FAILED), Some(ItemChange::Create));
}

#[test]
fn nothing_is_written_when_nothing_has_happened() {
    for shared in [Shared::new(true), Shared::new(false)] {
        for read in [CLOSED, OPEN, item(ItemState::Closed, 2), item(ItemState::HalfOpen, 0)] {
            assert_eq!(shared.change(read, NOTHING), None);
        }
    }
}

#[test]
fn own_failures_are_added_where_the_item_counts_and_kept_where_it_does_not() {
    assert_eq!(Shared::new(true).change(CLOSED, ONE_FAILED), Some(ItemChange::Failures(1)));
    assert_eq!(Shared::new(false).change(CLOSED, ONE_FAILED), None);
}

#[test]
fn a_success_ends_a_run_and_is_not_written_where_there_is_none() {
    let counts = Shared::new(true);
    assert_eq!(counts.change(item(ItemState::Closed, 2), SUCCEEDED), Some(ItemChange::Success));
    assert_eq!(counts.change(CLOSED, SUCCEEDED), None);
}

#[test]
fn a_failure_after_a_success_ends_the_run_first() {
    let since = Since { failures: 1, succeeded: true, tripped: false };
    let counts = Shared::new(true);
    assert_eq!(counts.change(item(ItemState::Closed, 2), since), Some(ItemChange::Success));
    assert_eq!(
        counts.change(CLOSED, Since { succeeded: false, ..since }),
        Some(ItemChange::Failures(1))
    );
}

#[test]
fn a_trip_opens_the_item_once() {
    let mut shared = Shared::new(false);
    assert_eq!(shared.change(CLOSED, TRIPPED), Some(ItemChange::Trip));
    shared.written(ItemChange::Trip);
    assert_eq!(shared.change(OPEN, TRIPPED), None);
}

#[test]
fn a_check_that_passes_closes_the_item() {
    assert_eq!(Shared::new(false).change(OPEN, SUCCEEDED), Some(ItemChange::Success));
}

#[test]
fn an_item_that_is_open_opens_the_breaker_whoever_wrote_it_and_when() {
    let mut shared = Shared::new(true);
    assert_eq!(shared.read(OPEN, None, 0), Some(ItemAdvice::Open));
    assert_eq!(shared.read(OPEN, Some(By::Fleet), 0), None);
}

#[test]
fn an_item_that_somebody_has_closed_closes_the_breaker() {
    for by in [By::Fleet, By::Itself] {
        let mut shared = Shared::new(true);
        assert_eq!(shared.read(OPEN, Some(by), 3), None);
        assert_eq!(shared.read(CLOSED, Some(by), 3), Some(ItemAdvice::Close));
    }
}

#[test]
fn an_item_that_is_not_open_yet_closes_no_breaker_that_has_just_tripped() {
    let mut shared = Shared::new(true);
    assert_eq!(shared.read(CLOSED, None, 0), None);
    assert_eq!(shared.read(CLOSED, Some(By::Itself), 3), None);
    shared.written(ItemChange::Trip);
    assert_eq!(shared.read(CLOSED, Some(By::Itself), 3), Some(ItemAdvice::Close));
}

#[test]
fn what_others_have_added_counts_as_ones_own_run() {
    let mut shared = Shared::new(true);
    assert_eq!(shared.read(item(ItemState::Closed, 2), None, 0), Some(ItemAdvice::Run(2)));
    assert_eq!(shared.read(item(ItemState::Closed, 2), None, 2), None);
    assert_eq!(Shared::new(false).read(item(ItemState::Closed, 2), None, 0), None);
}

/// The recipe's machine, as far as it writes, with the five repairs.
fn machine(item: &mut Item, up: bool, healthy: bool) -> &'static str {
    if item.state == ItemState::Open {
        if !healthy {
            return "fallback";
        }
        *item = Item { state: ItemState::Closed, failures: 0 };
    }
    if up {
        *item = Item { state: ItemState::Closed, failures: 0 };
        return "downstream";
    }
    item.failures += 1;
    if item.failures >= 3 {
        item.state = ItemState::Open;
    }
    "fallback"
}

/// A filter whose breaker trips on the third failure in a row and whose check closes.
struct Filter {
    shared: Shared,
    open: Option<By>,
    run: u32,
}

impl Filter {
    fn sync(&mut self, item: &mut Item, since: Since) {
        while let Some(change) = self.shared.change(Some(*item), since_of(since, *item)) {
            match change {
                ItemChange::Create => {}
                ItemChange::Success => *item = Item { state: ItemState::Closed, failures: 0 },
                ItemChange::Failures(number) => item.failures += u64::from(number),
                ItemChange::Trip => item.state = ItemState::Open,
            }
            self.shared.written(change);
            if !since.tripped || item.state == ItemState::Open {
                break;
            }
        }
        match self.shared.read(Some(*item), self.open, self.run) {
            Some(ItemAdvice::Open) => self.open = Some(By::Fleet),
            Some(ItemAdvice::Close) => (self.open, self.run) = (None, 0),
            Some(ItemAdvice::Run(run)) => self.run = run,
            None => {}
        }
    }

    fn step(&mut self, item: &mut Item, up: bool, healthy: bool) -> &'static str {
        self.sync(item, NOTHING);
        if self.open.is_some() && healthy {
            (self.open, self.run) = (None, 0);
            self.sync(item, SUCCEEDED);
        }
        if self.open.is_some() {
            return "fallback";
        }
        if up {
            self.run = 0;
            self.sync(item, SUCCEEDED);
            return "downstream";
        }
        self.run += 1;
        let tripped = self.run >= 3;
        if tripped {
            self.open = Some(By::Itself);
        }
        self.sync(item, Since { failures: 1, succeeded: false, tripped });
        "fallback"
    }
}

/// Failures that were added are not added again.
fn since_of(since: Since, item: Item) -> Since {
    Since { failures: if item.failures >= 3 { 0 } else { since.failures }, ..since }
}

#[test]
fn machine_and_filter_take_turns_on_one_item_and_agree() {
    use ItemState::{Closed, Open};
    const TRACE: [(bool, bool, &str, ItemState, u64); 12] = [
        (true, true, "downstream", Closed, 0),
        (true, true, "downstream", Closed, 0),
        (false, true, "fallback", Closed, 1),
        (false, true, "fallback", Closed, 2),
        (true, true, "downstream", Closed, 0),
        (false, false, "fallback", Closed, 1),
        (false, false, "fallback", Closed, 2),
        (false, false, "fallback", Open, 3),
        (false, false, "fallback", Open, 3),
        (true, false, "fallback", Open, 3),
        (true, true, "downstream", Closed, 0),
        (true, true, "downstream", Closed, 0),
    ];
    for filter_first in [true, false] {
        let mut item = Item { state: Closed, failures: 0 };
        let mut filter = Filter { shared: Shared::new(true), open: None, run: 0 };
        for (step, (up, healthy, answered, state, failures)) in TRACE.into_iter().enumerate() {
            let by = match (step % 2 == 0) == filter_first {
                true => filter.step(&mut item, up, healthy),
                false => machine(&mut item, up, healthy),
            };
            assert_eq!((by, item), (answered, Item { state, failures }), "step {}", step + 1);
        }
    }
}
