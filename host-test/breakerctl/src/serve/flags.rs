//! A plan of the plugin's own configuration, with routes and clusters from the command line.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Map, Value, json};

use super::plan::{Action, CONNECT_TIMEOUT, Cluster, Listener, Plan, Plugin, Route};
use crate::removal::Removal;

const PREFIX: &str = "/circuit-breaker";

/// A cluster and its address, as they are given.
#[derive(Clone, Debug)]
pub(super) struct ClusterArg {
    pub(super) name: String,
    pub(super) address: SocketAddr,
}

/// The cluster of all paths with a prefix, as it is given.
#[derive(Clone, Debug)]
pub(super) struct RouteArg {
    prefix: String,
    cluster: String,
}

impl FromStr for ClusterArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once('=').ok_or("give NAME=ADDR")?;
        let address = address.parse().map_err(|_| format!("{address} is not an IP and a port"))?;
        Ok(Self { name: name.to_owned(), address })
    }
}

impl FromStr for RouteArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (prefix, cluster) = text.rsplit_once('=').ok_or("give PREFIX=CLUSTER")?;
        Ok(Self { prefix: prefix.to_owned(), cluster: cluster.to_owned() })
    }
}

/// What the command line says.
pub(super) struct Given<'a> {
    pub(super) clusters: &'a [ClusterArg],
    pub(super) routes: &'a [RouteArg],
    pub(super) timeout: Option<Duration>,
    pub(super) listen: SocketAddr,
    pub(super) admin: Option<SocketAddr>,
}

/// One listener for clients, and one for the admin API if it is to have one of its own.
///
/// # Errors
///
/// If no cluster is given, or a route leads to none.
pub(super) fn plan(file: &str, configuration: &str, given: &Given<'_>) -> anyhow::Result<Plan> {
    let Given { clusters, routes, timeout, listen, admin } = *given;
    let first = clusters.first().context("say where requests go: --cluster NAME=ADDR")?;
    for RouteArg { prefix, cluster } in routes {
        let known = clusters.iter().any(|known| known.name == *cluster);
        ensure!(known, "--route {prefix}: there is no cluster {cluster}");
    }
    let to = |prefix: &str, cluster: &str| {
        let action = Action::Cluster(cluster.to_owned());
        Route { timeout, ..Route::prefix(prefix, action) }
    };
    let mut all = vec![Route { timeout, ..Route::diverted() }];
    all.extend(routes.iter().map(|route| to(&route.prefix, &route.cluster)));
    all.push(to("", &first.name));
    let plugin = |name: &str, configuration: Vec<u8>| Plugin {
        name: name.to_owned(),
        vm_id: "edge-breaker".to_owned(),
        configuration,
        place: file.to_owned(),
    };
    let split = admin.and_then(|address| Some((address, split(configuration)?)));
    let traffic = match &split {
        Some((_, (traffic, _))) => traffic.to_string().into_bytes(),
        None => configuration.as_bytes().to_vec(),
    };
    let mut listeners = vec![Listener {
        name: "ingress".to_owned(),
        address: listen,
        plugin: plugin("edge-breaker", traffic),
        early: Removal::own(),
        routes: all,
    }];
    if let Some((address, (_, configuration))) = split {
        let body = "try /circuit-breaker/services\n".to_owned();
        listeners.push(Listener {
            name: "breaker-admin".to_owned(),
            address,
            plugin: plugin("edge-breaker-admin", configuration.to_string().into_bytes()),
            early: Removal::default(),
            routes: vec![Route::prefix("", Action::Answer { status: 404, body })],
        });
    }
    let cluster = |given: &ClusterArg| Cluster {
        name: given.name.clone(),
        address: given.address,
        connect_timeout: CONNECT_TIMEOUT,
    };
    Ok(Plan { listeners, clusters: clusters.iter().map(cluster).collect() })
}

/// The configuration without its admin API, and one that has nothing else: as in
/// `envoy/recipe.yaml` the services by their names, and no health check and no traffic. `None`: it
/// is no object, about which the module has the word.
fn split(configuration: &str) -> Option<(Value, Value)> {
    let Ok(Value::Object(mut traffic)) = serde_json::from_str(configuration) else {
        return None;
    };
    let api = traffic.remove("admin").unwrap_or_else(|| json!({}));
    let prefix = api.get("path_prefix").cloned().unwrap_or_else(|| PREFIX.into());
    let services = traffic.get("services").and_then(Value::as_array);
    let services = services.map(|services| {
        let service = |service: &Value| {
            let name = service.get("name").cloned().unwrap_or_default();
            json!({ "name": name, "match": { "path_prefixes": [prefix] } })
        };
        services.iter().map(service).collect::<Value>()
    });
    let mut admin = Map::from_iter([("admin".to_owned(), api)]);
    services.map(|services| admin.insert("services".to_owned(), services));
    Some((Value::Object(traffic), Value::Object(admin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_admin_api_gets_a_configuration_of_names() {
        let (traffic, admin) = split(
            r#"{ "admin": { "token": "t" },
                 "services": [{ "name": "a", "trip": { "consecutive_failures": 1 } }] }"#,
        )
        .unwrap();
        let service = json!({ "name": "a", "trip": { "consecutive_failures": 1 } });
        assert_eq!(traffic, json!({ "services": [service] }));
        let service = json!({ "name": "a", "match": { "path_prefixes": ["/circuit-breaker"] } });
        assert_eq!(admin, json!({ "admin": { "token": "t" }, "services": [service] }));
        assert_eq!(split("[]"), None);
    }
}
