//! Rules as a configuration has them.

use std::time::Duration;

use breaker::{AdaptivePolicy, Percentage};
use config::{Config, ConfigError, duration};
use serde_json::{Value, json};

use crate::adaptive::AdaptiveRule;
use crate::fixed::FixedRule;
use crate::rule::Rule;

/// The rule that these settings of a service make: `trip`, `open` and `half_open`, as the plugin
/// reads them.
///
/// # Errors
///
/// What the plugin has against them.
pub fn configured(settings: &Value) -> Result<Box<dyn Rule>, ConfigError> {
    if let Some(adaptive) = settings.pointer("/trip/adaptive") {
        return Ok(Box::new(AdaptiveRule::new(policy(adaptive), 1)));
    }
    let mut service = settings.clone();
    service["name"] = "service".into();
    let config = Config::parse(json!({ "services": [service] }).to_string().as_bytes())?;
    let first = config.services.into_iter().next();
    let service = first.unwrap_or_else(|| unreachable!("a configuration has the services given"));
    Ok(Box::new(FixedRule::new(service.policy, service.slow_after)))
}

/// The defaults, but for the latency floor, as far as it is given.
fn policy(adaptive: &Value) -> AdaptivePolicy {
    let floor = adaptive.get("latency_floor").and_then(Value::as_str).and_then(duration::parse);
    AdaptivePolicy {
        tolerate: Percentage::from_thousandths(5_000),
        false_trips: Duration::from_secs(30 * 86_400),
        shed: true,
        latency_floor: Some(floor.unwrap_or(Duration::from_secs(1))),
        max_gap: Duration::from_secs(300),
    }
}
