//! Where a proxy's store has the record of a breaker.

use serde_json::Value;

/// The key of a record that is kept under its service's name.
fn key(service: &str) -> String {
    format!("edge-breaker/v1/{service}")
}

/// The record of a breaker, in a store that a configuration uses. One whose name a client has a say in has
/// one of a number of slots, each with the name before the record (docs/shared-state.md).
#[must_use]
pub fn stored_record(
    config: &str,
    service: &str,
    get: impl Fn(&str) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let own = get(&key(service));
    own.or_else(|| slots(config, service).find_map(|(key, name)| in_slot(&get(&key)?, &name)))
}

/// The keys of all slots that a service may have, and its name there.
fn slots(config: &str, service: &str) -> impl Iterator<Item = (String, String)> {
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    let most = config["max_services"].as_u64().unwrap_or(1024);
    let services = config["services"].as_array().cloned().unwrap_or_default();
    let names = services.into_iter().filter_map(|it| it["name"].as_str().map(str::to_owned));
    let service = service.to_owned();
    names.filter(|name| name.contains("{host}")).flat_map(move |template| {
        let mark = template.replace(['{', '}'], "") + "=";
        let name = service.strip_prefix(&mark).unwrap_or(&service).to_owned();
        let key = key(&format!("names/slots/{template}"));
        (0..most).map(move |slot| (format!("{key}/{slot}"), name.clone()))
    })
}

/// The record in a slot's value, after version, turn and name, if it is of this name.
fn in_slot(value: &[u8], wanted: &str) -> Option<Vec<u8>> {
    let (len, rest) = value.get(9..)?.split_first()?;
    let (name, record) = rest.split_at_checked(usize::from(*len))?;
    (name == wanted.as_bytes()).then(|| record.to_vec())
}
