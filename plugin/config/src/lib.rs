//! The configuration: what the operator wrote, read once, refused as a whole if any of it is
//! wrong.
//!
//! [`mod@wire`] is what may be written, [`mod@resolve`] turns it into the values of [`mod@model`], which
//! are valid. Nothing here is consulted for a decision that could have been taken at that time.

#![forbid(unsafe_code)]
#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod capability;
mod doubt;
mod duration;
mod error;
pub mod matching;
mod model;
pub mod naming;
mod parse;
mod reader;
mod resolve;
#[cfg(feature = "schema")]
mod schema;
mod status;
mod strict;
mod wire;

pub use capability::{Capability, Withheld};
pub use doubt::Doubt;
pub use error::ConfigError;
pub use model::*;
pub use status::{GrpcSet, StatusSet};
pub use wire::{ExposeState, OnFull, Overflow};
