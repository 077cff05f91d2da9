//! The adaptive rule, through its public interface only: a service whose calls fail, are slow or
//! hang at given shares, in virtual time. How well it decides is measured by `make
//! bench-decisions`.

mod bytes;
mod clocks;
mod hangs;
mod latency;
mod learning;
mod limiting;
mod report;
mod returning;
mod service;
mod workers;
