//! Every order of steps of workers that share breakers, within bounds.

#![allow(missing_docs, reason = "the names of the tests say it")]

use std::time::Duration;

use stateright::{Checker, Model as _};
use tests_model::{Bounds, Model, Settings};

/// Enough to open a breaker and to close it again. docs/simulation.md has what this comes to.
const FEW: Bounds = Bounds { workers: 3, services: 1, steps: 3, calls: 4, crashes: 0, reloads: 0 };

/// Tries all orders, and says how many states they lead to.
fn try_all(settings: Settings) -> impl Checker<Model> {
    let checker = Model::new(settings).checker().threads(2).spawn_bfs().join();
    println!("{} states, {} of them distinct", checker.state_count(), checker.unique_state_count());
    checker
}

#[test]
fn no_order_of_steps_breaks_a_rule_where_trials_decide_and_a_worker_is_lost() {
    try_all(Settings::by_trials(Bounds { crashes: 1, ..FEW })).assert_properties();
}

#[test]
fn no_order_of_steps_breaks_a_rule_where_checks_come_first() {
    try_all(Settings::by_checks(Bounds { workers: 2, ..FEW })).assert_properties();
}

#[test]
fn no_order_of_steps_breaks_a_rule_where_the_policy_changes() {
    let bounds = Bounds { workers: 2, steps: 2, reloads: 1, ..FEW };
    try_all(Settings::by_trials(bounds)).assert_properties();
}

#[test]
fn a_store_that_compares_nothing_is_found_to_lose_what_was_written() {
    let settings = Settings { compares: false, ..Settings::by_trials(FEW) };
    try_all(settings).assert_any_discovery("no rule is broken");
}

#[test]
fn a_trial_that_may_be_lost_for_long_is_found_to_keep_a_breaker_from_closing() {
    let mut settings = Settings::by_trials(Bounds { crashes: 2, ..FEW });
    for policy in &mut settings.policies {
        policy.half_open.max_wait = Duration::from_secs(3_600);
    }
    try_all(settings).assert_any_discovery("a service that is well gets its calls back");
}

#[test]
#[ignore = "make test-deep: takes minutes"]
fn no_order_of_steps_breaks_a_rule_in_six_steps_of_time() {
    try_all(Settings::by_trials(Bounds { steps: 6, crashes: 1, ..FEW })).assert_properties();
}

#[test]
#[ignore = "make test-deep: takes minutes"]
fn no_order_of_steps_breaks_a_rule_where_three_workers_check() {
    try_all(Settings::by_checks(FEW)).assert_properties();
}
