//! Rules as a configuration has them.

use config::{Config, ConfigError};
use serde_json::{Value, json};

use crate::fixed::FixedRule;

/// The rule that these settings of a service make: `trip`, `open` and `half_open`, as the plugin
/// reads them.
///
/// # Errors
///
/// What the plugin has against them.
pub fn configured(settings: &Value) -> Result<FixedRule, ConfigError> {
    let mut service = settings.clone();
    service["name"] = "service".into();
    let config = Config::parse(json!({ "services": [service] }).to_string().as_bytes())?;
    let first = config.services.into_iter().next();
    let service = first.unwrap_or_else(|| unreachable!("a configuration has the services given"));
    Ok(FixedRule::new(service.policy, service.slow_after))
}
