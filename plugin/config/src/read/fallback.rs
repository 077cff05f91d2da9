//! The fallback: which cluster, or which answer.

use crate::error::ConfigError;
use crate::fields::FallbackFields;
use crate::matching::Match;
use crate::model::{Fallback, FallbackCluster, Probe, STALE_OVERHEAD, Stale};
use crate::reader::Reader;
use crate::status::StatusSet;

/// All that one service may keep, under all of its names.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

pub(super) fn fallback(from: &Reader<'_>) -> Result<Fallback, ConfigError> {
    let mut refused = Ok(());
    let fields = FallbackFields::read(from, &mut refused);
    refused?;
    let FallbackFields { cluster, host, timeout, max_request_bytes, .. } = fields;
    let FallbackFields { stale, response, on_failure, on_status, .. } = fields;
    if let Some((stale, path)) = stale.as_ref().zip(from.inner("stale").whole()) {
        check_size(stale, &path)?;
    }
    let cluster = cluster.map(|name| FallbackCluster { name, host, timeout, max_request_bytes });
    let answers = cluster.is_some() || stale.is_some() || response.is_some();
    if on_failure == Some(true) && from.is_own("on_failure") && !answers {
        let remedy = "a failed call can be answered only by fallback.cluster, \
                      fallback.stale or fallback.response: give one of them";
        return Err(from.error("on_failure", "true", remedy));
    }
    if let Some(given) = from.value("on_status").filter(|_| from.is_own("on_status") && !answers) {
        let remedy = "such an answer can be given only by fallback.cluster, \
                      fallback.stale or fallback.response: give one of them";
        return Err(from.error("on_status", given, remedy));
    }
    let on_failure = answers && on_failure.unwrap_or(true);
    let on_status = if answers { on_status } else { StatusSet::default() };
    Ok(Fallback { cluster, stale, response, on_failure, on_status })
}

/// The recipe's warning: a fallback that calls the failing service makes things worse.
pub(super) fn check_another(
    from: &Reader<'_>,
    fallback: &Fallback,
    matches: &Match,
    probe: Option<&Probe>,
) -> Result<(), ConfigError> {
    let Some(cluster) = &fallback.cluster else {
        return Ok(());
    };
    let protected = matches.names_cluster(&cluster.name);
    let checked = probe.is_some_and(|probe| probe.cluster == cluster.name);
    let whose = match (protected, checked) {
        (true, _) => "match.clusters",
        (false, true) => "health_check.cluster",
        (false, false) => return Ok(()),
    };
    let remedy = format!("it is also in {whose}: a fallback must not call the failing service");
    let path = format_args!("{}.fallback.cluster", from.path());
    Err(ConfigError::at(&path, &format_args!("{:?}", cluster.name), &remedy))
}

fn check_size(stale: &Stale, from: &Reader<'_>) -> Result<(), ConfigError> {
    let (all, Stale { max_response_bytes: bytes, max_entries: entries, .. }) =
        (most_bytes(stale), stale);
    if all <= MOST_BYTES {
        return Ok(());
    }
    let remedy = format!(
        "{entries} answers of {bytes} bytes, with {STALE_OVERHEAD} for headers and address each, may \
         take {all} bytes: keep fewer, or smaller ones, so that it is at most {MOST_BYTES}"
    );
    Err(from.error("max_entries", entries, remedy))
}

/// A service whose name is made of requests keeps answers for each of its names.
pub(super) fn check_names(
    stale: &Stale,
    names: usize,
    from: &Reader<'_>,
) -> Result<(), ConfigError> {
    let each = most_bytes(stale);
    let all = each.saturating_mul(u64::try_from(names).unwrap_or(u64::MAX));
    if all <= MOST_BYTES {
        return Ok(());
    }
    let remedy = format!(
        "for each of max_services ({names}) names {each} bytes may be kept, {all} in all: allow \
         fewer names, or keep fewer or smaller answers, so that it is at most {MOST_BYTES}"
    );
    Err(from.error("max_entries", stale.max_entries, remedy))
}

fn most_bytes(stale: &Stale) -> u64 {
    let each = stale.max_response_bytes.saturating_add(STALE_OVERHEAD);
    u64::try_from(each).unwrap_or(u64::MAX).saturating_mul(stale.max_entries.into())
}
