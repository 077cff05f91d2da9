//! The records of the breakers in the store that all workers share.
//!
//! A record is created if absent and changed only by compare-and-swap. Whoever loses a race
//! reads again and decides again, so that a decision is never based on what another has
//! overtaken, and a transition is stored by exactly one.

use breaker::{Breaker, DecodeError, Transition};

use crate::config::Service;
use crate::effects::Effects;
use crate::host::{Host, StoreFault, SwapError, Version};
use crate::telemetry::Metric;

/// How often an update that lost a race is tried again. Each loss means that another worker got
/// its update through, so that even many workers get there in a few rounds.
const ATTEMPTS: usize = 64;

/// The key of a service's record. Its prefix keeps it apart from other plugins', which share the
/// store where no `vm_id` is set; the version is that of the key space, not of the record.
pub(crate) fn key(service: &str) -> String {
    format!("edge-breaker/v1/{service}")
}

/// Why an update was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Others were faster each time.
    Race,
    /// The store cannot be used.
    Store,
}

/// What an update made of a breaker.
pub(crate) enum Update<R> {
    /// Nothing: there is nothing to store.
    Unchanged(R),
    /// Another one, perhaps in another state.
    Changed(R, Option<Transition>),
}

/// A record as it was read.
struct Loaded {
    breaker: Breaker,
    /// Its bytes; `None` if there were none or they were no record.
    bytes: Option<Vec<u8>>,
    version: Option<Version>,
}

/// The service's breaker as it is now; one that was never stored is closed and clean.
pub(crate) fn load(
    host: &impl Host,
    service: &Service,
    effects: &mut Effects,
) -> Result<Breaker, StoreFault> {
    read(host, service, effects).map(|loaded| loaded.breaker)
}

/// Creates the service's record if there is none.
pub(crate) fn ensure(host: &impl Host, service: &Service, effects: &mut Effects) {
    if let Ok(Loaded { breaker, bytes: None, version }) = read(host, service, effects) {
        // Whoever is faster has created it as well.
        let _ = host.swap(&service.key, &breaker.encode(), version);
    }
}

/// Loads, changes and stores the service's breaker, anew for each lost race.
pub(crate) fn update<R>(
    host: &impl Host,
    number: usize,
    service: &Service,
    effects: &mut Effects,
    mut change: impl FnMut(&mut Breaker) -> Update<R>,
) -> Result<R, Lost> {
    let mut lost = Lost::Race;
    for _ in 0..ATTEMPTS {
        let Ok(mut loaded) = read(host, service, effects) else {
            lost = Lost::Store;
            break;
        };
        let (result, transition) = match change(&mut loaded.breaker) {
            Update::Unchanged(result) => return Ok(result),
            Update::Changed(result, transition) => (result, transition),
        };
        let bytes = loaded.breaker.encode();
        if loaded.bytes.as_deref() == Some(&bytes) {
            return Ok(result);
        }
        match host.swap(&service.key, &bytes, loaded.version) {
            Ok(()) => {
                effects.stored(number, service, &loaded.breaker, transition);
                return Ok(result);
            }
            Err(SwapError::Conflict) => {}
            Err(SwapError::Fault(_)) => {
                lost = Lost::Store;
                break;
            }
        }
    }
    effects.count(Metric::LostUpdates);
    effects.warn(format!("service={} event=lost_update cause={lost:?}", service.name));
    Err(lost)
}

/// An unreadable record is as good as none: it is said and replaced, never a reason to fail.
fn read(host: &impl Host, service: &Service, effects: &mut Effects) -> Result<Loaded, StoreFault> {
    let Some((bytes, version)) = host.load(&service.key)? else {
        return Ok(Loaded { breaker: Breaker::new(), bytes: None, version: None });
    };
    match Breaker::decode(&bytes) {
        Ok(breaker) => Ok(Loaded { breaker, bytes: Some(bytes), version: Some(version) }),
        Err(error) => {
            effects.count(Metric::UnreadableRecords);
            effects.warn(format!(
                "service={} event=unreadable_record problem=\"{error}\"",
                service.name
            ));
            // Repaired on sight, or it would be complained of until something changes. A newer
            // version's record is no damage: that version may still be at work on it.
            if !matches!(error, DecodeError::Version { .. }) {
                let _ = host.swap(&service.key, &Breaker::new().encode(), Some(version));
            }
            Ok(Loaded { breaker: Breaker::new(), bytes: None, version: Some(version) })
        }
    }
}
