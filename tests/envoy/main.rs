//! Behaviours in a real Envoy.

mod classification;
mod diversion;
mod recovery;
mod trace;
mod upstream;
