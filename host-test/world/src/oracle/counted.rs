//! What the adaptive rule counts.

/// The calls of a period, by what the record has counted of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) generation: u64,
    /// What stood in the record when it began.
    pub(super) from: u64,
    pub(super) halved: u64,
    /// Whether what was counted can be compared.
    pub(super) known: bool,
    pub(super) certain: u64,
    pub(super) maybe: u64,
}
