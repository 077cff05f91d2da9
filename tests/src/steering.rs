//! What no client may send, as the sample has it removed, and ways to see whether it is.

use anyhow::{Context, Result};
use envoy_harness::{parse_yaml, repo_root};
use serde_json::{Value, json};

/// The breaker's own request headers, by which a client could choose a route before the breaker removes them.
pub const OWN_HEADERS: [&str; 4] = [
    "x-circuit-breaker-cluster",
    "x-circuit-breaker-service",
    "x-circuit-breaker-state",
    "x-circuit-breaker-reason",
];

/// The headers by which a client steers Envoy's router, where Envoy trusts it.
pub const ROUTER_HEADERS: [&str; 11] = [
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-upstream-alt-stat-name",
];

/// The field of the HTTP connection manager that removes headers before all else.
pub const EARLY: &str = "early_header_mutation_extensions";

/// Where the HTTP connection manager of a listener is.
const MANAGER: &str = "/filter_chains/0/filters/0/typed_config";

/// The removal of `envoy/recipe.yaml`, the file that people copy, for the field [`EARLY`].
///
/// # Errors
/// When it has none.
pub fn early_removal() -> Result<Value> {
    let recipe = std::fs::read_to_string(repo_root().join("envoy/recipe.yaml"))?;
    let recipe = parse_yaml(&recipe)?;
    let ingress = &recipe["static_resources"]["listeners"][0];
    let manager = ingress.pointer(MANAGER).context("no HTTP connection manager")?;
    manager.get(EARLY).cloned().context("no removal")
}

/// The names of the headers that such a field removes.
pub fn removed(extensions: &Value) -> Vec<&str> {
    let extensions = extensions.as_array().into_iter().flatten();
    let mutations = extensions.map(|extension| &extension["typed_config"]["mutations"]);
    let mutations = mutations.filter_map(Value::as_array).flatten();
    mutations.filter_map(|mutation| mutation["remove"].as_str()).collect()
}

/// A filter that answers each request with the names of the headers that have come so far.
#[must_use]
pub fn tell() -> Value {
    const TELL: &str = "
        function envoy_on_request(handle)
          local names = {}
          for name in pairs(handle:headers()) do
            table.insert(names, name)
          end
          table.sort(names)
          handle:respond({ [':status'] = '200' }, table.concat(names, ' '))
        end";
    envoy_harness::config::lua(TELL)
}

/// The name of the filter for authorisation.
pub const RBAC: &str = "envoy.filters.http.rbac";

/// Authorisation that has rules only where a route brings some.
#[must_use]
pub fn rbac() -> Value {
    let config = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC";
    json!({ "name": RBAC, "typed_config": { "@type": config } })
}

/// The rules of a route that nobody may take.
#[must_use]
pub fn rbac_refusing_all() -> Value {
    let everybody = json!({ "permissions": [{ "any": true }], "principals": [{ "any": true }] });
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
        "rbac": { "rules": { "action": "DENY", "policies": { "everybody": everybody } } },
    })
}

/// The HTTP connection manager of a listener.
///
/// # Errors
/// When there is no such listener.
pub fn manager<'c>(config: &'c mut Value, listener: &str) -> Result<&'c mut Value> {
    let listeners = config["static_resources"]["listeners"].as_array_mut();
    let found = listeners.into_iter().flatten().find(|found| found["name"] == listener);
    found.and_then(|found| found.pointer_mut(MANAGER)).with_context(|| listener.to_owned())
}
