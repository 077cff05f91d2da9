//! The bulkhead: how many calls may be under way, and which classes of calls have a share.

use std::collections::BTreeSet;

use super::{LONGEST_NAME, Place, SECOND, SHORTEST_INTERVAL, at_least_one, is_plain_name, quoted};
use crate::duration::written;
use crate::error::ConfigError;
use crate::matching::Match;
use crate::model::{Bulkhead, Partition};
use crate::wire::{self, OnFull};

const MOST_CALLS: u32 = 1_000_000;
const MOST_PARTITIONS: usize = 16;

impl Place {
    pub(super) fn bulkhead(
        self,
        own: Option<wire::Bulkhead>,
        defaults: Option<&wire::Bulkhead>,
    ) -> Result<Option<Bulkhead>, ConfigError> {
        if own.is_none() && defaults.is_none() {
            return Ok(None);
        }
        let given = own.is_some();
        let none = wire::Bulkhead::default();
        let (own, defaults) = (own.unwrap_or_default(), defaults.unwrap_or(&none));
        let path = |own: bool, field: &str| self.path_of(own, &format!("bulkhead.{field}"));

        let calls_path = || {
            let own = own.max_concurrent_calls.is_some();
            path(own || (given && defaults.max_concurrent_calls.is_none()), "max_concurrent_calls")
        };
        let calls = own.max_concurrent_calls.or(defaults.max_concurrent_calls);
        let Some(calls) = calls else {
            let remedy = "say how many calls may be under way at a time, such as 100";
            return Err(ConfigError::at(calls_path(), "nothing", remedy));
        };
        let calls = limit(calls, &calls_path)?;

        let own_duration = own.max_request_duration;
        let duration = own_duration.or(defaults.max_request_duration).map_or(SECOND, |it| it.0);
        if duration < SHORTEST_INTERVAL {
            let path = path(own_duration.is_some(), "max_request_duration");
            return Err(ConfigError::at(path, written(duration), "give at least \"10ms\""));
        }

        let own_partitions = own.partitions.is_some();
        let partitions = own.partitions.or_else(|| defaults.partitions.clone());
        let partitions_path = path(own_partitions, "partitions");
        Ok(Some(Bulkhead {
            max_concurrent_calls: calls,
            max_request_duration: duration,
            on_full: own.on_full.or(defaults.on_full).unwrap_or(OnFull::Fallback),
            partitions: resolved(partitions.unwrap_or_default(), calls, &partitions_path)?,
        }))
    }
}

fn resolved(
    wire: Vec<wire::Partition>,
    calls: u32,
    path: &str,
) -> Result<Vec<Partition>, ConfigError> {
    if wire.len() > MOST_PARTITIONS {
        let entries = format!("{} entries", wire.len());
        return Err(ConfigError::at(path, entries, format!("give at most {MOST_PARTITIONS}")));
    }
    let mut ids = BTreeSet::new();
    let mut partitions = Vec::with_capacity(wire.len());
    for (index, partition) in wire.into_iter().enumerate() {
        let partition = one(partition, calls, &format!("{path}[{index}]"), &mut ids)?;
        partitions.push(partition);
    }
    Ok(partitions)
}

fn one(
    wire: wire::Partition,
    calls: u32,
    path: &str,
    ids: &mut BTreeSet<u32>,
) -> Result<Partition, ConfigError> {
    let named = |remedy: &str| ConfigError::at(format!("{path}.name"), quoted(&wire.name), remedy);
    if !is_plain_name(&wire.name) {
        let remedy = format!("use 1 to {LONGEST_NAME} letters, digits, `-`, `_`, `.` or `~`");
        return Err(named(&remedy));
    }
    let id = id_of(&wire.name);
    if !ids.insert(id) {
        return Err(named("give each partition a name of its own"));
    }
    let Some(matches) = wire.matches else {
        let remedy = "say which calls belong to it, such as {\"path_prefixes\": [\"/batch\"]}";
        return Err(ConfigError::at(format!("{path}.match"), "nothing", remedy));
    };
    let share_path = || format!("{path}.max_concurrent_calls");
    let Some(share) = wire.max_concurrent_calls else {
        let remedy = "say how many of its calls may be under way at a time, such as 10";
        return Err(ConfigError::at(share_path(), "nothing", remedy));
    };
    let share = limit(share, &share_path)?;
    if share > calls {
        let remedy = format!("give at most the service's own max_concurrent_calls, {calls}");
        return Err(ConfigError::at(share_path(), share, remedy));
    }
    let matches = Match::new(matches, &format!("{path}.match"))?;
    Ok(Partition { name: wire.name, id, matches, max_concurrent_calls: share })
}

fn limit(calls: u32, path: &impl Fn() -> String) -> Result<u32, ConfigError> {
    let calls = at_least_one(calls, path)?.get();
    if calls > MOST_CALLS {
        return Err(ConfigError::at(path(), calls, format!("give at most {MOST_CALLS}")));
    }
    Ok(calls)
}

/// A number for a name, the same in every configuration (FNV-1a), and never that of no class.
fn id_of(name: &str) -> u32 {
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let mix = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME);
    name.bytes().fold(BASIS, mix).max(1)
}
