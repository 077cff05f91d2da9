//! What regions tell each other, in any order and any number of times.

use fleet::{Entry, Lease, LeaseState, ProcessId, Regions, Report, Row};
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;

fn process() -> impl Strategy<Value = ProcessId> {
    (0..4_u64).prop_map(ProcessId::from_bits)
}

fn service() -> impl Strategy<Value = String> {
    select(vec!["a".to_owned(), "b".to_owned()])
}

prop_compose! {
    fn a_row()(
        number in 0..4_u64,
        reports in btree_map(
            (service(), process()),
            (0..3_u32, 0..3_u64).prop_map(|(trip, beat)| Report { trip, beat }),
            0..3,
        ),
        leases in btree_map(service(), a_lease(), 0..2),
    ) -> Row {
        let (reports, leases) = (reports.into_iter().collect(), leases.into_iter().collect());
        Row { number, reports, leases }
    }
}

fn a_lease() -> impl Strategy<Value = Lease> {
    (0..9_u64, process(), select(&LeaseState::ALL[..])).prop_map(|(number, holder, state)| Lease {
        number,
        holder,
        state,
    })
}

fn some_regions() -> impl Strategy<Value = Regions> {
    btree_map(select(vec!["x".to_owned(), "y".to_owned()]), a_row(), 0..3)
        .prop_map(|rows| Regions(rows.into_iter().collect()))
}

fn joined(one: &Regions, other: &Regions) -> Regions {
    let mut joined = one.clone();
    joined.join(other.clone());
    joined
}

proptest! {
    #[test]
    fn the_order_in_which_two_are_joined_makes_no_difference(
        one in some_regions(), other in some_regions(),
    ) {
        prop_assert_eq!(joined(&one, &other), joined(&other, &one));
    }

    #[test]
    fn how_three_are_grouped_makes_no_difference(
        one in some_regions(), two in some_regions(), three in some_regions(),
    ) {
        prop_assert_eq!(
            joined(&joined(&one, &two), &three),
            joined(&one, &joined(&two, &three))
        );
    }

    #[test]
    fn what_is_joined_again_makes_no_difference(one in some_regions(), other in some_regions()) {
        let once = joined(&one, &other);
        prop_assert_eq!(joined(&once, &other), once.clone());
        prop_assert_eq!(joined(&once, &once), once);
    }

    #[test]
    fn no_row_gives_way_to_an_earlier_one(one in some_regions(), other in some_regions()) {
        let joined = joined(&one, &other);
        for (region, row) in one.0.iter().chain(other.0.iter()) {
            prop_assert!(joined.0.get(region).unwrap().number >= row.number);
        }
    }

    #[test]
    fn what_is_written_of_a_row_is_read_again(row in a_row()) {
        let mut read = Row { number: row.number, ..Row::default() };
        for entry in row.entries() {
            prop_assert!(read.add(&entry.key().text(), &entry.text()));
        }
        prop_assert_eq!(read, row);
    }

    #[test]
    fn an_entry_of_any_text_is_read_or_left_out(key: String, text: String, name in "[a-z]{1,3}") {
        let mut row = Row::default();
        row.add(&key, &text);
        row.add(&format!("lease/{name}"), &text);
        row.add(&format!("report/{key}/{name}"), r#"{"v":1,"trip":1,"beat":1}"#);
    }
}

#[test]
fn an_entry_of_a_newer_version_is_left_out() {
    let mut row = Row::default();
    let key = "report/00000000000000ff/payment";
    assert!(!row.add(key, r#"{"v":2,"trip":1,"beat":1}"#));
    assert!(row.add(key, r#"{"v":1,"trip":1,"beat":1,"more":true}"#));
    assert_eq!(row.reports.len(), 1);
}

#[test]
fn a_row_with_more_entries_than_are_read_keeps_as_many_as_are() {
    let mut row = Row::default();
    let all = (0..5_000).map(|it| format!("report/{it:016x}/payment"));
    let read = all.filter(|key| row.add(key, r#"{"v":1,"trip":1,"beat":1}"#)).count();
    assert_eq!((read, row.reports.len()), (fleet::MAX_ENTRIES, fleet::MAX_ENTRIES));
}

#[test]
fn the_text_of_an_entry_is_the_same_in_every_build() {
    let (service, by) = ("payment".to_owned(), ProcessId::from_bits(0xff));
    let report = Entry::Report(service.clone(), by, Report { trip: 3, beat: 17 });
    assert_eq!(report.key().text(), "report/00000000000000ff/payment");
    assert_eq!(report.text(), r#"{"v":1,"trip":3,"beat":17}"#);
    let lease = Lease { number: 5, holder: by, state: LeaseState::Held };
    let lease = Entry::Lease(service, lease);
    assert_eq!(lease.key().text(), "lease/payment");
    assert_eq!(lease.text(), r#"{"v":1,"number":5,"holder":"00000000000000ff","state":"held"}"#);
}
