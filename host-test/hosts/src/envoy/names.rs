//! Names by which the scenarios in one proxy are distinguished: services and clusters get a prefix,
//! which is taken away again from all that is told.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// The names of one scenario.
#[derive(Clone, Debug)]
pub(super) struct Names {
    scenario: String,
    prefix: String,
}

impl Names {
    /// Those of one more scenario.
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let scenario = format!("s{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let prefix = format!("{scenario}-");
        Self { scenario, prefix }
    }

    /// Its listener, and whatever else it has one of.
    pub(super) fn scenario(&self) -> &str {
        &self.scenario
    }

    /// The proxy's name for a service.
    pub(super) fn service(&self, service: &str) -> String {
        format!("{}{service}", self.prefix)
    }

    /// The proxy's name for a cluster; that of the protected service has none of its own.
    pub(super) fn cluster(&self, cluster: &str) -> String {
        if cluster.is_empty() { self.scenario.clone() } else { self.service(cluster) }
    }

    /// The plugin's configuration with the proxy's names in it, and with the admin API.
    pub(super) fn config(&self, config: &Value) -> Value {
        let mut config = config.clone();
        each_name(&mut config, |name| *name = self.service(name));
        if let Some(config) = config.as_object_mut() {
            config.entry("admin").or_insert_with(|| json!({}));
        }
        config
    }

    /// A path with the proxy's name for the service in it, if it is one of the admin API.
    pub(super) fn path(&self, path: &str) -> String {
        const OF_A_SERVICE: [&str; 2] = ["/circuit-breaker/services/", "/circuit-breaker/health/"];
        let named =
            |path: String, before: &&str| path.replace(before, &format!("{before}{}", self.prefix));
        OF_A_SERVICE.iter().fold(path.to_owned(), named)
    }

    /// A text of the proxy as the scenario knows it.
    pub(super) fn without_prefix(&self, text: &str) -> String {
        text.replace(&self.prefix, "")
    }

    /// The plugin's part of a line of the log; `None`: it is about another scenario.
    pub(super) fn log_line(&self, line: &str) -> Option<String> {
        let (_, message) = line.rsplit_once("edge-breaker ")?;
        message.contains(&self.prefix).then(|| self.without_prefix(message))
    }
}

/// The clusters that a configuration names for health checks and fallbacks.
pub(super) fn clusters(config: &Value) -> BTreeSet<String> {
    let mut clusters = BTreeSet::new();
    let mut config = config.clone();
    each_cluster(&mut config, |name| {
        clusters.insert(name.clone());
    });
    clusters
}

fn each_name(config: &mut Value, mut rename: impl FnMut(&mut String)) {
    each_cluster(config, &mut rename);
    for service in services(config) {
        if let Some(Value::String(name)) = service.get_mut("name") {
            rename(name);
        }
        let globs = service.pointer_mut("/match/clusters").and_then(Value::as_array_mut);
        for glob in globs.into_iter().flatten() {
            if let Value::String(glob) = glob {
                rename(glob);
            }
        }
    }
}

fn each_cluster(config: &mut Value, mut rename: impl FnMut(&mut String)) {
    let mut of = |holder: &mut Value| {
        for pointer in ["/health_check/cluster", "/fallback/cluster"] {
            if let Some(Value::String(name)) = holder.pointer_mut(pointer) {
                rename(name);
            }
        }
    };
    if let Some(defaults) = config.get_mut("defaults") {
        of(defaults);
    }
    services(config).for_each(of);
}

fn services(config: &mut Value) -> impl Iterator<Item = &mut Value> {
    config.get_mut("services").and_then(Value::as_array_mut).into_iter().flatten()
}
