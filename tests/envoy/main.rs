//! Behaviours in a real Envoy.

mod classification;
mod concurrency;
mod diversion;
mod hostile;
mod load;
mod recovery;
mod trace;
mod upstream;
