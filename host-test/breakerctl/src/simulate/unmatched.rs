//! Why no call of a trace belongs to any service.

use serde_json::Value;

use crate::trace::{Call, Trace};

/// The most likely reason, with its remedy.
pub(super) fn why(configuration: &[u8], trace: &Trace) -> String {
    let configuration: Value = serde_json::from_slice(configuration).unwrap_or_default();
    let services = configuration.get("services").and_then(Value::as_array);
    let uses = |field: &str| {
        let is_there = |service: &Value| service.get("match")?.get(field).map(|_| ());
        services.is_some_and(|services| services.iter().any(|it| is_there(it).is_some()))
    };
    for (field, column, is_known) in [
        ("hosts", "host", trace.has_hosts),
        ("path_prefixes", "path", trace.has_paths),
        ("clusters", "cluster", trace.has_clusters),
    ] {
        if uses(field) && !is_known {
            return format!(
                "they match by `{field}`, and the trace has no column `{column}`: add it, or give \
                 --{column} for all calls"
            );
        }
    }
    if uses("headers") {
        return "they match by `headers`, which no trace has: try it without".to_owned();
    }
    match trace.calls.first() {
        Some(Call { method, path, host, cluster, .. }) => format!(
            "the first is {method} {path} of host {host}, to cluster {cluster}: compare it with \
             `match`, and see that the service's mode is not `disabled`"
        ),
        None => "there is none".to_owned(),
    }
}
