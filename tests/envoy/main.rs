//! Behaviours in a real Envoy.

mod diversion;
mod trace;
