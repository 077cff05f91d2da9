//! The bulkhead: how many calls may be under way, and which classes of calls have a share.

use std::num::NonZeroU32;

use super::matching::match_of;
use crate::error::ConfigError;
use crate::fields::PARTITION;
use crate::form::is_plain;
use crate::model::{Bulkhead, Partition};
use crate::naming::LONGEST_NAME;
use crate::path::Path;
use crate::reader::Reader;
use crate::value::Value;

pub(super) fn bulkhead(from: &Reader<'_>) -> Result<Option<Bulkhead>, ConfigError> {
    if !from.is_given() {
        return Ok(None);
    }
    let calls: NonZeroU32 = from.get("max_concurrent_calls")?;
    let max_request_duration = from.get("max_request_duration")?;
    let list = from.path_of("partitions");
    let (root, mut partitions) = (Path::Root, Vec::new());
    let list = Path::Field(&root, &list);
    for (index, entry) in from.entries("partitions")?.unwrap_or_default().iter().enumerate() {
        if let Value::Object(object) = entry {
            let from = Reader::of(&PARTITION, object, Path::Entry(&list, index));
            partitions.push(partition(&from, calls, &partitions)?);
        }
    }
    Ok(Some(Bulkhead {
        max_concurrent_calls: calls.get(),
        max_request_duration,
        on_full: from.get("on_full")?,
        partitions,
    }))
}

fn partition(
    from: &Reader<'_>,
    calls: NonZeroU32,
    others: &[Partition],
) -> Result<Partition, ConfigError> {
    let name: String = from.get("name")?;
    if name.len() > LONGEST_NAME || !is_plain(&name) {
        let remedy = format!("use 1 to {LONGEST_NAME} letters, digits, `-`, `_`, `.` or `~`");
        return Err(from.quoted("name", &name, &remedy));
    }
    let id = id_of(&name);
    if others.iter().any(|other| other.id == id) {
        return Err(from.quoted("name", &name, "give each partition a name of its own"));
    }
    let matches = from.required("match")?;
    let share: NonZeroU32 = from.get("max_concurrent_calls")?;
    if share > calls {
        let remedy = format!("give at most the service's own max_concurrent_calls, {calls}");
        return Err(from.error("max_concurrent_calls", share, remedy));
    }
    let matches = match_of(&matches)?;
    Ok(Partition { name, id, matches, max_concurrent_calls: share.get() })
}

/// A number for a name, the same in every configuration (FNV-1a), and never that of no class.
fn id_of(name: &str) -> u32 {
    const BASIS: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let mix = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME);
    name.bytes().fold(BASIS, mix).max(1)
}
