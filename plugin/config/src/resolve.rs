//! From what is written to what it means: defaults, bounds and combinations.

mod bulkhead;
mod fallback;
mod health_check;
mod notify;
mod policy;
mod stale;
mod trip;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use breaker::Policy;

use self::policy::{classify, mode};
use self::trip::Trip;
use crate::doubt::{self, Doubt};
use crate::error::ConfigError;
use crate::matching::{Host, Match, check_prefix};
use crate::model::{Admin, Config, Permitted, Service};
use crate::naming::{LONGEST_NAME, Template};
use crate::wire::{self, ExposeState};

const SECOND: Duration = Duration::from_secs(1);
const MOST_SERVICES: usize = 1024;
const DEFAULT_MADE: u32 = 1024;
const MOST_MADE: u32 = 4096;
/// What a worker may hold of copies.
const DEFAULT_COPIED: u32 = 32 * 1024 * 1024;
const MOST_COPIED: u32 = 256 * 1024 * 1024;
/// One breaker for each upstream cluster.
const EACH_CLUSTER: &str = "{cluster}";
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

pub(super) fn config(wire: wire::Config) -> Result<Config, ConfigError> {
    let defaults = wire.defaults.unwrap_or_default();
    let written = wire.services.unwrap_or_else(|| {
        vec![wire::Service { name: EACH_CLUSTER.to_owned(), ..wire::Service::default() }]
    });
    if written.is_empty() {
        let remedy = r#"name at least one service, such as {"name": "payment-service"}, or leave the field out: each cluster is one then"#;
        return Err(ConfigError::at("services", "[]", remedy));
    }
    if written.len() > MOST_SERVICES {
        let remedy = format!("give at most {MOST_SERVICES}");
        return Err(ConfigError::at("services", format!("{} entries", written.len()), remedy));
    }
    let max_services = max_services(wire.max_services)?;
    let mut names = BTreeSet::new();
    let mut marks = BTreeSet::new();
    let mut services: Vec<Service> = Vec::with_capacity(written.len());
    let mut doubts = Vec::new();
    for (index, service) in written.into_iter().enumerate() {
        let place = Place { index };
        // In the names of metrics a dot is an underscore.
        if !names.insert(service.name.replace('.', "_")) {
            let remedy = "give each service a name of its own; `.` and `_` are the same to metrics";
            return Err(place.error("name", &service.name, remedy));
        }
        place.doubts_of_rates(&service, &defaults, &mut doubts);
        let own_partitions = service.bulkhead.as_ref().is_some_and(|own| own.partitions.is_some());
        let own_stale = service.fallback.as_ref().is_some_and(|own| own.stale.is_some());
        let service = place.service(service, &defaults)?;
        if service.name.is_of_clients() && !marks.insert(service.name.mark().replace('.', "_")) {
            let remedy = "give each service a name of its own: without braces this is another's";
            return Err(place.error("name", service.name.text(), remedy));
        }
        if let Some(stale) = &service.fallback.stale
            && !service.name.is_plain()
        {
            let path = || place.path_of(own_stale, "fallback.stale.max_entries");
            stale::check_names(stale, max_services, path)?;
        }
        if let Some(bulkhead) = &service.bulkhead {
            let partitions = bulkhead.partitions.iter().map(|it| (&it.matches, it.name.as_str()));
            let path = place.path_of(own_partitions, "bulkhead.partitions");
            add(&mut doubts, doubt::of_order(partitions, |it| format!("{path}[{it}]"), |_| false));
        }
        services.push(service);
    }
    let matches = services.iter().map(|service| (&service.matches, service.name.text()));
    let admin = wire.admin.map(admin).transpose()?;
    // Where the admin API answers, services with no calls of their own are there to be shown.
    let is_shown = |it: &Match| admin.as_ref().is_some_and(|api| it.is_shown_by(&api.path_prefix));
    add(&mut doubts, doubt::of_order(matches, |it| format!("services[{it}]"), is_shown));
    Ok(Config {
        expose_state: wire.expose_state.unwrap_or(ExposeState::Fallback),
        services,
        max_services,
        max_copied_bytes: max_copied_bytes(wire.limits)?,
        notify: wire.notify.map(notify::notify).transpose()?,
        admin,
        doubts,
        permitted: Permitted::ALL,
    })
}

/// Adds doubts, each once: services have those of the defaults in common.
fn add(doubts: &mut Vec<Doubt>, more: Vec<Doubt>) {
    for doubt in more {
        if !doubts.contains(&doubt) {
            doubts.push(doubt);
        }
    }
}

fn max_services(wire: Option<u32>) -> Result<usize, ConfigError> {
    let max = wire.unwrap_or(DEFAULT_MADE);
    if max == 0 || max > MOST_MADE {
        let remedy = format!("give 1 to {MOST_MADE}");
        return Err(ConfigError::at("max_services", max, remedy));
    }
    Ok(usize::try_from(max).unwrap_or(usize::MAX))
}

