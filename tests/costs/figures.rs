//! The figures of one callback, and of a path's callbacks.

use std::collections::BTreeMap;

use host_test_proxy_wasm::Usage;
use serde::{Deserialize, Serialize};

/// What paths cost, by their names.
pub(crate) type Costs = BTreeMap<String, Callbacks>;

/// What the callbacks of a path cost, by their names.
pub(crate) type Callbacks = BTreeMap<String, Figures>;

/// What a callback cost, over all times that it was called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) calls: u64,
    /// By name.
    pub(crate) host_calls: BTreeMap<String, u64>,
    pub(crate) instructions: u64,
    /// Asked for by the proxy, for what it replies to the module.
    pub(crate) for_replies: Allocations,
    /// All others.
    pub(crate) own: Allocations,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allocations {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
}

impl Figures {
    /// Instructions are those of the module itself; allocations are those of a copy of it that
    /// counts them, for which it takes instructions of its own.
    pub(crate) fn new(usage: &Usage, counting: &Usage) -> Self {
        let host_calls = usage.hostcalls.iter();
        Self {
            calls: usage.calls,
            host_calls: host_calls.map(|(name, calls)| ((*name).to_owned(), *calls)).collect(),
            instructions: usage.instructions,
            for_replies: Allocations { number: usage.allocations, bytes: usage.allocated_bytes },
            own: Allocations {
                number: counting.own_allocations,
                bytes: counting.own_allocated_bytes,
            },
        }
    }

    /// All callbacks of a path taken together.
    pub(crate) fn sum(callbacks: &Callbacks) -> Self {
        let mut sum = Self::default();
        for figures in callbacks.values() {
            sum.calls += figures.calls;
            for (name, calls) in &figures.host_calls {
                *sum.host_calls.entry(name.clone()).or_default() += calls;
            }
            sum.instructions += figures.instructions;
            for (sum, of) in
                [(&mut sum.for_replies, figures.for_replies), (&mut sum.own, figures.own)]
            {
                sum.number += of.number;
                sum.bytes += of.bytes;
            }
        }
        sum
    }

    pub(crate) fn shared_reads(&self) -> u64 {
        self.called("proxy_get_shared_data")
    }

    pub(crate) fn shared_writes(&self) -> u64 {
        self.called("proxy_set_shared_data")
    }

    fn called(&self, host_call: &str) -> u64 {
        self.host_calls.get(host_call).copied().unwrap_or_default()
    }

    /// Each figure by its name.
    pub(crate) fn named(&self) -> BTreeMap<String, u64> {
        let mut named = BTreeMap::from([
            ("calls".to_owned(), self.calls),
            (INSTRUCTIONS.to_owned(), self.instructions),
            ("allocations for replies".to_owned(), self.for_replies.number),
            ("bytes allocated for replies".to_owned(), self.for_replies.bytes),
            ("own allocations".to_owned(), self.own.number),
            ("bytes allocated of its own".to_owned(), self.own.bytes),
        ]);
        for (name, calls) in &self.host_calls {
            named.insert(format!("calls of {name}"), *calls);
        }
        named
    }
}

pub(crate) const INSTRUCTIONS: &str = "instructions";
