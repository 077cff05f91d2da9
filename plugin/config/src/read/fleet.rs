//! The store of a fleet, and how its processes agree.

use std::time::Duration;

use crate::duration::written;
use crate::error::ConfigError;
use crate::fields::FleetFields;
use crate::model::{Config, Fleet};
use crate::reader::Reader;

const TIMEOUT: Duration = Duration::from_millis(500);
const MAX_STALENESS: Duration = Duration::from_secs(10);
const LONGEST_STALENESS: Duration = Duration::from_secs(3_600);
/// What the store says is believed for as many looks at least: two may be lost.
const LOOKS: u32 = 3;
const LONGEST_PREFIX: usize = 128;

impl Config {
    /// Refuses a fleet, for a host that hands over no bodies of calls' answers: it could ask a store and
    /// would never know what that says.
    ///
    /// # Errors
    ///
    /// If there is a fleet.
    pub fn without_fleet(self) -> Result<Self, ConfigError> {
        match self.fleet {
            None => Ok(self),
            Some(_) => Err(ConfigError::at(
                &"fleet",
                &"present",
                &"leave it out: this host hands over no answers of a store; proxies do",
            )),
        }
    }
}

pub(super) fn fleet(from: &Reader<'_>) -> Result<Fleet, ConfigError> {
    let mut refused = Ok(());
    let fields = FleetFields::read(from, &mut refused);
    refused?;
    let FleetFields { cluster, prefix, sync_interval, quorum, probe, .. } = fields;
    let timeout = fields.timeout.unwrap_or_else(|| TIMEOUT.min(sync_interval));
    if timeout > sync_interval {
        let remedy = format!("give at most fleet.sync_interval, {}", written(sync_interval));
        return Err(from.error("timeout", written(timeout), remedy));
    }
    let shortest = sync_interval.saturating_mul(LOOKS);
    let max_staleness = fields.max_staleness.unwrap_or_else(|| MAX_STALENESS.max(shortest));
    if !(shortest..=LONGEST_STALENESS).contains(&max_staleness) {
        let remedy = format!(
            "give from {}, {LOOKS} times fleet.sync_interval, to {}",
            written(shortest),
            written(LONGEST_STALENESS)
        );
        return Err(from.error("max_staleness", written(max_staleness), remedy));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._~/-".contains(&byte);
    if prefix.is_empty()
        || prefix.len() > LONGEST_PREFIX
        || prefix.ends_with('/')
        || !prefix.bytes().all(fits)
    {
        let remedy = "give 1 to 128 letters, digits, -, _, ., ~ and /, such as \"edge-breaker\", \
                      without a slash at its end";
        return Err(from.quoted("prefix", &prefix, remedy));
    }
    Ok(Fleet {
        store: fields.store,
        host: fields.host.unwrap_or_else(|| cluster.clone()),
        cluster,
        prefix,
        sync_interval,
        timeout,
        max_staleness,
        quorum,
        probe,
    })
}
