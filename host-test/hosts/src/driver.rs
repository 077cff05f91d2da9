//! What hosts with virtual time have in common.

mod callouts;
mod timers;

pub(crate) use self::callouts::{Callouts, diverted};
pub(crate) use self::timers::Due;
