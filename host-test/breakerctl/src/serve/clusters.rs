//! Where requests go: clusters by name, and routes by path.

use std::net::SocketAddr;
use std::str::FromStr;

/// A cluster of one address.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) name: String,
    address: SocketAddr,
}

/// The cluster of all paths with a prefix.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) prefix: String,
    pub(super) cluster: String,
}

/// All there is.
#[derive(Clone, Debug)]
pub(super) struct Clusters {
    pub(super) clusters: Vec<Cluster>,
    pub(super) routes: Vec<Route>,
}

impl Clusters {
    /// The address of a cluster, if there is one of that name.
    pub(super) fn address(&self, name: &str) -> Option<SocketAddr> {
        self.clusters.iter().find(|cluster| cluster.name == name).map(|cluster| cluster.address)
    }

    /// The cluster of a path.
    pub(super) fn route(&self, path: &str) -> &str {
        let route = self.routes.iter().find(|route| path.starts_with(&route.prefix));
        let first = || self.clusters.first().map_or("", |cluster| &cluster.name);
        route.map_or_else(first, |route| &route.cluster)
    }
}

impl FromStr for Cluster {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, address) = text.split_once('=').ok_or("give NAME=ADDR")?;
        let address = address.parse().map_err(|_| format!("{address} is not an IP and a port"))?;
        Ok(Self { name: name.to_owned(), address })
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (prefix, cluster) = text.rsplit_once('=').ok_or("give PREFIX=CLUSTER")?;
        Ok(Self { prefix: prefix.to_owned(), cluster: cluster.to_owned() })
    }
}