fn max_copied_bytes(wire: Option<wire::Limits>) -> Result<usize, ConfigError> {
    let max = wire.and_then(|limits| limits.max_copied_bytes).unwrap_or(DEFAULT_COPIED);
    if max > MOST_COPIED {
        let remedy =
            format!("give at most {MOST_COPIED}: a worker's memory has to do for all else, too");
        return Err(ConfigError::at("limits.max_copied_bytes", max, remedy));
    }
    Ok(usize::try_from(max).unwrap_or(usize::MAX))
}

fn admin(wire: wire::Admin) -> Result<Admin, ConfigError> {
    let path_prefix = wire.path_prefix.unwrap_or_else(|| "/circuit-breaker".to_owned());
    let plain = path_prefix.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'?');
    if !path_prefix.starts_with('/') || path_prefix.ends_with('/') || !plain {
        let remedy = r#"begin with a slash and end without one, such as "/circuit-breaker""#;
        return Err(ConfigError::at("admin.path_prefix", quoted(&path_prefix), remedy));
    }
    check_prefix(&path_prefix)
        .map_err(|remedy| ConfigError::at("admin.path_prefix", quoted(&path_prefix), remedy))?;
    if let Some(token) = &wire.token
        && (token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        // Not named: it is a secret.
        let remedy = "give printable ASCII without spaces, or leave the field out";
        return Err(ConfigError::at("admin.token", "unusable", remedy));
    }
    let hosts = wire.hosts.unwrap_or_default().into_iter().enumerate();
    let hosts = hosts.map(|(index, host)| one_host(&host, || format!("admin.hosts[{index}]")));
    Ok(Admin { path_prefix, token: wire.token, hosts: hosts.collect::<Result<_, _>>()? })
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

    fn doubts_of_rates(
        self,
        service: &wire::Service,
        defaults: &wire::Defaults,
        doubts: &mut Vec<Doubt>,
    ) {
        let own = service.trip.is_some();
        if let Some(trip) = service.trip.as_ref().or(defaults.trip.as_ref()) {
            add(doubts, doubt::of_rates(trip, &self.path_of(own, "trip")));
        }
    }

    fn service(
        self,
        wire: wire::Service,
        defaults: &wire::Defaults,
    ) -> Result<Service, ConfigError> {
        let name = Template::new(wire.name.clone())
            .map_err(|remedy| self.error("name", &wire.name, remedy))?;
        let matches = Match::new(wire.matches.unwrap_or_default(), &self.path("match"))?;
        if name.is_of_clients() && !matches.names_hosts() {
            let remedy = "clients choose the host: say in `match.hosts` which ones are meant, such \
                          as [\"*.shop.example\"], or [\"*\"] if any is";
            return Err(self.error("name", &wire.name, remedy));
        }
        let health_check = self.health_check(wire.health_check, defaults.health_check.as_ref())?;
        let (probe, health_check) = health_check.unzip();
        let open = self.open(&wire.open, &defaults.open, health_check.is_some())?;
        let fallback =
            self.fallback(wire.fallback.unwrap_or_default(), defaults.fallback.as_ref())?;
        self.check_fallback_is_another(&fallback, &matches, probe.as_ref())?;
        let Trip { policy: trip, slow_after } =
            self.trip(wire.trip.as_ref(), defaults.trip.as_ref())?;
        Ok(Service {
            name,
            matches,
            policy: Policy {
                mode: mode(wire.mode.or(defaults.mode)),
                trip,
                open,
                half_open: self.half_open(&wire.half_open, &defaults.half_open)?,
                health_check,
            },
            slow_after,
            classify: classify(wire.classify, defaults.classify),
            probe,
            fallback,
            bulkhead: self.bulkhead(wire.bulkhead, defaults.bulkhead.as_ref())?,
        })
    }
}

/// Whether a name can stand in paths, metrics and keys as it is.
fn is_plain_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && is_plain(name.as_bytes())
}

fn is_plain(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(b))
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

fn check_path(value: &str, path: impl Fn() -> String) -> Result<(), ConfigError> {
    if !value.starts_with('/') || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        let remedy = "begin with a slash, and escape what is not printable ASCII";
        return Err(ConfigError::at(path(), quoted(value), remedy));
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

/// One host and no pattern: what it is told by is not to be guessed.
fn one_host(text: &str, path: impl Fn() -> String) -> Result<Host, ConfigError> {
    Host::new(text).ok().filter(Host::is_one).ok_or_else(|| {
        let remedy =
            r#"give a host, such as "breaker.internal" or "[fd00::7]", with or without a port"#;
        ConfigError::at(path(), quoted(text), remedy)
    })
}

fn quoted(value: &str) -> String {
    format!("{value:?}")
}
