//! What callbacks cost, counted exactly.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// What one callback has cost so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How often it was called.
    pub calls: u64,
    /// How often it called each host function.
    pub hostcalls: BTreeMap<&'static str, u64>,
    /// Instructions of the module, in wasmtime's count of one for nearly each. Zero where the
    /// module is not metered.
    pub instructions: u64,
    /// Allocations in the module that the host had to ask for, to hand bytes over.
    pub allocations: u64,
    /// Their bytes.
    pub allocated_bytes: u64,
    /// Allocations in the module beyond those, of its own will. Zero where they are not counted.
    pub own_allocations: u64,
    /// Their bytes.
    pub own_allocated_bytes: u64,
}

impl Usage {
    /// All host calls.
    #[must_use]
    pub fn total_hostcalls(&self) -> u64 {
        self.hostcalls.values().sum()
    }
}

impl AddAssign<&Self> for Usage {
    fn add_assign(&mut self, other: &Self) {
        self.calls += other.calls;
        for (name, count) in &other.hostcalls {
            *self.hostcalls.entry(name).or_default() += count;
        }
        self.instructions += other.instructions;
        self.allocations += other.allocations;
        self.allocated_bytes += other.allocated_bytes;
        self.own_allocations += other.own_allocations;
        self.own_allocated_bytes += other.own_allocated_bytes;
    }
}
