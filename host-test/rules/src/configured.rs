//! Rules as a configuration has them.

use config::{Config, ConfigError};
use serde_json::{Value, json};

use crate::adaptive::AdaptiveRule;
use crate::fixed::FixedRule;
use crate::rule::Rule;

/// The rule that these settings of a service make: `trip`, `open` and `half_open`, as the plugin
/// reads them. The adaptive rule is asked alone, without others beside it.
///
/// # Errors
///
/// What the plugin has against them.
pub fn configured(settings: &Value) -> Result<Box<dyn Rule>, ConfigError> {
    let mut service = settings.clone();
    service["name"] = "service".into();
    let config = Config::parse(json!({ "services": [service] }).to_string().as_bytes())?;
    let first = config.services.into_iter().next();
    let service = first.unwrap_or_else(|| unreachable!("a configuration has the services given"));
    Ok(match service.policy.trip.adaptive {
        Some(adaptive) => Box::new(AdaptiveRule::new(adaptive, 1)),
        None => Box::new(FixedRule::new(service.policy, service.slow_after)),
    })
}
