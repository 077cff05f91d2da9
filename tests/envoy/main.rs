//! Behaviours in a real Envoy.

mod bulkhead;
mod classification;
mod concurrency;
mod diversion;
mod hostile;
mod isolation;
mod load;
mod names;
mod rates;
mod recovery;
mod reload;
mod stale;
mod trace;
mod upstream;
