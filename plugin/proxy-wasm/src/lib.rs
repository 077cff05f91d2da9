//! The proxy-wasm shell around the filter: what the proxy calls, and what is called in it.
//!
//! Nothing is decided here. [`callbacks`] is what the proxy calls, [`contexts`] finds whom it means;
//! [`root`] and [`stream`] turn that into calls of [`filter::Filter`], and do what comes
//! back; [`host`] holds every function of the proxy that is used, and [`probe`] finds out which of
//! them it withholds.
//!
//! A panic would cost a worker its VM and every stream in it, so there is no way to one: bytes
//! are never taken for text, and each status that a host function can return is a value.

#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod callbacks;
mod callers;
mod contexts;
mod host;
mod memory;
mod metrics;
mod probe;
mod proxy;
mod root;
mod stream;
mod streams;
