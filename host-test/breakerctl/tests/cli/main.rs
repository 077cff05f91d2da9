//! The tool as its users run it.

mod admin;
mod advise;
mod check;
mod commands;
mod demo;
mod docs;
mod manual;
mod schema;
mod serve;
mod simulate;
mod status;
mod support;
mod watch;
