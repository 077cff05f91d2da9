//! What proxies tell each other of their breakers through a store, and what they make of it.
//!
//! # Contract
//!
//! A [`Fleet`] is one process's part in it, a plain value. It is [told](Fleet::observe) what the
//! process's own breakers do, and answers what they are to do. It says what is to be
//! [asked](Fleet::poll) of the store, and is given [what that answered](Fleet::answer). It says
//! whether a health check [may be made](Fleet::may_check), and is told
//! [what it said](Fleet::checked).
//!
//! * **Inputs are arguments**: time, randomness, the store's answers. Effects are values: a
//!   [`Request`], an [`Advice`]. One request at a time is under way.
//! * **No clocks are compared.** What others write has a number; it counts from the moment that
//!   this was seen to change, on this process's own monotonic clock.
//! * **Nothing waits for the store.** One that is silent leaves each breaker to itself.
//! * **Memory is bounded** by [`MAX_ENTRIES`] of each region and of the process itself. No input
//!   makes a method panic.
//!
//! `docs/fleet.md` has the model and its guarantees.

#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod dialect;
mod entry;
mod fleet;
mod identity;
mod json;
mod mine;
mod own;
mod pace;
mod policy;
mod recipe;
mod request;
mod row;
mod seen;
mod sorted;
mod view;
mod wait;

pub use entry::{Entry, Key};
pub use fleet::Fleet;
pub use fleet::status::{Prober, Verdict};
pub use identity::{Identity, ProcessId};
pub use own::{Advice, By, CheckSaid, NextCheck, Opened, Own, Standing};
pub use policy::{FleetPolicy, Probe, Scope};
pub use recipe::{Item, ItemAdvice, ItemChange, ItemState, Shared, Since};
pub use request::{Answer, Ask, Fault, MAX_CHANGES, Request, SyncResult};
pub use row::{Lease, LeaseState, MAX_ENTRIES, MAX_NAME, Regions, Report, Row};
pub use sorted::Sorted;
pub use view::Reporter;
pub use wait::spread;
