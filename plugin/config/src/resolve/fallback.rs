//! The fallback: which cluster, or which answer.

use std::time::Duration;

use super::stale;
use super::{Place, SECOND, check_cluster, check_host, header_list};
use crate::duration::written;
use crate::error::ConfigError;
use crate::matching::Match;
use crate::model::{Fallback, FallbackCluster, Probe, StaticResponse};
use crate::wire;

const MOST_REQUEST_BYTES: u32 = 16 * 1024 * 1024;
const DEFAULT_REQUEST_BYTES: u32 = 64 * 1024;

impl Place {
    pub(super) fn fallback(
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

        let own_stale = own.stale.is_some();
        let stale = own.stale.as_ref().or(defaults.stale.as_ref());
        let stale = stale.map(|wire| stale::stale(wire, &path(own_stale, "stale"))).transpose()?;

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
        let answers = cluster.is_some() || stale.is_some() || response.is_some();
        let on_failure = own.on_failure.or(defaults.on_failure);
        if own.on_failure == Some(true) && !answers {
            let remedy = "a failed call can be answered only by fallback.cluster, \
                          fallback.stale or fallback.response: give one of them";
            return Err(ConfigError::at(path(true, "on_failure"), "true", remedy));
        }
        let on_failure = answers && on_failure.unwrap_or(true);
        Ok(Fallback { cluster, stale, response, on_failure })
    }

    /// The recipe's warning: a fallback that calls the failing service makes things worse.
    pub(super) fn check_fallback_is_another(
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
