//! From what is written to what it means: defaults, bounds and combinations.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use breaker::{
    AfterCheck, HalfOpenPolicy, HealthCheckPolicy, MAX_PERMITTED_CALLS, OpenPolicy, Policy, Rate,
    RetryPolicy, TripPolicy,
};

use super::duration::written;
use super::wire::{self, ExposeState, Overflow};
use super::{
    Admin, Classify, Config, ConfigError, Fallback, FallbackCluster, GrpcSet, Probe, Service,
    StaticResponse, StatusSet,
};
use crate::matching::Match;
use crate::store;

const SECOND: Duration = Duration::from_secs(1);
const MOST_SERVICES: usize = 1024;
const LONGEST_NAME: usize = 128;
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const MOST_REQUEST_BYTES: u32 = 16 * 1024 * 1024;
const DEFAULT_REQUEST_BYTES: u32 = 64 * 1024;

pub(super) fn config(wire: wire::Config) -> Result<Config, ConfigError> {
    let defaults = wire.defaults.unwrap_or_default();
    if wire.services.is_empty() {
        let remedy = r#"name at least one service, such as {"name": "payment-service"}"#;
        return Err(ConfigError::at("services", "[]", remedy));
    }
    if wire.services.len() > MOST_SERVICES {
        let remedy = format!("give at most {MOST_SERVICES}");
        return Err(ConfigError::at(
            "services",
            format!("{} entries", wire.services.len()),
            remedy,
        ));
    }
    let mut names = BTreeSet::new();
    let mut services = Vec::with_capacity(wire.services.len());
    for (index, service) in wire.services.into_iter().enumerate() {
        let place = Place { index };
        place.check_name(&service.name)?;
        // In the names of metrics a dot is an underscore.
        if !names.insert(service.name.replace('.', "_")) {
            let remedy = "give each service a name of its own; `.` and `_` are the same to metrics";
            return Err(place.error("name", &service.name, remedy));
        }
        services.push(place.service(service, &defaults)?);
    }
    Ok(Config {
        expose_state: wire.expose_state.unwrap_or(ExposeState::Fallback),
        services,
        admin: wire.admin.map(admin).transpose()?,
    })
}

fn admin(wire: wire::Admin) -> Result<Admin, ConfigError> {
    let path_prefix = wire.path_prefix.unwrap_or_else(|| "/circuit-breaker".to_owned());
    let plain = path_prefix.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?');
    if !path_prefix.starts_with('/') || path_prefix.ends_with('/') || !plain {
        let remedy = r#"begin with a slash and end without one, such as "/circuit-breaker""#;
        return Err(ConfigError::at("admin.path_prefix", quoted(&path_prefix), remedy));
    }
    if let Some(token) = &wire.token
        && (token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        // Not named: it is a secret.
        let remedy = "give printable ASCII without spaces, or leave the field out";
        return Err(ConfigError::at("admin.token", "unusable", remedy));
    }
    Ok(Admin { path_prefix, token: wire.token })
}

/// A service's place in the configuration, for error paths.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
}

impl Place {
    fn error(self, field: &str, value: &str, remedy: &str) -> ConfigError {
        ConfigError::at(self.path(field), quoted(value), remedy)
    }

    fn path(self, field: &str) -> String {
        format!("services[{}].{field}", self.index)
    }

    /// The path of a field that the service gives, or else the defaults.
    fn path_of(self, own: bool, field: &str) -> String {
        if own { self.path(field) } else { format!("defaults.{field}") }
    }

