//! The mode that a service is configured to be in, which its record does not hold.

use serde_json::Value;

/// The mode of a service by a configuration: `enabled`, unless it, or else the defaults, say
/// otherwise.
#[must_use]
pub fn configured_mode(config: &str, service: &str) -> String {
    const ENABLED: &str = "enabled";
    let config: Value = serde_json::from_str(config).unwrap_or_default();
    let services = config["services"].as_array().into_iter().flatten();
    let own = services.into_iter().find(|it| it["name"] == service).map(|it| &it["mode"]);
    let mode = own.and_then(Value::as_str).or_else(|| config["defaults"]["mode"].as_str());
    mode.unwrap_or(ENABLED).to_owned()
}
