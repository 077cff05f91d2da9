//! The store of a fleet, and how its processes agree.

use std::time::Duration;

use crate::duration::written;
use crate::error::ConfigError;
use crate::fields::{FleetFields, FleetScope, FleetStore};
use crate::model::{Config, Fleet, Store};
use crate::reader::Reader;

const TIMEOUT: Duration = Duration::from_millis(500);
const MAX_STALENESS: Duration = Duration::from_secs(10);
const LONGEST_STALENESS: Duration = Duration::from_secs(3_600);
/// What the store says is believed for as many looks at least: two may be lost.
const LOOKS: u32 = 3;
const LONGEST_PREFIX: usize = 128;
const PREFIX: &str = "edge-breaker";
/// The region of a store that is one.
const ONE_REGION: &str = "default";

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
    let FleetFields { sync_interval, quorum, probe, scope, .. } = fields;
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
    let FleetFields { store, cluster, host, .. } = fields;
    let fields = Place {
        table: fields.table,
        region: fields.region,
        regions: fields.regions,
        prefix: fields.prefix,
    };
    let (store, region, default_host) = match store {
        FleetStore::DynamoDb => dynamodb(from, fields)?,
        FleetStore::Etcd if scope == FleetScope::Global => {
            return Err(from.error("scope", "\"global\"", "leave it out: etcd is one region"));
        }
        FleetStore::Etcd => etcd(from, fields, &cluster)?,
    };
    Ok(Fleet {
        store,
        host: host.unwrap_or(default_host),
        cluster,
        region,
        scope,
        sync_interval,
        timeout,
        max_staleness,
        quorum,
        probe,
    })
}

/// The fields that say where in its store a fleet is.
struct Place {
    table: Option<String>,
    region: Option<String>,
    regions: Vec<String>,
    prefix: Option<String>,
}

/// The store, the region, and the host that is asked if none is given.
type Found = (Store, String, String);

fn dynamodb(from: &Reader<'_>, place: Place) -> Result<Found, ConfigError> {
    if place.prefix.is_some() {
        return Err(from.error("prefix", "present", "leave it out: DynamoDB has a table"));
    }
    let missing = |field, remedy| from.error(field, "absent", remedy);
    let table = place.table.ok_or_else(|| {
        missing(
            "table",
            "name the table, such as \"circuit-breaker-state\": its key is ServiceName",
        )
    })?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(3..=255).contains(&table.len()) || !table.bytes().all(fits) {
        let remedy = "give 3 to 255 letters, digits, -, _ and .";
        return Err(from.quoted("table", &table, remedy));
    }
    let region = place
        .region
        .ok_or_else(|| missing("region", "name the region of this proxy, such as \"eu-west-1\""))?;
    let remedy = "give a region, such as \"eu-west-1\"";
    if !is_region(&region) {
        return Err(from.quoted("region", &region, remedy));
    }
    let mut regions = place.regions;
    for (index, name) in regions.iter().enumerate() {
        if !is_region(name) {
            return Err(from.quoted(&format!("regions[{index}]"), name, remedy));
        }
    }
    if !regions.contains(&region) {
        if regions.len() >= MOST_REGIONS {
            let remedy = "give at most 100, this one among them";
            return Err(from.error("regions", regions.len(), remedy));
        }
        regions.push(region.clone());
    }
    let host = format!("dynamodb.{region}.amazonaws.com");
    Ok((Store::DynamoDb { table, regions }, region, host))
}

/// The most keys that one request reads.
const MOST_REGIONS: usize = 100;

fn is_region(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

fn etcd(from: &Reader<'_>, place: Place, cluster: &str) -> Result<Found, ConfigError> {
    let Place { table, region, regions, prefix } = place;
    let given = [("table", table.is_some()), ("region", region.is_some())];
    let given = given.into_iter().chain([("regions", !regions.is_empty())]);
    if let Some((field, _)) = given.into_iter().find(|(_, given)| *given) {
        let remedy = "leave it out: etcd is one region, and has a prefix";
        return Err(from.error(field, "present", remedy));
    }
    let prefix = prefix.unwrap_or_else(|| PREFIX.to_owned());
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._~/-".contains(&byte);
    if !(1..=LONGEST_PREFIX).contains(&prefix.len())
        || prefix.ends_with('/')
        || !prefix.bytes().all(fits)
    {
        let remedy = "give 1 to 128 letters, digits, -, _, ., ~ and /, such as \"edge-breaker\", \
                      without a slash at its end";
        return Err(from.quoted("prefix", &prefix, remedy));
    }
    Ok((Store::Etcd { prefix }, ONE_REGION.to_owned(), cluster.to_owned()))
}
