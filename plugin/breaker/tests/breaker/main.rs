//! The behaviour of the breaker, through its public interface only. Time is moved, not slept.
//!
//! The tests name the rows of the project's list of what other breakers get wrong ("row 3").
//! Rows that live elsewhere:
//!
//! * 8, 10 (sliding windows and their minimum of calls): with the rules that need them.
//! * 17 (compare-and-swap, lost races), 18 in part (an unreadable record is counted, logged and
//!   replaced), 20 (fallback), 21 (`max_services`), 22 (what is a failure): the filter's tests.
//! * 14 in part (the ramp after closing): with the field that brings it.
//! * 4, 12 with workers that run at the same time, 23, 24: the tests on a real Envoy.

mod health_check;
mod operations;
mod policy_change;
mod properties;
mod recipe;
mod record;
mod trials;
mod tripping;
mod waits;
mod world;
