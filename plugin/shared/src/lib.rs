//! Values that all workers of a proxy share.
//!
//! [`port`] is what a host has to offer for them: a store, a clock, and gauges that show who writes.

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod port;

pub use port::{Clock, NoGauges, Store, StoreFault, SwapError, Version, VersionGauge};
