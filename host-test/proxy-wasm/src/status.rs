//! The status codes that a host function can return.

/// What a host function says of itself. The numbers are those of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// It is done.
    Ok = 0,
    /// There is no such thing.
    NotFound = 1,
    /// An argument is out of its range, or not allowed in this phase.
    BadArgument = 2,
    /// A value cannot be serialised.
    SerializationFailure = 3,
    /// A value cannot be parsed, or names a cluster for gRPC that is not there.
    ParseFailure = 4,
    /// A pointer leads out of the module's memory.
    InvalidMemoryAccess = 6,
    /// The queue is empty.
    Empty = 7,
    /// Another was faster.
    CasMismatch = 8,
    /// The host cannot do it now.
    InternalFailure = 10,
    /// The host cannot do it at all.
    Unimplemented = 12,
}
