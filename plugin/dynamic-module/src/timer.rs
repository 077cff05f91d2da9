//! What Envoy has not: a timer. A thread of a configuration's own has the main thread call back: once
//! for each of Envoy's threads, so that whatever else the main one has to do waits for none longer than
//! one of them takes.

#![allow(unsafe_code, reason = "Envoy's functions are C functions")]

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::abi::{
    EnvoyScheduler, envoy_dynamic_module_callback_http_filter_config_scheduler_commit,
    envoy_dynamic_module_callback_http_filter_config_scheduler_delete,
};
use crate::envoy::OnMain;

/// Ticks until it is dropped.
#[derive(Debug)]
pub(crate) struct Timer {
    /// How often.
    pub(crate) period: Duration,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    scheduler: *mut EnvoyScheduler,
    /// The last of the events, which are the numbers of the workers, and then that of the main thread.
    last: u64,
    /// Whether the main thread was asked, and has not called back: it is not asked again.
    asked: AtomicBool,
    stopped: Mutex<bool>,
    stop: Condvar,
}

// SAFETY: a scheduler may be used on any thread, and all else is made for that.
unsafe impl Send for State {}
// SAFETY: likewise.
unsafe impl Sync for State {}

impl Timer {
    /// Begins to tick.
    ///
    /// # Errors
    ///
    /// If the system has no thread to give, or Envoy no scheduler.
    pub(crate) fn start(period: Duration, workers: usize, main: OnMain) -> io::Result<Self> {
        let scheduler = main.scheduler();
        if scheduler.is_null() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let state = Arc::new(State {
            scheduler,
            last: workers as u64,
            asked: AtomicBool::new(false),
            stopped: Mutex::new(false),
            stop: Condvar::new(),
        });
        let ticking = Arc::clone(&state);
        let thread = thread::Builder::new().name("edge_breaker".to_owned());
        let thread = thread.spawn(move || ticking.run(period))?;
        Ok(Self { period, state, thread: Some(thread) })
    }

    /// The main thread has called back.
    pub(crate) fn called(&self, event: u64) {
        if event == self.state.last {
            self.state.asked.store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        *self.state.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.state.stop.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    fn run(&self, period: Duration) {
        block_signals();
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stopped {
            let (guard, wait) =
                self.stop.wait_timeout(stopped, period).unwrap_or_else(PoisonError::into_inner);
            stopped = guard;
            if wait.timed_out() && !*stopped && !self.asked.swap(true, Ordering::Relaxed) {
                (0..=self.last).for_each(|event| self.commit(event));
            }
        }
    }

    fn commit(&self, event: u64) {
        // SAFETY: the scheduler is given back when this is dropped.
        unsafe {
            envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
                self.scheduler,
                event,
            );
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: it was made, and nobody uses it any more.
        unsafe {
            envoy_dynamic_module_callback_http_filter_config_scheduler_delete(self.scheduler);
        }
    }
}

/// Leaves signals to Envoy's own threads.
fn block_signals() {
    // SAFETY: a set of signals is plain bytes, which is filled before it is used.
    unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, ptr::null_mut());
    }
}
