//! Warnings about a configuration that works, and hardly as its author thought: given once in the
//! process, by the first worker that starts with it.

use std::hash::Hasher as _;

use config::Hash;
use shared::{Cell, Decision, Decoded, Kind, Lost, Watch};

use crate::effects::Effects;
use crate::host::Host;
use config::Warning;

const KEY: &str = "edge-breaker/v1/doubts/said";
/// Of how many configurations is known that they were warned of. Of an earlier one is warned again.
const MOST_WARNED: usize = 32;

/// The configurations that were warned of: a number each, 8 bytes, the latest last.
pub(crate) struct WarnedKind;

impl Kind for WarnedKind {
    type Value = Vec<[u8; 8]>;

    fn decode(&self, bytes: &[u8]) -> Decoded<Self::Value> {
        Decoded::Value(bytes.as_chunks().0.to_vec())
    }

    fn encode(&self, numbers: &Self::Value) -> impl AsRef<[u8]> {
        numbers.as_flattened()
    }
}

pub(crate) fn publish(warnings: &[Warning], host: &dyn Host, effects: &mut Effects) {
    if warnings.is_empty() || !is_first(warnings, host, effects) {
        return;
    }
    for Warning { path, value, remedy } in warnings {
        effects.warn(format!(
            "event=doubtful_configuration path={path} value={value} remedy={remedy:?}"
        ));
    }
}

/// Whether nobody has warned of them yet; if that cannot be told, nobody has.
fn is_first(warnings: &[Warning], host: &dyn Host, effects: &mut Effects) -> bool {
    let number = number_of(warnings);
    let watch = Watch::default();
    let cell = Cell { key: KEY, kind: WarnedKind, watch: &watch, service: None };
    let first = cell.update(host, effects, |warned, _| {
        let warned = warned.get_or_insert_default();
        if warned.contains(&number) {
            return Decision::Keep(false);
        }
        warned.push(number);
        warned.drain(..warned.len().saturating_sub(MOST_WARNED));
        Decision::Store(true)
    });
    first.unwrap_or_else(|lost| lost != Lost::Race)
}

/// A number for a configuration's warnings.
fn number_of(warnings: &[Warning]) -> [u8; 8] {
    let count = u32::try_from(warnings.len()).unwrap_or(u32::MAX);
    let hash =
        warnings.iter().fold(Hash::default().bytes(&count.to_le_bytes()), |hash, warning| {
            hash.text(&warning.path).text(&warning.value).text(&warning.remedy)
        });
    hash.finish().to_le_bytes()
}
