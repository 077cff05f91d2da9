//! The filter on one thread.
//!
//! A [`Filter`] is made for one thread. Envoy gives HTTP filters no timer on a worker, and so the main
//! thread ticks for each of them: whatever belongs to a worker is worked on under its lock. Its worker
//! waits for that no longer than a tick takes, and nobody else ever wants it.

#![allow(unsafe_code, reason = "what is made for one thread is moved between two, under a lock")]

use std::sync::{Mutex, PoisonError};

use filter::{Config, Effects, Filter};

use crate::metrics::{Caller, Defined, Metrics};
use crate::proxy::{Process, Proxy};

/// What all threads of a configuration have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common<'a> {
    pub(crate) process: &'a Process,
    pub(crate) defined: &'a Defined,
}

/// A filter, and what belongs to it.
#[derive(Debug)]
pub(crate) struct Worker(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    filter: Filter,
    metrics: Metrics,
    /// Empty, but while a step is taken: what it wants done takes no memory anew.
    effects: Effects,
}

// SAFETY: a filter counts its references without atomics, and all of them are inside of it: none is
// handed out. What it keeps by threads are spare buffers, which are plain memory, and what a worker's
// streams have copied, which only its own hooks come by. So it is enough that one thread at a time
// works on it.
unsafe impl Send for Inner {}

impl Worker {
    /// Puts a configuration to work.
    pub(crate) fn new(config: Config, common: Common<'_>, caller: Caller) -> Self {
        let Common { process, defined } = common;
        let metrics = Metrics::of_module(defined, &process.store);
        let mut effects = Effects::new();
        let proxy = Proxy { process, defined, metrics: &metrics, caller };
        let filter = Filter::new(config, &proxy, &mut effects);
        metrics.apply(&mut effects, caller);
        Self(Mutex::new(Inner { filter, metrics, effects }))
    }

    /// Takes a step, and does what the filter wants done besides. Nothing in it may call back into the
    /// module.
    #[inline]
    pub(crate) fn step<R>(
        &self,
        common: Common<'_>,
        caller: Caller,
        step: impl FnOnce(&Filter, &Proxy<'_>, &mut Effects) -> R,
    ) -> R {
        let Common { process, defined } = common;
        // A panic has left the filter between two of its own steps, which it has to bear anyway.
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { filter, metrics, effects } = &mut *inner;
        let proxy = Proxy { process, defined, metrics, caller };
        let result = step(filter, &proxy, effects);
        metrics.apply(effects, caller);
        result
    }
}
