//! Behaviours in a real Envoy.

mod access;
mod bulkhead;
mod classification;
mod concurrency;
mod copies;
mod counters;
mod diversion;
mod hostile;
mod hot_restart;
mod isolation;
mod load;
mod names;
mod notify;
mod order;
mod page;
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
