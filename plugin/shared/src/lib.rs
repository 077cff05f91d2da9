//! Values that all workers of a proxy share.
//!
//! A [`Cell`] is one of them: under one key of the host's [`Store`], read and written as its [`Kind`]
//! says, and changed by compare-and-swap. There is one rule for races that are lost
//! ([`Cell::update`]) and one for bytes that cannot be read ([`Watch`]).

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod bytes;
mod cell;
mod port;
mod unreadable;

pub use bytes::{Reader, push_text};
pub use cell::{ATTEMPTS, At, Cell, Decision, Decoded, Kind, Lost};
pub use port::{Clock, Shared, Store, StoreFault, SwapError, Version, VersionGauge};
pub use unreadable::{GONE, Report, Unreadable, Watch};
