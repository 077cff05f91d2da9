//! Scenarios as data: what happens to a breaker, and what is to come of it.
//!
//! A [`Scenario`] is one file: one behaviour, with the plugin's configuration, steps in virtual
//! time, and what is expected beside each step. [`play`] runs it on a [`Host`], which is anything
//! that runs the breaker: natively, as a module, as a component, or inside a real proxy. What comes
//! of it is a [`Report`]: a timeline, which two hosts that behave alike have in common to the letter,
//! and what was expected and did not happen.
//!
//! [`generate()`] makes scenarios up from a seed. They expect nothing: what is compared are their
//! timelines.
//!
//! Nothing here knows the plugin's code, but for how durations are written. What is known is what its
//! users know: the configuration as JSON, the names of states, headers and metrics.

mod event;
mod format;
mod generate;
mod host;
mod metric;
mod mode;
mod parse;
mod player;
mod report;
mod stored;

pub use event::{
    Answer, CLIENT_GONE, CalloutAnswer, Event, Fault, GARBAGE, Grpc, Head, NEWER, Request, Store,
    Thread,
};
pub use format::{Clock, Expect, Need, Scenario, Step};
pub use generate::generate;
pub use host::{
    Asked, CallId, Configured, Host, Late, Made, Received, Reply, Sent, Status, WALL_START, Worker,
};
pub use metric::readable;
pub use mode::configured_mode;
pub use parse::FormatError;
pub use player::play;
pub use report::{Mismatch, Report};
pub use stored::stored_record;
