//! Warnings of a configuration are published once in the process, by the first worker that starts
//! with it.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::config::Warning;
use crate::effects::Effects;
use crate::host::{Host, SwapError};
use crate::store::ATTEMPTS;

/// What was said: a number for each configuration, 8 bytes each, the latest last.
const SAID_KEY: &str = "edge-breaker/v1/doubts/said";
const NUMBER: usize = size_of::<u64>();
/// An earlier one is said again.
const MOST_SAID: usize = 32;

pub(crate) fn publish(warnings: &[Warning], host: &impl Host, effects: &mut Effects) {
    if warnings.is_empty() || !is_first(warnings, host) {
        return;
    }
    for Warning { path, value, remedy } in warnings {
        effects.warn(format!(
            "event=doubtful_configuration path={path} value={value} remedy={remedy:?}"
        ));
    }
}

/// Whether nobody has said it yet; if that cannot be told, it is said.
fn is_first(warnings: &[Warning], host: &impl Host) -> bool {
    let mut hasher = DefaultHasher::new();
    warnings.hash(&mut hasher);
    let number = hasher.finish().to_le_bytes();
    for _ in 0..ATTEMPTS {
        let Ok(stored) = host.load(SAID_KEY) else {
            return true;
        };
        let (said, version) = stored.unzip();
        let mut said = said.unwrap_or_default();
        if said.chunks_exact(NUMBER).any(|known| known == number) {
            return false;
        }
        said.extend_from_slice(&number);
        let latest = said.len().saturating_sub(MOST_SAID * NUMBER);
        if host.swap(SAID_KEY, said.get(latest..).unwrap_or_default(), version)
            != Err(SwapError::Conflict)
        {
            return true;
        }
    }
    false
}
