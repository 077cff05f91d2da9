//! Starts a real Envoy for the demo, the tests and the benchmarks.
//!
//! [`locate()`] finds the binary, or installs it; [`EnvoyOptions`] starts it; [`Envoy`] is the running
//! proxy and what it says of itself: where its listeners are, its log, its stats, its CPU time. What
//! it runs is either a file that people copy, loaded as a [`Sample`] whose ports are moved out of
//! the way, or something put together from the builders of [`config`]. [`client`] sends the
//! requests.
//!
//! Every port is chosen by the kernel, so that any number of proxies run at once, and none outlives
//! the process that started it. What the requests mean is left to the callers.

pub mod client;
pub mod config;

mod admin;
mod cpu;
mod envoy;
mod form;
mod install;
mod locate;
mod options;
mod prometheus;
mod resident;
mod sample;
mod stats;
mod watchdog;

pub use crate::envoy::Envoy;
pub use crate::form::is_native;
pub use crate::install::{ENVOY_VERSION, NATIVE_ENVOYS, installed, installed_for_aarch64};
pub use crate::locate::{locate, version};
pub use crate::options::EnvoyOptions;
pub use crate::prometheus::Prometheus;
pub use crate::resident::Resident;
pub use crate::sample::{Sample, parse_yaml, parse_yaml_documents};
pub use crate::stats::Stats;
pub use crate::watchdog::Watchdog;
/// The root of the repository. Envoy runs there, so that the file names in the samples are right.
pub use artifacts::root as repo_root;
