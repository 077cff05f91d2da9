//! The services of a configuration, as far as what is around it has to do with them.

use serde_json::Value;

use crate::pattern::fits;

/// One service, with what the defaults give it.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) name: String,
    /// Where it stands in the configuration.
    path: String,
    matches: Value,
    /// The cluster that diverted calls go to.
    pub(super) fallback: Option<String>,
}

/// All services; one for everything where none is named.
pub(super) fn of(config: &Value) -> Vec<Service> {
    let defaults = config.get("defaults");
    let cluster =
        |of: Option<&Value>| Some(of?.get("fallback")?.get("cluster")?.as_str()?.to_owned());
    let service = |(number, value): (usize, &Value)| Service {
        name: value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        path: format!("services[{number}]"),
        matches: value.get("match").cloned().unwrap_or_default(),
        fallback: cluster(Some(value)).or_else(|| cluster(defaults)),
    };
    match config.get("services").and_then(Value::as_array) {
        Some(services) => services.iter().enumerate().map(service).collect(),
        None => vec![service((0, &serde_json::json!({ "name": "{cluster}" })))],
    }
}

/// A cluster that a configuration names, and where it does.
pub(super) fn clusters(config: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut add = |path: String, value: Option<&Value>| {
        if let Some(name) = value.and_then(Value::as_str) {
            found.push((path, name.to_owned()));
        }
    };
    let cluster = |of: &Value, field: &str| of.get(field)?.get("cluster").cloned();
    for field in ["notify", "fleet"] {
        add(format!("{field}.cluster"), cluster(config, field).as_ref());
    }
    let services = config.get("services").and_then(Value::as_array);
    let services = services.into_iter().flatten().enumerate();
    let all = services.map(|(number, service)| (format!("services[{number}]"), Some(service)));
    for (place, value) in all.chain([("defaults".to_owned(), config.get("defaults"))]) {
        for field in ["health_check", "fallback"] {
            let name = value.and_then(|value| cluster(value, field));
            add(format!("{place}.{field}.cluster"), name.as_ref());
        }
    }
    found
}

impl Service {
    /// The patterns of one kind that its calls have to fit; none: all do.
    fn patterns(&self, kind: &str) -> Vec<&str> {
        let patterns = self.matches.get(kind).and_then(Value::as_array);
        patterns.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Clusters of which its calls have to be for one, and where that stands.
    pub(super) fn clusters(&self) -> Vec<(String, &str)> {
        let clusters = self.patterns("clusters").into_iter().enumerate();
        clusters.map(|(n, it)| (format!("{}.match.clusters[{n}]", self.path), it)).collect()
    }

    /// Whether calls for this cluster can be for it.
    pub(super) fn takes_cluster(&self, name: &str) -> bool {
        let clusters = self.patterns("clusters");
        clusters.is_empty() || clusters.iter().any(|pattern| fits(pattern, name))
    }

    /// The beginnings of its paths.
    pub(super) fn prefixes(&self) -> Vec<&str> {
        let prefixes = self.patterns("path_prefixes");
        if prefixes.is_empty() { vec![""] } else { prefixes }
    }

    /// Whether calls by a host of this pattern can be for it.
    pub(super) fn takes_host(&self, pattern: &str) -> bool {
        let hosts = self.patterns("hosts");
        hosts.is_empty() || hosts.iter().any(|host| overlap(host, pattern))
    }

    /// Whether it says which hosts are meant.
    pub(super) fn has_hosts(&self) -> bool {
        !self.patterns("hosts").is_empty()
    }
}

/// Whether a host can fit both patterns, of which `*` at an end stands for anything.
fn overlap(a: &str, b: &str) -> bool {
    let bare = |pattern: &str| {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit() || c == b'*') => {
                host.to_owned()
            }
            _ => pattern,
        }
    };
    let (a, b) = (bare(a), bare(b));
    let covers =
        |pattern: &str, host: &str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
            (Some(end), _) => host.ends_with(end),
            (None, Some(start)) => host.starts_with(start),
            (None, None) => host == pattern,
        };
    // One of two that both have a `*` fits the other as if that were a host.
    covers(&a, &b) || covers(&b, &a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_hosts_overlap_whatever_their_ports() {
        for (a, b) in [
            ("*", "shop.example"),
            ("Shop.example:8443", "shop.example"),
            ("*.example", "pay.example"),
            ("*.shop.example", "*.example"),
            ("pay.*", "pay.example"),
        ] {
            assert!(overlap(a, b) && overlap(b, a), "{a} {b}");
        }
        for (a, b) in [("a.example", "b.example"), ("*.example", "pay.internal")] {
            assert!(!overlap(a, b) && !overlap(b, a), "{a} {b}");
        }
    }
}
