//! What can happen next.

use crate::worker::Ending;

/// What can happen next. Workers, their calls and their checks go by their place in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A step of time passes.
    Pass,
    /// A call for a service comes to a worker.
    Come(usize, u8),
    /// A worker's call ends.
    End(usize, usize, Ending),
    /// A worker's timer finds a service open.
    Tick(usize, u8),
    /// A worker's check is answered.
    Answer(usize, usize, bool),
    /// A worker puts its policy in force.
    Sync(usize, u8),
    /// A worker that lost a race loads again.
    Load(usize),
    /// A worker decides.
    Decide(usize),
    /// A worker swaps.
    Swap(usize),
    /// A worker is lost, and another takes its place.
    Crash(usize),
    /// A worker gets another policy.
    Reload(usize),
}
