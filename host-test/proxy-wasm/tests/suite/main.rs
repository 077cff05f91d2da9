//! The host, tried with the breaker's own module and with small guests that do one thing each.
//!
//! The guests are written as text, next to the test that needs them: what a test shows is then
//! all there is to see. What a host function answers is tried with a guest that calls it and
//! logs its status.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod allocations;
mod bodies;
mod cache;
mod calls;
mod copies;
mod edge_breaker;
mod failure;
mod guest;
mod headers;
mod lifecycle;
mod loading;
mod properties;
mod replies;
mod sdk;
mod store;
mod support;
mod system;
