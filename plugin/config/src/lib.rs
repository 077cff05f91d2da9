//! The configuration: what the operator wrote, read once, refused as a whole if any of it is
//! wrong.
//!
//! [`mod@fields`] is the table of what may be written. By it [`mod@parse`] makes values of the text, and
//! [`mod@read`] the [`mod@model`], whose values are valid. Nothing here is consulted for a decision that
//! could have been taken at that time.
//!
//! The package is built for size. What calls run is marked `#[inline]`, by which it is built where it is
//! called, for speed.

#![forbid(unsafe_code)]
#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

pub mod about;
mod capability;
mod columns;
pub mod duration;
mod error;
pub mod field;
mod fields;
mod form;
mod hash;
mod headers;
pub mod json;
pub mod matching;
mod model;
pub mod naming;
mod parse;
mod path;
mod read;
mod reader;
mod schema;
mod status;
mod value;
mod warning;

pub use capability::{Capability, Withheld};
pub use columns::columns;
pub use error::ConfigError;
pub use form::Form;
pub use hash::Hash;
pub use headers::Headers;
pub use model::*;
pub use read::{Setting, tell_adaptive, tell_trip};
pub use schema::{objects, schema};
pub use status::{GrpcSet, StatusSet};
pub use warning::Warning;
