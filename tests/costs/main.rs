//! What each path of a request costs, in figures that no noisy machine can blur: host calls by
//! name, instructions and allocations of the module that the proxy loads.
//!
//! `tests/costs.json` is the table that paths are held to, and `docs/performance.md` shows it. A
//! change that moves a figure fails here, says by how much, and is to be looked at in review:
//!
//! ```sh
//! UPDATE_COSTS=1 cargo test --workspace --test costs
//! ```
//!
//! writes both anew.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod comparison;
mod docs;
mod figures;
mod names;
mod paths;
mod worker;

use std::path::PathBuf;
use std::sync::Once;

use crate::figures::{Costs, Figures};
use crate::paths::{CLOSED, PATHS};

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("costs.json")
}

/// The figures that paths are held to; in an update, those that were measured just now.
fn recorded() -> Costs {
    static UPDATE: Once = Once::new();
    if std::env::var_os("UPDATE_COSTS").is_some() {
        UPDATE.call_once(|| {
            let text = serde_json::to_string_pretty(paths::measured()).expect("figures are JSON");
            std::fs::write(golden(), text + "\n").expect("the table can be written");
            docs::update(paths::measured());
        });
    }
    let path = golden();
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Prints the table, too; `make bench` shows it.
#[test]
fn each_path_costs_what_the_table_says() {
    let measured = paths::measured();
    println!("{}", docs::table(measured));
    println!("{}", docs::callbacks(measured));
    let differences = comparison::differences(&recorded(), measured);
    assert!(
        differences.is_empty(),
        "these figures are others than those in tests/costs.json:\n{}\nIf they are to be, \
         `UPDATE_COSTS=1 cargo test --workspace --test costs` records them.",
        differences.join("\n")
    );
}

#[test]
fn the_documentation_shows_the_table() {
    assert_eq!(docs::shown(), docs::table(&recorded()));
}

#[test]
fn the_closed_path_makes_five_host_calls_and_touches_no_shared_data() {
    let total = Figures::sum(&paths::measured()[CLOSED]);
    assert!(total.host_calls.values().sum::<u64>() <= 5, "{:?}", total.host_calls);
    assert_eq!((total.shared_reads(), total.shared_writes()), (0, 0));
}

/// One request shows little: a table that grows now and then would not be seen.
#[test]
fn the_closed_path_allocates_nothing_beyond_what_the_proxys_replies_need() {
    for (number, request) in paths::closed_requests(1_000).iter().enumerate() {
        for (callback, figures) in request {
            assert_eq!(figures.own.number, 0, "request {number}, {callback}: {figures:?}");
        }
    }
}

#[test]
fn every_path_is_in_the_table_once() {
    let mut paths: Vec<_> = PATHS.iter().map(|path| path.name.to_owned()).collect();
    paths.sort_unstable();
    let recorded: Vec<_> = recorded().into_keys().collect();
    assert_eq!(paths, recorded);
}
