//! The behaviour of the breaker, through its public interface only. Time is moved, not slept.
//!
//! The tests name the rows of the project's list of what other breakers get wrong ("row 3").
//! Rows that live elsewhere:
//!
//! * 10 (a minimum of calls that a window cannot hold): where configuration is read.
//! * 17 (compare-and-swap, lost races), 18 in part (an unreadable record is counted, logged and
//!   replaced), 20 (fallback), 21 (`max_services`), 22 (what is a failure): the filter's tests.
//! * 4, 12 with workers that run at the same time, 23, 24: the tests on a real Envoy.

mod adapting;
mod adaptive;
mod backoff;
mod clocks;
mod earlier;
mod fleet;
mod foreign;
mod health_check;
mod incomplete;
mod modes;
mod operations;
mod overdue;
mod policy_change;
mod properties;
mod ramp;
mod recipe;
mod record;
mod trials;
mod tripping;
mod waits;
mod windows;
mod world;
