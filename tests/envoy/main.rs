//! Behaviours in a real Envoy.

mod diversion;
mod recovery;
mod trace;