    fn check_name(self, name: &str) -> Result<(), ConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(plain) {
            let remedy = "use 1 to 128 letters, digits, `-`, `_`, `.` or `~`";
            return Err(self.error("name", name, remedy));
        }
        Ok(())
    }

    fn service(
        self,
        wire: wire::Service,
        defaults: &wire::Defaults,
    ) -> Result<Service, ConfigError> {
        let matches = Match::new(wire.matches.unwrap_or_default(), &self.path("match"))?;
        let health_check = self.health_check(wire.health_check, defaults.health_check.as_ref())?;
        let (probe, health_check) = health_check.unzip();
        let open = self.open(&wire.open, &defaults.open, health_check.is_some())?;
        let fallback =
            self.fallback(wire.fallback.unwrap_or_default(), defaults.fallback.as_ref())?;
        self.check_fallback_is_another(&fallback, &matches, probe.as_ref())?;
        Ok(Service {
            key: store::key(&wire.name),
            matches,
            policy: Policy {
                trip: self.trip(wire.trip.as_ref(), defaults.trip.as_ref())?,
                open,
                half_open: self.half_open(&wire.half_open, &defaults.half_open)?,
                health_check,
            },
            classify: classify(wire.classify, defaults.classify),
            probe,
            fallback,
            name: wire.name,
        })
    }

    /// A service's rules stand in for all of the defaults': a rule that is absent does not exist.
    fn trip(
        self,
        own: Option<&wire::Trip>,
        defaults: Option<&wire::Trip>,
    ) -> Result<TripPolicy, ConfigError> {
        let Some(trip) = own.or(defaults) else {
            return Ok(TripPolicy { consecutive_failures: NonZeroU32::new(3) });
        };
        let path = |field| self.path_of(own.is_some(), field);
        let Some(failures) = trip.consecutive_failures else {
            let remedy = "give at least one rule, such as {\"consecutive_failures\": 3}";
            return Err(ConfigError::at(path("trip"), "{}", remedy));
        };
        let failures = at_least_one(failures, || path("trip.consecutive_failures"))?;
        Ok(TripPolicy { consecutive_failures: Some(failures) })
    }

    fn open(
        self,
        own: &wire::Open,
        defaults: &wire::Open,
        checked: bool,
    ) -> Result<OpenPolicy, ConfigError> {
        let wait = own.wait_duration.or(defaults.wait_duration).map(|span| span.0);
        let max = own.max_wait_duration.or(defaults.max_wait_duration).map(|span| span.0);
        let wait_path = || self.path_of(own.wait_duration.is_some(), "open.wait_duration");
        if wait == Some(Duration::ZERO) && !checked {
            let remedy = "without a health_check the wait alone keeps the service from being \
                          called again at once: give one, such as \"30s\"";
            return Err(ConfigError::at(wait_path(), "\"0s\"", remedy));
        }
        let wait = wait.unwrap_or(if checked { Duration::ZERO } else { 30 * SECOND });
        let max_wait = max.unwrap_or_else(|| wait.max(300 * SECOND));
        if max_wait < wait {
            let path = self.path_of(own.max_wait_duration.is_some(), "open.max_wait_duration");
            let remedy = format!("give at least open.wait_duration, {}", written(wait));
            return Err(ConfigError::at(path, written(max_wait), remedy));
        }
        let rate = own.backoff_rate.or(defaults.backoff_rate).map_or(2_000, |factor| factor.0);
        Ok(OpenPolicy {
            wait,
            backoff_rate: Rate::from_thousandths(rate),
            max_wait,
            jitter_percent: own.jitter.or(defaults.jitter).map_or(20, |percent| percent.0),
            honor_retry_after: own.honor_retry_after.or(defaults.honor_retry_after).unwrap_or(true),
        })
    }

    fn half_open(
        self,
        own: &wire::HalfOpen,
        defaults: &wire::HalfOpen,
    ) -> Result<HalfOpenPolicy, ConfigError> {
        let path = |own: bool, field: &str| self.path_of(own, &format!("half_open.{field}"));
        let permitted_path = || path(own.permitted_calls.is_some(), "permitted_calls");
        let threshold_path = || path(own.success_threshold.is_some(), "success_threshold");
        let permitted = own.permitted_calls.or(defaults.permitted_calls).unwrap_or(1);
        let permitted_calls = at_least_one(permitted, permitted_path)?;
        if permitted > MAX_PERMITTED_CALLS {
            let remedy = format!("permit at most {MAX_PERMITTED_CALLS} trials");
            return Err(ConfigError::at(permitted_path(), permitted, remedy));
        }
        let threshold = own.success_threshold.or(defaults.success_threshold).unwrap_or(1);
        let success_threshold = at_least_one(threshold, threshold_path)?;
        if threshold > permitted {
            let remedy = format!(
                "no more than half_open.permitted_calls ({permitted}) trials can succeed: ask for \
                 fewer, or permit more"
            );
            return Err(ConfigError::at(threshold_path(), threshold, remedy));
        }
        let max_wait = own.max_wait_duration.or(defaults.max_wait_duration);
        let max_wait = max_wait.map_or(30 * SECOND, |span| span.0);
        if max_wait < SHORTEST_INTERVAL {
            let path = path(own.max_wait_duration.is_some(), "max_wait_duration");
            return Err(ConfigError::at(path, written(max_wait), "give at least \"10ms\""));
        }
        Ok(HalfOpenPolicy { permitted_calls, success_threshold, max_wait })
    }

    fn health_check(
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
        if !request_path.starts_with('/') || !request_path.bytes().all(|b| b.is_ascii_graphic()) {
            let remedy = "begin with a slash, and escape what is not printable ASCII";
            let path = path(own.path.is_some(), "path");
            return Err(ConfigError::at(path, quoted(&request_path), remedy));
        }
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
        let policy = HealthCheckPolicy {
            interval,
            timeout,
            healthy_threshold: at_least_one(threshold, threshold_path)?,
            then: match then {
                wire::Then::Close => AfterCheck::Close,
                wire::Then::HalfOpen => AfterCheck::HalfOpen,
            },
            retry: retry.map(|wire| retry_of(&wire, |f| path(own_retry, f))).transpose()?,
        };
        Ok(Some((probe, policy)))
    }

    fn fallback(
        self,
        own: wire::Fallback,
        defaults: Option<&wire::Fallback>,
    ) -> Result<Fallback, ConfigError> {
        let none = wire::Fallback::default();
        let defaults = defaults.unwrap_or(&none);
        let path = |own: bool, field: &str| self.path_of(own, &format!("fallback.{field}"));
        let own_response = own.response.is_some();
        let response = own.response.or_else(|| defaults.response.clone());
        let response = response
            .map(|wire| static_response(wire, &path(own_response, "response")))
            .transpose()?;

        let timeout = own.timeout.or(defaults.timeout).map_or(5 * SECOND, |span| span.0);
        if timeout < Duration::from_millis(1) {
            let path = path(own.timeout.is_some(), "timeout");
            return Err(ConfigError::at(path, written(timeout), "give at least \"1ms\""));
        }
        let bytes = own.max_request_bytes.or(defaults.max_request_bytes);
        let bytes = bytes.unwrap_or(DEFAULT_REQUEST_BYTES);
        if bytes > MOST_REQUEST_BYTES {
            let path = path(own.max_request_bytes.is_some(), "max_request_bytes");
            let remedy = format!("keep at most {MOST_REQUEST_BYTES} bytes of a request");
            return Err(ConfigError::at(path, bytes, remedy));
        }
        let own_cluster = own.cluster.is_some();
        let cluster = own.cluster.or_else(|| defaults.cluster.clone());
        if let Some(name) = &cluster {
            check_cluster(name, || path(own_cluster, "cluster"))?;
        }
        let own_host = own.host.is_some();
        let host = own.host.or_else(|| defaults.host.clone());
        check_host(host.as_deref(), || path(own_host, "host"))?;
        let cluster = cluster.map(|name| FallbackCluster {
            name,
            host,
            timeout,
            max_request_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
        });
        let answers = cluster.is_some() || response.is_some();
        let on_failure = own.on_failure.or(defaults.on_failure);
        if own.on_failure == Some(true) && !answers {
            let remedy = "a failed call can be answered only by fallback.cluster or \
                          fallback.response: give one of them";
            return Err(ConfigError::at(path(true, "on_failure"), "true", remedy));
        }
        Ok(Fallback { cluster, response, on_failure: answers && on_failure.unwrap_or(true) })
    }

    /// The recipe's warning: a fallback that calls the failing service makes things worse.
    fn check_fallback_is_another(
        self,
        fallback: &Fallback,
        matches: &Match,
        probe: Option<&Probe>,
    ) -> Result<(), ConfigError> {
        let Some(cluster) = &fallback.cluster else {
            return Ok(());
        };
        let protected = matches.names_cluster(&cluster.name);
        let checked = probe.is_some_and(|probe| probe.cluster == cluster.name);
        let whose = match (protected, checked) {
            (true, _) => "match.clusters",
            (false, true) => "health_check.cluster",
            (false, false) => return Ok(()),
        };
        let remedy = format!("it is also in {whose}: a fallback must not call the failing service");
        Err(self.error("fallback.cluster", &cluster.name, &remedy))
    }
}

