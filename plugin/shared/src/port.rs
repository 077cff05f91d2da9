//! What a host offers to all of its workers alike. Each call is one crossing of the sandbox.

use std::num::NonZeroU32;

use breaker::{Now, Timestamp};

/// Values by keys, each with a version that changes whenever the value is written.
pub trait Store {
    /// The value and its version; `None`: the key was never written.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault>;

    /// Writes a value if the key still has the expected version; `None`: if it is still absent.
    ///
    /// # Errors
    ///
    /// If another was faster, or the store cannot be written.
    fn swap(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), SwapError>;
}

/// The time.
pub trait Clock {
    /// Both clocks, read at the same moment.
    fn now(&self) -> Now;

    /// The clock that decisions are taken by, for who needs no other.
    fn monotonic(&self) -> Timestamp {
        self.now().monotonic
    }
}

/// What a cell asks of a host.
pub trait Shared: Store + Clock {}

impl<T: Store + Clock + ?Sized> Shared for T {}

/// Gauges and counters that a host keeps over all workers, and gives back.
pub trait VersionGauge {
    /// Which gauge or counter.
    type Id: Copy;

    /// Defines one at zero under this name, or finds that which another worker has defined. It comes
    /// before any other call with the same id.
    fn define(&self, id: Self::Id, name: &str);

    /// What it stands at; `None`: the host keeps no such one.
    fn read(&self, id: Self::Id) -> Option<u64>;

    /// Moves it in one atomic step. A counter only goes up.
    fn adjust(&self, id: Self::Id, by: i64);
}

/// The version of a stored value. Never zero: zero would mean "write in any case".
pub type Version = NonZeroU32;

/// The store cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFault {
    /// The proxy's status code.
    pub status: u32,
}

/// Why a value was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwapError {
    /// Another was faster.
    Conflict,
    /// The store cannot be used.
    Fault(StoreFault),
}
