//! The dynamic module in real Envoys: which of them load it, and what one process keeps.

mod builds;
mod differences;
mod handed_out;
mod sample;
mod symbols;
mod versions;
