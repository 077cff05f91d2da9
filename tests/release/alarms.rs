//! The alarms, the dashboard and the runbooks, held to a real Prometheus that watches a real Envoy.
//!
//! Minutes pass as seconds: the rules, the scrapes and whatever else has a duration run [`FACTOR`] times
//! as fast as in the files, all of it, so that what holds here holds there.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod commands;
mod dashboard;
mod fired;
mod install;
mod promql;
mod promtool;
mod queries;
mod runbooks;
mod server;
mod watched;

/// How much faster than in the files: 15 seconds between scrapes become 250 milliseconds, the recipe's
/// period of 5 minutes becomes 5 seconds.
const FACTOR: u32 = 60;
