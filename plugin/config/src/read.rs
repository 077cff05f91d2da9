//! From values to what they mean: defaults, bounds and combinations.

mod admin;
mod bulkhead;
mod fallback;
mod fleet;
mod health_check;
mod matching;
mod notify;
mod policy;
mod trip;

use breaker::Policy;

use self::admin::admin;
use self::matching::match_of;
use self::trip::Trip;
pub use self::trip::{Setting, tell_adaptive, tell_trip};
use crate::error::ConfigError;
use crate::fields::{CONFIG, Limits, SERVICE};
use crate::model::{Config, Permitted, Service};
use crate::naming::Template;
use crate::parse::parse;
use crate::path::Path;
use crate::reader::Reader;
use crate::status::StatusSet;
use crate::value::{Object, Value};
use crate::warning::Warnings;

/// One breaker for each upstream cluster.
const EACH_CLUSTER: &str = "{cluster}";

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// If any of it is wrong; the error names the JSON path, the value and what would be right.
    #[inline(never)]
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        config(&parse(bytes, &CONFIG)?)
    }
}

/// What a configuration means.
fn config(object: &Object) -> Result<Config, ConfigError> {
    let root = Reader::of(&CONFIG, object, Path::Root);
    let each_cluster = [Value::Object(Object(vec![(0, Value::Text(EACH_CLUSTER.to_owned()))]))];
    let given = root.entries("services")?.unwrap_or(&each_cluster);
    if given.is_empty() {
        let remedy = r#"name at least one service, such as {"name": "payment-service"}, or leave the field out: each cluster is one then"#;
        return Err(root.error("services", "[]", remedy));
    }
    let max_services = root.get("max_services")?;
    let defaults = root.inner("defaults");
    let path = Path::Field(&Path::Root, "services");
    let admin = root.inner("admin").whole().map(|it| admin(&it)).transpose()?;
    let mut read = Services { max_services, ..Services::default() };
    for (index, service) in given.iter().enumerate() {
        if let Value::Object(service) = service {
            read.add(&defaults.of_entry(&SERVICE, service, Path::Entry(&path, index)))?;
        }
    }
    let Services { services, mut warnings, .. } = read;
    let matches: Vec<_> =
        services.iter().map(|service| (&service.matches, service.name.text())).collect();
    let shown = admin.as_ref().map(|admin| admin.path_prefix.as_str());
    warnings.of_order(&matches, "services", shown);
    let (expose_state, mut refused) = (root.get("expose_state")?, Ok(()));
    let Limits { max_copied_bytes } = Limits::read(&root.inner("limits"), &mut refused);
    refused?;
    Ok(Config {
        expose_state,
        services,
        max_services,
        max_copied_bytes,
        notify: root.inner("notify").whole().map(|it| notify::notify(&it)).transpose()?,
        admin,
        fleet: root.inner("fleet").whole().map(|it| fleet::fleet(&it)).transpose()?,
        warnings: warnings.found,
        permitted: Permitted::ALL,
    })
}

/// The services that have been read, and what tells them apart.
#[derive(Default)]
struct Services {
    max_services: usize,
    services: Vec<Service>,
    names: Vec<String>,
    marks: Vec<String>,
    warnings: Warnings,
}

impl Services {
    fn add(&mut self, from: &Reader<'_>) -> Result<(), ConfigError> {
        let name: String = from.get("name")?;
        // In the names of metrics a dot is an underscore.
        if !insert(&mut self.names, name.replace('.', "_")) {
            let remedy = "give each service a name of its own; `.` and `_` are the same to metrics";
            return Err(from.quoted("name", &name, remedy));
        }
        if let Some(trip) = from.inner("trip").whole() {
            self.warnings.of_rates(&trip)?;
            self.warnings.of_tolerance(&trip)?;
        }
        let service = service(from, name)?;
        let name = &service.name;
        if name.is_of_clients() && !insert(&mut self.marks, name.mark().replace('.', "_")) {
            let remedy = "give each service a name of its own: without braces this is another's";
            return Err(from.quoted("name", name.text(), remedy));
        }
        if let Some(stale) = &service.fallback.stale
            && !name.is_plain()
            && let Some(path) = from.inner("fallback").inner("stale").whole()
        {
            fallback::check_names(stale, self.max_services, &path)?;
        }
        if let Some(bulkhead) = &service.bulkhead {
            let partitions = bulkhead.partitions.iter();
            let partitions: Vec<_> = partitions.map(|it| (&it.matches, it.name.as_str())).collect();
            self.warnings.of_order(
                &partitions,
                &from.inner("bulkhead").path_of("partitions"),
                None,
            );
        }
        self.services.push(service);
        Ok(())
    }
}

/// Whether a text was not there yet; it is now.
fn insert(sorted: &mut Vec<String>, text: String) -> bool {
    match sorted.binary_search(&text) {
        Ok(_) => false,
        Err(at) => {
            sorted.insert(at, text);
            true
        }
    }
}

fn service(from: &Reader<'_>, name: String) -> Result<Service, ConfigError> {
    let refused = |remedy| from.quoted("name", &name, remedy);
    let name = Template::new(name.clone()).map_err(refused)?;
    let matches = match_of(&from.inner("match"))?;
    if name.is_of_clients() && !matches.names_hosts() {
        let remedy = "clients choose the host: say in `match.hosts` which ones are meant, such \
                      as [\"*.shop.example\"], or [\"*\"] if any is";
        return Err(from.quoted("name", name.text(), remedy));
    }
    let (probe, health_check) = health_check::health_check(&from.inner("health_check"))?.unzip();
    let open = policy::open(&from.inner("open"), health_check.is_some())?;
    let fallback = fallback::fallback(&from.inner("fallback"))?;
    fallback::check_another(from, &fallback, &matches, probe.as_ref())?;
    let Trip { policy: trip, slow_after } =
        trip::trip(from.inner("trip").whole().as_ref(), open.max_wait)?;
    let half_open = policy::half_open(&from.inner("half_open"))?;
    let mode = policy::mode(from.get("mode")?);
    let classify = policy::classify(&from.inner("classify"))?;
    let too_much = if open.on_retry_after { StatusSet::TOO_MUCH } else { StatusSet::NONE };
    let of_answers = classify.failure_status.and(&classify.ignore_status);
    let special_status = of_answers.and(&fallback.on_status).and(&too_much);
    Ok(Service {
        name,
        matches,
        policy: Policy { mode, trip, open, half_open, health_check },
        slow_after,
        classify,
        special_status,
        probe,
        fallback,
        bulkhead: bulkhead::bulkhead(&from.inner("bulkhead"))?,
        in_fleet: from.get("fleet")?,
    })
}
