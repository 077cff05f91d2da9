//! The circuit breaker itself: no I/O, no clock, no allocation, no dependency.
//!
//! # Contract
//!
//! A [`Breaker`] guards one service. It is a plain value: whoever owns it loads it from
//! a [record](Breaker::decode), calls one method, and stores the result if it changed.
//!
//! * **Inputs are arguments.** Time, randomness and the [`Policy`] are passed in. Time is
//!   monotonic ([`Timestamp`]); a wall clock ([`UnixTime`]) is only ever written down to be
//!   shown, and decides nothing.
//! * **Effects are return values.** A method that moves the breaker to another state returns
//!   the [`Transition`]; logging, counting and telling others is the caller's.
//! * **[`admit`](Breaker::admit) and [`settle`](Breaker::settle) come in pairs.** Admission
//!   gives a [`Permit`], and every permit is settled once, with an [`Outcome`]. A permit that
//!   is lost costs nothing but time: a trial's place is a lease that expires.
//! * **A result counts only in the period that admitted it.** Each transition begins a new
//!   [`Generation`]; a permit of an older one changes nothing.
//! * **Spurious calls are no-ops**, and no input makes a method panic.
//!
//! # Vocabulary
//!
//! *Closed*: calls pass. *Open*: calls are diverted. *Half-open*: a few trial calls pass. A [`Mode`]
//! says whether these decisions are heeded.

#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod backoff;
mod breaker;
mod check;
mod mode;
mod outcome;
mod permit;
mod policy;
mod reason;
mod record;
mod state;
mod state_name;
mod table;
mod tally;
mod time;
mod transition;
mod trials;
mod window;

pub use breaker::{Admission, Breaker, Settlement, Status};
pub use check::{CheckResult, CheckTicket};
pub use mode::{Clean, Command, Mode};
pub use outcome::{Ended, Outcome};
pub use permit::{Generation, Permit};
pub use policy::{
    AfterCheck, HalfOpenPolicy, HealthCheckPolicy, MAX_PERMITTED_CALLS, OpenPolicy, Percentage,
    Policy, Rate, RatePolicy, RetryPolicy, TripPolicy, WindowPolicy,
};
pub use reason::{DivertReason, Reason};
pub use record::{DecodeError, RECORD_FORMAT, RECORD_LEN};
pub use state_name::StateName;
pub use tally::Tally;
pub use time::{Now, Timestamp, UnixTime};
pub use transition::Transition;
pub use window::{Counts, MAX_WINDOW_CALLS, WINDOW_BUCKETS};
