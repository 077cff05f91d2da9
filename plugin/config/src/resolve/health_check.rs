//! The health check: which request, and how often.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use breaker::{AfterCheck, HealthCheckPolicy, Rate, RetryPolicy};

use super::{
    Place, SECOND, SHORTEST_INTERVAL, at_least_one, check_cluster, check_host, check_path,
    header_list, is_token_byte, quoted,
};
use crate::duration::written;
use crate::error::ConfigError;
use crate::model::Probe;
use crate::status::StatusSet;
use crate::wire;

impl Place {
    pub(super) fn health_check(
        self,
        own: Option<wire::HealthCheck>,
        defaults: Option<&wire::HealthCheck>,
    ) -> Result<Option<(Probe, HealthCheckPolicy)>, ConfigError> {
        if own.is_none() && defaults.is_none() {
            return Ok(None);
        }
        let own = own.unwrap_or_default();
        let none = wire::HealthCheck::default();
        let defaults = defaults.unwrap_or(&none);
        let path = |own: bool, field: &str| self.path_of(own, &format!("health_check.{field}"));
        let missing = |field: &str, example: &str| {
            let remedy = format!("a health check needs it, such as {example}");
            ConfigError::at(path(true, field), "absent", remedy)
        };

        let own_cluster = own.cluster.is_some();
        let cluster = own.cluster.or_else(|| defaults.cluster.clone());
        let cluster = cluster.ok_or_else(|| missing("cluster", "\"payment\""))?;
        check_cluster(&cluster, || path(own_cluster, "cluster"))?;
        let request_path = own.path.clone().or_else(|| defaults.path.clone());
        let request_path = request_path.ok_or_else(|| missing("path", "\"/health\""))?;
        check_path(&request_path, || path(own.path.is_some(), "path"))?;
        let method = own.method.clone().or_else(|| defaults.method.clone());
        let method = method.unwrap_or_else(|| "GET".to_owned());
        if method.is_empty() || !method.bytes().all(is_token_byte) {
            let path = path(own.method.is_some(), "method");
            return Err(ConfigError::at(path, quoted(&method), "give a method such as \"GET\""));
        }
        let own_host = own.host.is_some();
        let host = own.host.or_else(|| defaults.host.clone());
        check_host(host.as_deref(), || path(own_host, "host"))?;
        let host = host.unwrap_or_else(|| cluster.clone());
        let (own_headers, headers) = match own.headers {
            Some(headers) => (true, headers),
            None => (false, defaults.headers.clone().unwrap_or_default()),
        };
        let mut request = vec![
            (":method".to_owned(), method),
            (":path".to_owned(), request_path),
            (":authority".to_owned(), host),
        ];
        request.extend(header_list(headers, &path(own_headers, "headers"))?);

        let interval = own.interval.or(defaults.interval).map_or(5 * SECOND, |span| span.0);
        if interval < SHORTEST_INTERVAL {
            let path = path(own.interval.is_some(), "interval");
            return Err(ConfigError::at(path, written(interval), "give at least \"10ms\""));
        }
        let timeout = own.timeout.or(defaults.timeout);
        let timeout = timeout.map_or_else(|| interval.min(SECOND), |span| span.0);
        if timeout < Duration::from_millis(1) || timeout > interval {
            let path = path(own.timeout.is_some(), "timeout");
            let remedy =
                format!("give at least \"1ms\" and at most the interval, {}", written(interval));
            return Err(ConfigError::at(path, written(timeout), remedy));
        }
        let threshold = own.healthy_threshold.or(defaults.healthy_threshold).unwrap_or(1);
        let threshold_path = || path(own.healthy_threshold.is_some(), "healthy_threshold");
        let then = own.then.or(defaults.then).unwrap_or(wire::Then::HalfOpen);
        let own_retry = own.retry.is_some();
        let retry = own.retry.or_else(|| defaults.retry.clone());
        let probe = Probe {
            cluster,
            headers: request,
            timeout,
            expected_status: own
                .expected_status
                .or(defaults.expected_status)
                .unwrap_or_else(|| StatusSet::range(200, 299)),
        };
        let mut policy = HealthCheckPolicy {
            settings: 0,
            interval,
            timeout,
            healthy_threshold: at_least_one(threshold, threshold_path)?,
            then: match then {
                wire::Then::Close => AfterCheck::Close,
                wire::Then::HalfOpen => AfterCheck::HalfOpen,
            },
            retry: retry.map(|wire| retry_of(&wire, |f| path(own_retry, f))).transpose()?,
        };
        policy.settings = number_of(&probe, &policy);
        Ok(Some((probe, policy)))
    }
}

/// A number for all that is asked and how: the same in all workers, and never zero.
fn number_of(probe: &Probe, policy: &HealthCheckPolicy) -> u32 {
    let mut hasher = DefaultHasher::new();
    (probe, policy).hash(&mut hasher);
    let hash = hasher.finish();
    ((hash >> 32) as u32 ^ hash as u32).max(1)
}

fn retry_of(wire: &wire::Retry, path: impl Fn(&str) -> String) -> Result<RetryPolicy, ConfigError> {
    let interval = wire.interval.map_or(2 * SECOND, |span| span.0);
    if interval < SHORTEST_INTERVAL {
        let value = written(interval);
        return Err(ConfigError::at(path("retry.interval"), value, "give at least \"10ms\""));
    }
    Ok(RetryPolicy {
        num_retries: wire.num_retries.unwrap_or(3),
        interval,
        backoff_rate: Rate::from_thousandths(wire.backoff_rate.map_or(2_000, |factor| factor.0)),
    })
}
