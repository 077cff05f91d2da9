//! One process's part, step by step.

use std::time::Duration;

use breaker::{Breaker, Generation, Mode, Timestamp};
use fleet::{
    Advice, Answer, By, CheckSaid, Entry, Fault, Fleet, FleetPolicy, Identity, Lease, LeaseState,
    NextCheck, Opened, Own, Probe, ProcessId, Regions, Report, Request, Row, Scope, Sorted,
    Standing, SyncResult,
};

const ME: ProcessId = ProcessId::from_bits(1);

struct One {
    fleet: Fleet,
    now: Timestamp,
    row: Row,
    other: Option<Row>,
    /// Whether swaps are refused.
    refuses: bool,
}

fn policy() -> FleetPolicy {
    FleetPolicy {
        region: "a".to_owned(),
        sync_interval: Duration::from_secs(1),
        timeout: Duration::from_millis(500),
        max_staleness: Duration::from_secs(10),
        quorum: 2,
        scope: Scope::Region,
        probe: Probe::One,
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

const fn idle() -> Own {
    Own::Closed { succeeded: None }
}

fn opened(by: By, generation: Generation) -> Own {
    let check = NextCheck { interval: Duration::from_secs(5), due: Timestamp::default() };
    Own::Open(Opened { generation, by, check: Some(check), until: at(1_000_000) })
}

fn first_period() -> Generation {
    Breaker::new().status(Mode::Enabled).generation
}

impl One {
    /// A process that is old enough, and has looked once.
    fn new(adapt: impl FnOnce(&mut FleetPolicy)) -> Self {
        let mut policy = policy();
        adapt(&mut policy);
        let born = at(1_000);
        let fleet = Fleet::new(policy, Identity { id: ME, born }, born, 0);
        let mut one =
            Self { fleet, now: at(1_020), row: Row::default(), other: None, refuses: false };
        one.sync();
        one
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
    }

    /// A look at the store, and what follows it; what was asked for.
    fn sync(&mut self) -> Vec<Request> {
        self.wait(Duration::from_secs(1));
        self.ask()
    }

    /// What is asked of the store now.
    fn ask(&mut self) -> Vec<Request> {
        let mut asked = Vec::new();
        while let Some(ask) = self.fleet.poll(self.now) {
            let answer = match &ask.request {
                Request::Read { .. } => {
                    let own = [("a".to_owned(), self.row.clone())];
                    let other = self.other.clone().map(|row| ("b".to_owned(), row));
                    Answer::Rows(Regions(own.into_iter().chain(other).collect()))
                }
                Request::Write { .. } => Answer::Written,
                Request::Swap { .. } if self.refuses => Answer::Refused,
                Request::Swap { service, to, .. } => {
                    self.row.leases.insert(service.clone(), *to);
                    self.row.number += 1;
                    Answer::Written
                }
            };
            self.fleet.answer(ask.ticket, Ok(answer), self.now);
            asked.push(ask.request);
        }
        asked
    }

    /// Another process writes its report once more.
    fn report(&mut self, by: u64, trip: u32) {
        report(&mut self.row, by, trip);
    }

    /// Two others do, as many as open a breaker.
    fn report_two(&mut self, trip: u32) {
        self.report(2, trip);
        self.report(3, trip);
    }

    fn observe(&mut self, own: Own) -> Option<Advice> {
        self.fleet.observe("payment", own, self.now, u32::MAX)
    }

    fn standing(&self) -> Standing {
        self.fleet.verdict("payment", self.now).standing
    }
}

fn report(row: &mut Row, by: u64, trip: u32) {
    row.number += 1;
    let report = Report { trip, beat: row.number };
    row.reports.insert(("payment".to_owned(), ProcessId::from_bits(by)), report);
}

fn sets(asked: &[Request]) -> Vec<&Entry> {
    let sets = asked.iter().filter_map(|it| match it {
        Request::Write { set, .. } => Some(set),
        _ => None,
    });
    sets.flatten().collect()
}

#[test]
fn a_quorum_of_reports_opens_and_one_fewer_does_not() {
    let mut one = One::new(|_| {});
    one.report(2, 1);
    one.sync();
    assert_eq!(one.observe(idle()), None);
    one.report(3, 1);
    one.sync();
    assert_eq!(one.observe(idle()), Some(Advice::Open { reporters: 2 }));
    assert_eq!(one.standing(), Standing::Follows);
}

#[test]
fn a_process_whose_calls_succeed_does_not_follow_and_looks_again() {
    let mut one = One::new(|_| {});
    one.report_two(1);
    one.sync();
    let busy = Own::Closed { succeeded: Some(one.now) };
    assert_eq!(one.observe(busy), None);
    assert_eq!(one.standing(), Standing::OwnCallsSucceed);
    one.sync();
    one.wait(Duration::from_millis(1));
    assert_eq!(one.observe(busy), Some(Advice::Open { reporters: 2 }));
}

#[test]
fn what_the_first_look_finds_counts_once_it_changes() {
    let mut one = One::new(|_| {});
    let born = at(1_000);
    one.fleet = Fleet::new(one.fleet.policy().clone(), Identity { id: ME, born }, born, 0);
    one.report_two(1);
    one.sync();
    assert_eq!(one.observe(idle()), None);
    one.report(2, 1);
    one.sync();
    assert_eq!(one.observe(idle()), None);
    one.report(3, 1);
    one.sync();
    assert_eq!(one.observe(idle()), Some(Advice::Open { reporters: 2 }));
}

#[test]
fn a_report_that_does_not_change_for_max_staleness_counts_no_more() {
    let mut one = One::new(|_| {});
    one.report_two(1);
    for _ in 0..9 {
        one.sync();
        assert!(one.fleet.verdict("payment", one.now).open);
    }
    (0..3).for_each(|_| _ = one.sync());
    assert!(!one.fleet.verdict("payment", one.now).open);
    assert_eq!(one.observe(idle()), None);
}

#[test]
fn reports_of_other_regions_are_shown_and_count_with_the_scope_global_only() {
    for (scope, opens) in [(Scope::Region, false), (Scope::Global, true)] {
        let mut one = One::new(|policy| policy.scope = scope);
        let mut other = Row::default();
        one.other = Some(other.clone());
        one.sync();
        report(&mut other, 7, 1);
        one.other = Some(other);
        one.report(2, 1);
        one.sync();
        assert_eq!(one.observe(idle()).is_some(), opens, "{scope:?}");
        assert_eq!(one.fleet.verdict("payment", one.now).reporters.len(), 2);
    }
}

#[test]
fn an_own_trip_is_reported_and_withdrawn_when_it_is_over() {
    let mut one = One::new(|_| {});
    assert_eq!(one.observe(opened(By::Itself, first_period())), None);
    let asked = one.sync();
    assert!(matches!(sets(&asked)[..], [Entry::Report(_, by, _)] if *by == ME), "{asked:?}");
    assert_eq!(one.observe(Own::HalfOpen), None);
    let asked = one.sync();
    assert!(asked.iter().any(is_removal), "{asked:?}");
}

#[test]
fn what_the_fleet_has_opened_is_not_reported() {
    let mut one = One::new(|_| {});
    one.report_two(1);
    one.sync();
    let _ = one.observe(idle());
    assert_eq!(one.observe(opened(By::Fleet, first_period())), None);
    for _ in 0..4 {
        assert_eq!(sets(&one.sync()).len(), 0);
        let _ = one.observe(opened(By::Fleet, first_period()));
    }
}

#[test]
fn nothing_is_reported_where_enough_others_do_or_the_breaker_stands_aside() {
    let mut one = One::new(|_| {});
    (2..6).for_each(|by| one.report(by, 1));
    one.sync();
    for own in [opened(By::Itself, first_period()), Own::Aside, Own::HalfOpen] {
        let _ = one.observe(own);
        one.sync();
        assert_eq!(sets(&one.sync()).len(), 0, "{own:?}");
    }
}

#[test]
fn a_process_reports_once_it_is_older_than_max_staleness() {
    let mut one = One::new(|_| {});
    let born = one.now;
    one.fleet = Fleet::new(one.fleet.policy().clone(), Identity { id: ME, born }, born, 0);
    let mut reported = None;
    for _ in 0..14 {
        let _ = one.observe(opened(By::Itself, first_period()));
        if !sets(&one.sync()).is_empty() {
            reported = reported.or(Some(one.now));
        }
    }
    assert!(reported.unwrap().since(born) > one.fleet.policy().max_staleness);
}

#[test]
fn a_report_is_written_again_as_long_as_it_is_so_and_not_at_each_look() {
    let mut one = One::new(|_| {});
    let mut written = 0;
    for _ in 0..20 {
        let _ = one.observe(opened(By::Itself, first_period()));
        written += sets(&one.sync()).len();
    }
    assert!((4..=7).contains(&written), "{written} times");
}

#[test]
fn a_prober_takes_the_lease_as_it_was_read_and_gives_it_up_when_its_check_fails() {
    let mut one = One::new(|_| {});
    let own = opened(By::Itself, first_period());
    let _ = one.observe(own);
    assert!(!one.fleet.may_check("payment", one.now));
    one.sync();
    let _ = one.observe(own);
    let asked = one.sync();
    let held = one.row.leases.get("payment").unwrap();
    assert_eq!((held.holder, held.state), (ME, LeaseState::Held), "{asked:?}");
    assert!(one.fleet.may_check("payment", one.now));
    one.fleet.checked("payment", CheckSaid::Failed, one.now, 0);
    assert!(!one.fleet.may_check("payment", one.now));
    one.sync();
    assert_eq!(one.row.leases.get("payment").unwrap().state, LeaseState::Failed);
}

/// How many tenths of a sync it takes until the lease is this process's, with the shortest waits
/// that there are.
fn time_to_take_the_lease(one: &mut One) -> u32 {
    let own = opened(By::Itself, first_period());
    for tenths in 0..100 {
        let held = one.row.leases.get("payment").copied();
        if held.is_some_and(|it| (it.holder, it.state) == (ME, LeaseState::Held)) {
            return tenths;
        }
        let _ = one.fleet.observe("payment", own, one.now, 0);
        one.wait(Duration::from_millis(100));
        one.ask();
    }
    panic!("it is never held");
}

#[test]
fn who_has_failed_waits_for_longer_before_it_takes_the_lease_again_and_the_last_holder_longest() {
    let mut one = One::new(|_| {});
    assert_eq!(time_to_take_the_lease(&mut one), 1);
    one.fleet.checked("payment", CheckSaid::Failed, one.now, 0);
    one.ask();
    assert_eq!(one.row.leases.get("payment").unwrap().state, LeaseState::Failed);
    assert_eq!(time_to_take_the_lease(&mut one), 20, "the last holder");
    one.fleet.checked("payment", CheckSaid::Failed, one.now, 0);
    one.ask();
    let failed = Lease { number: 99, holder: ProcessId::from_bits(2), state: LeaseState::Failed };
    one.row.leases.insert("payment".to_owned(), failed);
    one.row.number += 1;
    one.sync();
    assert_eq!(time_to_take_the_lease(&mut one), 10, "another was the last");
}

#[test]
fn a_prober_of_which_nothing_is_heard_for_two_turns_is_none() {
    let mut one = One::new(|_| {});
    let lease = Lease { number: 1, holder: ProcessId::from_bits(2), state: LeaseState::Held };
    one.row.leases.insert("payment".to_owned(), lease);
    one.row.number += 1;
    one.refuses = true;
    one.sync();
    let began = one.now;
    while !one.fleet.may_check("payment", one.now) || one.now == began {
        let _ = one.observe(opened(By::Itself, first_period()));
        one.sync();
    }
    let silence = one.now.since(began).as_secs();
    assert!((10..=12).contains(&silence), "{silence} s");
}

#[test]
fn a_check_of_another_that_passes_leads_to_trials() {
    let mut one = One::new(|_| {});
    let own = opened(By::Itself, first_period());
    let _ = one.observe(own);
    one.sync();
    let by = ProcessId::from_bits(2);
    let passed = Lease { number: 9, holder: by, state: LeaseState::Passed };
    one.row.leases.insert("payment".to_owned(), passed);
    one.row.number += 1;
    one.sync();
    assert_eq!(one.observe(own), Some(Advice::HalfOpen));
}

#[test]
fn a_report_opens_nobody_again_once_a_check_has_passed_and_another_trip_does() {
    let mut one = One::new(|_| {});
    one.report_two(1);
    let by = ProcessId::from_bits(2);
    let passed = Lease { number: 9, holder: by, state: LeaseState::Passed };
    one.row.leases.insert("payment".to_owned(), passed);
    one.sync();
    assert_eq!(one.observe(idle()), None);
    // They have not learned of it yet, and say the same again.
    one.report_two(1);
    one.sync();
    assert_eq!(one.observe(idle()), None);
    one.report_two(2);
    one.sync();
    assert_eq!(one.observe(idle()), Some(Advice::Open { reporters: 2 }));
}

#[test]
fn a_report_opens_nobody_again_who_has_come_back_from_it() {
    let mut one = One::new(|_| {});
    one.report_two(1);
    one.sync();
    let _ = one.observe(idle());
    let _ = one.observe(opened(By::Fleet, first_period()));
    let _ = one.observe(Own::HalfOpen);
    one.report_two(1);
    one.sync();
    assert_eq!(one.observe(idle()), None);
}

#[test]
fn a_report_that_is_one_too_many_is_withdrawn() {
    let mut one = One::new(|_| {});
    let own = opened(By::Itself, first_period());
    // Those with lower numbers come first.
    let me = Identity { id: ProcessId::from_bits(9), born: at(1_000) };
    one.fleet = Fleet::new(policy(), me, at(1_000), 0);
    one.sync();
    let _ = one.observe(own);
    assert_eq!(sets(&one.sync()).len(), 1);
    let mut removed = 0;
    for _ in 0..5 {
        (2..6).for_each(|by| one.report(by, 1));
        let _ = one.observe(own);
        removed += one.sync().iter().filter(|it| is_removal(it)).count();
    }
    assert_eq!(removed, 1);
}

fn is_removal(request: &Request) -> bool {
    matches!(request, Request::Write { remove, .. } if !remove.is_empty())
}

#[test]
fn a_store_that_fails_is_not_asked_in_a_circle() {
    let mut one = One::new(|_| {});
    let mut asked = 0;
    for _ in 0..10_000 {
        let _ = one.observe(opened(By::Itself, first_period()));
        if let Some(ask) = one.fleet.poll(one.now) {
            one.fleet.answer(ask.ticket, Err(Fault::Failed), one.now);
            asked += 1;
        }
        assert!(one.fleet.due() > one.now);
        one.wait(Duration::from_millis(1));
    }
    assert!((9..=12).contains(&asked), "{asked} times in 10 s");
}

#[test]
fn a_check_that_passed_before_the_trip_leads_to_nothing() {
    let mut one = One::new(|_| {});
    let by = ProcessId::from_bits(2);
    let passed = Lease { number: 9, holder: by, state: LeaseState::Passed };
    one.row.leases.insert("payment".to_owned(), passed);
    one.row.number += 1;
    one.sync();
    one.wait(Duration::from_millis(1));
    assert_eq!(one.observe(opened(By::Itself, first_period())), None);
}

#[test]
fn anothers_word_holds_nobody_open_for_longer_than_the_longest_wait() {
    let mut one = One::new(|_| {});
    let until = one.now.after(Duration::from_secs(60));
    let Own::Open(opened) = opened(By::Fleet, first_period()) else { unreachable!() };
    let own = Own::Open(Opened { until, ..opened });
    let mut number = 0;
    while one.now < until {
        // Another process asks, and finds it down, again and again.
        number += 1;
        let lease = Lease { number, holder: ProcessId::from_bits(2), state: LeaseState::Held };
        one.row.leases.insert("payment".to_owned(), lease);
        one.row.number += 1;
        assert!(!one.fleet.may_check("payment", one.now) || number == 1);
        let _ = one.observe(own);
        one.sync();
    }
    assert!(one.fleet.may_check("payment", one.now));
}

#[test]
fn an_answer_that_is_older_than_what_was_known_is_stale_and_changes_nothing() {
    let mut one = One::new(|_| {});
    one.report_two(1);
    one.sync();
    one.wait(Duration::from_secs(1));
    let ask = one.fleet.poll(one.now).unwrap();
    let old = Regions(Sorted::of("a".to_owned(), Row::default()));
    let result = one.fleet.answer(ask.ticket, Ok(Answer::Rows(old)), one.now);
    assert_eq!(result, Some(SyncResult::Stale));
    assert!(one.fleet.verdict("payment", one.now).open);
}

#[test]
fn a_store_that_has_begun_anew_is_believed_once_it_has_been_so_for_max_staleness() {
    let mut one = One::new(|_| {});
    one.row.number = 1_000;
    one.sync();
    one.row = Row::default();
    (0..12).for_each(|_| _ = one.sync());
    one.report_two(1);
    one.sync();
    assert_eq!(one.observe(idle()), Some(Advice::Open { reporters: 2 }));
}

#[test]
fn what_has_changed_while_the_store_was_silent_counts_once_it_changes_again() {
    let mut one = One::new(|_| {});
    one.report_two(1);
    one.sync();
    one.wait(Duration::from_secs(20));
    one.report_two(2);
    one.sync();
    assert_eq!(one.observe(idle()), None);
    one.report_two(2);
    one.sync();
    assert_eq!(one.observe(idle()), Some(Advice::Open { reporters: 2 }));
}

#[test]
fn an_answer_nobody_waits_for_changes_nothing() {
    let mut one = One::new(|_| {});
    one.wait(Duration::from_secs(1));
    let late = one.fleet.poll(one.now).unwrap();
    assert_eq!(one.fleet.poll(one.now), None, "one at a time");
    one.wait(Duration::from_secs(1));
    let next = one.fleet.poll(one.now).unwrap();
    let rows = || Ok(Answer::Rows(Regions(Sorted::of("a".to_owned(), Row::default()))));
    assert_eq!(one.fleet.answer(late.ticket, rows(), one.now), None);
    assert_eq!(one.fleet.answer(next.ticket, rows(), one.now), Some(SyncResult::Ok));
    assert_eq!(one.fleet.answer(next.ticket, Err(Fault::Failed), one.now), None);
}
