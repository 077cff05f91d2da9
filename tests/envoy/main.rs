//! Behaviours in a real Envoy.

mod access;
mod backtrace;
mod bulkhead;
mod classification;
mod concurrency;
mod copies;
mod counters;
mod diversion;
mod flapping;
mod hostile;
mod hot_restart;
mod isolation;
mod names;
mod notify;
mod order;
mod privilege;
mod rates;
mod recovery;
mod reload;
mod stale;
mod steering;
mod stranger;
mod trace;
mod unknown_clusters;
mod uploads;
mod upstream;
