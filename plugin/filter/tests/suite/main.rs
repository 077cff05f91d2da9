//! The filter's behaviour, on a proxy that exists only in memory.
//!
//! A test scripts a [`world::World`]: it sends requests, lets services and fallbacks answer,
//! moves the clocks, and looks at what came of it. Nothing sleeps, and nothing but the filter
//! decides. One file holds one topic; where a test pins one of the failures that circuit breakers
//! are known for, its doc comment says which.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod access;
mod adaptive;
mod admin;
mod admission;
mod blame;
mod bulkhead;
mod classification;
mod client_names;
mod config;
mod config_warnings;
mod copies;
mod diversion;
mod events;
mod fleet;
mod health;
mod history;
mod hostile;
mod idle;
mod matching;
mod memory;
mod metrics;
mod modes;
mod names;
mod notify;
mod origins;
mod privilege;
mod ramp;
mod recent;
mod recovery;
mod replacing;
mod replay;
mod rerun;
mod settlement;
mod sharing;
mod stale;
mod steering;
mod trace;
mod unknown_clusters;
mod uploads;
mod windows;
mod world;