fn classify(own: wire::Classify, defaults: wire::Classify) -> Classify {
    Classify {
        failure_status: own
            .failure_status
            .or(defaults.failure_status)
            .unwrap_or_else(|| StatusSet::range(500, 599)),
        ignore_status: own.ignore_status.or(defaults.ignore_status).unwrap_or_default(),
        // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS
        failure_grpc_status: own
            .failure_grpc_status
            .or(defaults.failure_grpc_status)
            .unwrap_or(const { GrpcSet::of([2, 4, 13, 14, 15]) }),
        ignore_grpc_status: own
            .ignore_grpc_status
            .or(defaults.ignore_grpc_status)
            .unwrap_or_default(),
        overflow: own.overflow.or(defaults.overflow).unwrap_or(Overflow::Ignore),
    }
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

fn static_response(wire: wire::Response, path: &str) -> Result<StaticResponse, ConfigError> {
    let status = wire.status.unwrap_or(503);
    let known = u16::try_from(status).ok().filter(|status| (200..=599).contains(status));
    let Some(known) = known else {
        let path = format!("{path}.status");
        return Err(ConfigError::at(path, status, "give a status from 200 to 599"));
    };
    Ok(StaticResponse {
        status: known,
        headers: header_list(wire.headers.unwrap_or_default(), &format!("{path}.headers"))?,
        body: wire.body.unwrap_or_default(),
    })
}

/// Headers that frame a message or belong to its connection, which are the proxy's, and `host`,
/// which has a field of its own.
const NOT_CONFIGURED: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

/// Headers with lower-case names, as the proxy wants them.
fn header_list(
    headers: BTreeMap<String, String>,
    path: &str,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut list = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            let remedy = "a header name has letters, digits and `-` only";
            return Err(ConfigError::at(path, quoted(&name), remedy));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            let path = format!("{path}.{name}");
            return Err(ConfigError::at(path, quoted(&value), "leave out control characters"));
        }
        let name = name.to_ascii_lowercase();
        if NOT_CONFIGURED.contains(&name.as_str()) || name.starts_with("x-circuit-breaker-") {
            let remedy = "leave it out: it is set where it belongs";
            return Err(ConfigError::at(format!("{path}.{name}"), quoted(&value), remedy));
        }
        list.push((name, value));
    }
    Ok(list)
}

/// RFC 9110's `token`.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn at_least_one(value: u32, path: impl Fn() -> String) -> Result<NonZeroU32, ConfigError> {
    NonZeroU32::new(value).ok_or_else(|| ConfigError::at(path(), value, "give at least 1"))
}

fn check_cluster(name: &str, path: impl Fn() -> String) -> Result<(), ConfigError> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        let remedy = "give the name of a cluster, or leave the field out";
        return Err(ConfigError::at(path(), quoted(name), remedy));
    }
    Ok(())
}

fn check_host(host: Option<&str>, path: impl Fn() -> String) -> Result<(), ConfigError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"/?#@".contains(&byte);
    match host {
        Some(host) if host.is_empty() || !host.bytes().all(plain) => {
            let remedy = "give a host, with or without a port, or leave the field out";
            Err(ConfigError::at(path(), quoted(host), remedy))
        }
        _ => Ok(()),
    }
}

fn quoted(value: &str) -> String {
    format!("{value:?}")
}
