//! The shell around the filter that Envoy loads as a dynamic module.
//!
//! Nothing is decided here. [`hooks`] is what Envoy calls; [`configuration`], [`worker`] and [`stream`]
//! turn that into calls of [`filter::Filter`], and do what comes back; [`envoy`] holds every function
//! of Envoy's that is used, which [`abi`] declares. [`store`] is the memory that all workers share.
//!
//! What a sandbox does for the other form is up to the shell here: a fault in it would end Envoy. So
//! `unsafe` is here alone, each block with its reason, and a panic ends in the hook that it was in.

#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

pub mod abi;
pub mod clock;
mod configuration;
mod envoy;
pub mod hooks;
mod metrics;
mod proxy;
mod rerun;
pub mod store;
mod stream;
mod timer;
mod version;
mod worker;
