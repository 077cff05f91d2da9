//! What the component promises, under wasmtime.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod answers;
mod bounds;
mod calls;
mod checks;
mod configuration;
mod contract;
mod costs;
mod docs;
mod hostile;
mod node;
mod replay;
mod sharing;
mod steering;
mod trace;
mod world;
