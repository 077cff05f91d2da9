//! What the workers of a process share of its part in the fleet: which process it is, and what it shows.

use breaker::{Now, Timestamp};
use shared::{Cell, Decision, Decoded, Kind, Reader, Watch};

use ::fleet::{Identity, ProcessId};

use crate::effects::Effects;
use crate::host::Host;
use crate::random::scrambled;

/// The process, whatever its configurations are.
const KEY: &str = "edge-breaker/v1/fleet/process";

const FORMAT: u8 = 1;

/// Which process this is: drawn once, by the first worker that asks. Where the store fails, it is one for
/// this worker.
pub(super) fn identity(watch: &Watch, host: &dyn Host, effects: &mut Effects) -> Identity {
    let now = host.now();
    let cell = Cell { key: KEY, kind: ProcessKind, watch, service: None };
    let known = cell.update(host, effects, |known, _| match known {
        Some(known) => Decision::Keep(*known),
        None => Decision::Store(*known.insert(drawn(now))),
    });
    let known = known.unwrap_or_else(|_| drawn(now));
    // Not from before a clock stepped back.
    Identity { born: known.born.min(now.monotonic), ..known }
}

/// By both clocks: two processes that read the same of one differ in the other.
fn drawn(now: Now) -> Identity {
    let (monotonic, wall) = (now.monotonic.as_nanos(), now.wall.as_nanos());
    let high = u64::from(scrambled(monotonic ^ wall.rotate_left(32)));
    let low = u64::from(scrambled(wall.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ monotonic));
    Identity { id: ProcessId::from_bits(high << 32 | low), born: now.monotonic }
}

/// The process, as it is stored.
pub(crate) struct ProcessKind;

impl Kind for ProcessKind {
    type Value = Identity;

    fn decode(&self, bytes: &[u8]) -> Decoded<Identity> {
        Decoded::new(decode(bytes), bytes, FORMAT, "process")
    }

    fn encode(&self, process: &Identity) -> impl AsRef<[u8]> {
        let mut bytes = vec![FORMAT];
        bytes.extend(process.id.bits().to_le_bytes());
        bytes.extend(process.born.as_nanos().to_le_bytes());
        bytes
    }
}

fn decode(bytes: &[u8]) -> Option<Identity> {
    let mut rest = Reader(bytes.strip_prefix(&[FORMAT])?);
    let (id, born) = (ProcessId::from_bits(rest.u64()?), Timestamp::from_nanos(rest.u64()?));
    rest.is_empty().then_some(Identity { id, born })
}

/// What the worker that has the lease shows, as JSON.
pub(crate) struct ShownKind;

impl Kind for ShownKind {
    type Value = String;

    fn decode(&self, bytes: &[u8]) -> Decoded<String> {
        let text = bytes.strip_prefix(&[FORMAT]);
        let text = text.and_then(|text| String::from_utf8(text.to_vec()).ok());
        Decoded::new(text, bytes, FORMAT, "fleet")
    }

    fn encode(&self, text: &String) -> impl AsRef<[u8]> {
        [&[FORMAT], text.as_bytes()].concat()
    }
}
