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
//!   the [`Transition`]; logging, counting and publishing it is the caller's.
//! * **[`admit`](Breaker::admit) and [`settle`](Breaker::settle) come in pairs.** Admission
//!   gives a [`Permit`], which [ends](Permit::end) with an [`Outcome`] as the one [`Settlement`]
//!   of its call. That is settled again if the breaker could not be stored. A permit that is lost
//!   costs nothing but time: a trial slot is a lease that expires.
//! * **Whether anything would change** is asked first, and once: [`Impact`].
//! * **A result counts only in the period that admitted it.** Each transition begins a new
//!   [`Generation`]; a permit of an older one changes nothing.
//! * **Spurious calls are no-ops**, and no input makes a method panic.
//!
//! # Vocabulary
//!
//! *Closed*: calls pass. *Open*: calls are diverted. *Half-open*: a few trial calls pass. A [`Mode`](enum@Mode)
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

mod adaptive;
mod backoff;
mod breaker;
mod check;
mod counts;
mod mode;
mod outcome;
mod percentage;
mod permit;
mod policy;
mod reason;
mod record;
mod state;
mod state_name;
mod table;
mod tally;
mod time;
mod told;
mod transition;
mod trials;
mod trip;
mod under_way;
mod window;

pub use adaptive::Adaptive;
pub use adaptive::bytes::ADAPTIVE_LEN;
pub use adaptive::call::{AdaptiveAdmission, AdaptiveCall, AdaptiveChange, Overdue};
pub use adaptive::policy::AdaptivePolicy;
pub use adaptive::report::AdaptiveReport;
pub use adaptive::tally::{AdaptiveTally, Usual};
pub use breaker::Breaker;
pub use breaker::admission::{Admission, Clean};
pub use breaker::command::Command;

pub use breaker::settlement::Settled;
pub use breaker::status::Status;
pub use check::{CheckReport, CheckResult, CheckTicket};
pub use counts::Counts;
pub use mode::Mode;
pub use outcome::{Ended, Impact, Outcome};
pub use percentage::Percentage;
pub use permit::{Generation, Permit, Settlement};
pub use policy::{
    AfterCheck, HalfOpenPolicy, HealthCheckPolicy, MAX_PERMITTED_CALLS, OpenPolicy, Policy, Rate,
    RetryPolicy,
};
pub use reason::{DivertReason, Reason};
pub use record::bytes::DecodeError;
pub use record::{Encoded, LONGEST_RECORD, RECORD_FORMAT, RECORD_LEN};
pub use state_name::StateName;
pub use tally::Tally;
pub use time::{Now, Timestamp, UnixTime};
pub use told::Told;
pub use transition::Transition;
pub use trip::{RatePolicy, TripPolicy};
pub use under_way::{Patience, UnderWay};
pub use window::{MAX_WINDOW_CALLS, WINDOW_BUCKETS, WindowPolicy};
