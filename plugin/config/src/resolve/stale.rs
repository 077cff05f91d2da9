//! Stale answers: how many, how large and how old.

use std::time::Duration;

use super::{SECOND, at_least_one};
use crate::duration::{LONGEST, written};
use crate::error::ConfigError;
use crate::model::Stale;
use crate::model::{MOST_STALE_ENTRIES as MOST_ENTRIES, STALE_OVERHEAD as ENTRY_OVERHEAD};
use crate::wire;

const DEFAULT_AGE: Duration = Duration::from_secs(300);
const LARGEST_RESPONSE: u32 = 16 * 1024 * 1024;
const DEFAULT_RESPONSE: u32 = 64 * 1024;
const DEFAULT_ENTRIES: u32 = 256;
/// All that one service may keep, under all of its names.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

pub(super) fn stale(wire: &wire::Stale, path: &str) -> Result<Stale, ConfigError> {
    let path = |field: &str| format!("{path}.{field}");
    let max_age = wire.max_age.map_or(DEFAULT_AGE, |span| span.0);
    // No duration is longer.
    if max_age < SECOND {
        let remedy = format!("give from \"1s\" to {}", written(LONGEST));
        return Err(ConfigError::at(path("max_age"), written(max_age), remedy));
    }
    let bytes = wire.max_response_bytes.unwrap_or(DEFAULT_RESPONSE);
    at_least_one(bytes, || path("max_response_bytes"))?;
    if bytes > LARGEST_RESPONSE {
        let remedy = format!("keep at most {LARGEST_RESPONSE} bytes of an answer");
        return Err(ConfigError::at(path("max_response_bytes"), bytes, remedy));
    }
    let entries = wire.max_entries.unwrap_or(DEFAULT_ENTRIES);
    at_least_one(entries, || path("max_entries"))?;
    if entries > MOST_ENTRIES {
        let remedy = format!("keep at most {MOST_ENTRIES} answers");
        return Err(ConfigError::at(path("max_entries"), entries, remedy));
    }
    let max_response_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    let stale = Stale { max_age, max_response_bytes, max_entries: entries };
    let all = most_bytes(&stale);
    if all > MOST_BYTES {
        let remedy = format!(
            "{entries} answers of {bytes} bytes, with {ENTRY_OVERHEAD} for headers and address each, \
             may take {all} bytes: keep fewer, or smaller ones, so that it is at most {MOST_BYTES}"
        );
        return Err(ConfigError::at(path("max_entries"), entries, remedy));
    }
    Ok(stale)
}

/// A service whose name is made of requests keeps answers for each of its names.
pub(super) fn check_names(
    stale: &Stale,
    names: usize,
    path: impl Fn() -> String,
) -> Result<(), ConfigError> {
    let names = u64::try_from(names).unwrap_or(u64::MAX);
    let each = most_bytes(stale);
    let all = each.saturating_mul(names);
    if all <= MOST_BYTES {
        return Ok(());
    }
    let remedy = format!(
        "for each of max_services ({names}) names {each} bytes may be kept, {all} in all: allow \
         fewer names, or keep fewer or smaller answers, so that it is at most {MOST_BYTES}"
    );
    Err(ConfigError::at(path(), stale.max_entries, remedy))
}

fn most_bytes(stale: &Stale) -> u64 {
    let each = stale.max_response_bytes.saturating_add(ENTRY_OVERHEAD);
    u64::try_from(each).unwrap_or(u64::MAX).saturating_mul(stale.max_entries.into())
}
