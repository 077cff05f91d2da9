//! The body of an answer, as it passes.

use std::time::Duration;

use breaker::Timestamp;

use crate::host::Host;

/// What passes of an answer that nobody reads, at most: as much as the first windows and buffers on
/// its way take in.
const LITTLE: usize = 64 * 1024;

/// After this long without a piece an answer has halted.
const HALT: Duration = Duration::from_secs(1);

/// How much of an answer's body has passed. A client that does not read takes in what the buffers
/// on its way hold; whatever then ends the answer can be for want of a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flow {
    /// No more than a client takes in that does not read.
    #[default]
    Little,
    /// More, and until just now.
    Much,
    /// More, but nothing for a while.
    Halted,
}

/// What has passed of an answer's body.
#[derive(Debug, Default)]
pub(crate) struct BodyFlow {
    bytes: usize,
    /// When the latest piece did, once they are many.
    last: Option<Timestamp>,
}

impl BodyFlow {
    /// Takes note of a piece: whether it is the one by which much has passed.
    #[inline]
    pub(crate) fn add(&mut self, len: usize, host: &dyn Host) -> bool {
        self.bytes = self.bytes.saturating_add(len);
        if self.bytes <= LITTLE {
            return false;
        }
        self.last.replace(host.now().monotonic).is_none()
    }

    /// How much has passed by now.
    pub(crate) fn now(&self, host: &dyn Host) -> Flow {
        match self.last {
            None => Flow::Little,
            Some(last) if host.now().monotonic.since(last) < HALT => Flow::Much,
            Some(_) => Flow::Halted,
        }
    }
}
