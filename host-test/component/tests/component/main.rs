//! What the component promises, under wasmtime.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

mod answers;
mod calls;
mod checks;
mod configuration;
mod contract;
mod docs;
mod hostile;
mod node;
mod replay;
mod sharing;
mod trace;
mod world;
