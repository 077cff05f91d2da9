//! Behaviours in a real Envoy.

mod diversion;
