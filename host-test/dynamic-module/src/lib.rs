//! An Envoy for the dynamic module, made up. The module is linked with it, and calls functions of the
//! names that it finds in a real one; streams, clocks and faults are the caller's.
//!
//! A [`Process`] has workers, clusters, clocks, a log and metrics. A [`Configuration`] is the filter's
//! in it, and a [`Stream`] a request that comes to it. All is for one thread, on which the workers
//! take turns, and any number of processes are apart from each other.
//!
//! It calls back as a real one does: a reply is told to the module before the function that gives it
//! returns, and the stream may be gone by then.

mod callbacks;
mod configuration;
mod process;
mod stream;

pub use crate::configuration::{Call, Configuration, Refused};
pub use crate::process::{Fault, Process};
pub use crate::stream::{Headers, Map, Reply, Stream, Verdict};
