//! The body of an answer, as it passes.

use std::time::Duration;

use breaker::Timestamp;

use crate::host::Host;
use crate::response::classify::Flow;

/// What passes of an answer that nobody reads, at most: as much as the first windows and buffers on
/// its way take in.
const LITTLE: usize = 64 * 1024;

/// After this long without a piece an answer has halted.
const HALT: Duration = Duration::from_secs(1);

/// What has passed of an answer's body.
#[derive(Debug, Default)]
pub(crate) struct Passing {
    bytes: usize,
    /// When the latest piece did, once they are many.
    last: Option<Timestamp>,
}

impl Passing {
    /// Takes note of a piece: whether it is the one by which much has passed.
    pub(crate) fn add(&mut self, len: usize, host: &impl Host) -> bool {
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes <= LITTLE {
            return false;
        }
        self.last.replace(host.now().monotonic).is_none()
    }

    /// How much has passed by now.
    pub(crate) fn flow(&self, host: &impl Host) -> Flow {
        match self.last {
            None => Flow::Little,
            Some(last) if host.now().monotonic.since(last) < HALT => Flow::Much,
            Some(_) => Flow::Halted,
        }
    }
}
