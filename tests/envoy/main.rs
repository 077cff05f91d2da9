//! Behaviours in a real Envoy.

mod classification;
mod diversion;
mod hostile;
mod recovery;
mod trace;
mod upstream;
