//! The tool as its users run it.

mod admin;
mod check;
mod docs;
mod schema;
mod serve;
mod simulate;
mod status;
mod steer;
mod support;
mod watch;
