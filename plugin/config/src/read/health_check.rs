//! The health check: which request, and how often.

use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use breaker::{AfterCheck, HealthCheckPolicy, Rate, RetryPolicy};

use crate::duration::written;
use crate::error::ConfigError;
use crate::fields::{HealthCheckFields, Then};
use crate::hash::Hash;
use crate::model::Probe;
use crate::reader::Reader;
use crate::value::Object;

pub(super) fn health_check(
    from: &Reader<'_>,
) -> Result<Option<(Probe, HealthCheckPolicy)>, ConfigError> {
    if !from.is_given() {
        return Ok(None);
    }
    let nothing = Object::default();
    let mut refused = Ok(());
    let fields = HealthCheckFields::read(&from.as_given(&nothing), &mut refused);
    refused?;
    let HealthCheckFields { cluster, host, method, path, headers: own, interval, .. } = fields;
    let mut headers = vec![
        (":method".to_owned(), method),
        (":path".to_owned(), path),
        (":authority".to_owned(), host.unwrap_or_else(|| cluster.clone())),
    ];
    headers.extend(own);
    let timeout = fields.timeout.unwrap_or_else(|| interval.min(Duration::from_secs(1)));
    if timeout < Duration::from_millis(1) || timeout > interval {
        let remedy =
            format!("give at least \"1ms\" and at most the interval, {}", written(interval));
        return Err(from.error("timeout", written(timeout), remedy));
    }
    let HealthCheckFields { healthy_threshold, expected_status, then, retry, .. } = fields;
    let probe = Probe { cluster, headers, timeout, expected_status };
    let mut policy = HealthCheckPolicy {
        settings: 0,
        interval,
        timeout,
        healthy_threshold,
        then: match then {
            Then::Close => AfterCheck::Close,
            Then::HalfOpen => AfterCheck::HalfOpen,
        },
        retry: retry.map(|retry| RetryPolicy {
            num_retries: retry.num_retries,
            interval: retry.interval,
            backoff_rate: Rate::from_thousandths(retry.backoff_rate),
        }),
    };
    policy.settings = number_of(&probe, &policy);
    Ok(Some((probe, policy)))
}

/// A number for all that is asked and how: the same in all workers, and never zero.
fn number_of(probe: &Probe, policy: &HealthCheckPolicy) -> u32 {
    let mut hash = Hash::default();
    (probe, policy).hash(&mut hash);
    let hash = hash.finish();
    ((hash >> 32) as u32 ^ hash as u32).max(1)
}
