//! What the adaptive rule knows of services, read from the records that the module keeps.

use breaker::{AdaptiveReport, Breaker, Policy, Timestamp};
use config::{Config, ConfigError};

/// A service with the adaptive rule.
pub struct Watched {
    /// Its name.
    pub service: String,
    policy: Policy,
}

impl Watched {
    /// All of a configuration.
    ///
    /// # Errors
    ///
    /// What the plugin has against the configuration.
    pub fn all(configuration: &[u8]) -> Result<Vec<Self>, ConfigError> {
        let services = Config::parse(configuration)?.services.into_iter();
        let services = services.filter(|it| it.policy.trip.adaptive.is_some());
        Ok(services
            .map(|it| Self { service: it.name.text().to_owned(), policy: it.policy })
            .collect())
    }

    /// The key of its record in the shared store.
    #[must_use]
    pub fn key(&self) -> String {
        format!("edge-breaker/v1/{}", self.service)
    }

    /// What the rule goes by, `now` in nanoseconds of the monotonic clock; `None`: this is no record.
    #[must_use]
    pub fn report(&self, record: &[u8], now: u64) -> Option<AdaptiveReport> {
        let breaker = Breaker::decode(record).ok()?;
        breaker.adaptive_report(&self.policy, Timestamp::from_nanos(now))
    }
}
