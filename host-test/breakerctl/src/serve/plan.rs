//! What is served: where clients call, where requests go from there, and by which configuration.

use std::net::SocketAddr;
use std::time::Duration;

use host_test_proxy_wasm::Headers;

use crate::removal::Removal;

/// How long a service may take if nothing is said: what Envoy's routes allow.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection to a service may take to be made, as in Envoy.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Names the cluster of a diverted request.
const CLUSTER: &str = "x-circuit-breaker-cluster";

/// All there is to serve.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) listeners: Vec<Listener>,
    pub(super) clusters: Vec<Cluster>,
}

/// An address for clients, with the plugin before its routes.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) plugin: Plugin,
    /// What is removed from requests before all else.
    pub(super) early: Removal,
    /// The first that matches has the request.
    pub(super) routes: Vec<Route>,
}

/// The module as a listener has it.
#[derive(Clone, Debug)]
pub(super) struct Plugin {
    pub(super) name: String,
    pub(super) vm_id: String,
    pub(super) configuration: Vec<u8>,
    /// Where the configuration stands, for who has to mend it.
    pub(super) place: String,
}

/// A service of one address.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) connect_timeout: Duration,
}

/// Where requests of a kind go.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) path: PathMatch,
    /// Headers that must be there.
    pub(super) present: Vec<String>,
    pub(super) action: Action,
    /// How long the service may take for all of its answer, all attempts together.
    pub(super) timeout: Option<Duration>,
    pub(super) retries: Retries,
}

/// What a path must be like.
#[derive(Clone, Debug)]
pub(super) enum PathMatch {
    Prefix(String),
    Exact(String),
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Cluster(String),
    /// It goes to the cluster that this header names.
    ClusterHeader(String),
    /// It is answered at once.
    Answer {
        status: u16,
        body: String,
    },
}

/// Which failed calls are made again, how often, and after which waits.
#[derive(Clone, Debug)]
pub(super) struct Retries {
    pub(super) most: u32,
    pub(super) on: RetryOn,
    pub(super) base_interval: Duration,
    pub(super) max_interval: Duration,
}

/// Which failures are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RetryOn {
    /// Any answer of 500 and above, and none at all.
    pub(super) server_error: bool,
    /// 502, 503 and 504.
    pub(super) gateway_error: bool,
    /// No answer, once connected.
    pub(super) reset: bool,
    pub(super) connect_failure: bool,
}

impl Route {
    /// A route of all paths with a prefix.
    pub(super) fn prefix(prefix: &str, action: Action) -> Self {
        Self {
            path: PathMatch::Prefix(prefix.to_owned()),
            present: Vec::new(),
            action,
            timeout: Some(TIMEOUT),
            retries: Retries::default(),
        }
    }

    /// The route of requests that the breaker has diverted.
    pub(super) fn diverted() -> Self {
        let action = Action::ClusterHeader(CLUSTER.to_owned());
        Self { present: vec![CLUSTER.to_owned()], ..Self::prefix("/", action) }
    }

    /// The cluster that a request of this route goes to, if it goes to one.
    pub(super) fn cluster<'a>(&'a self, headers: &'a Headers) -> Option<&'a str> {
        match &self.action {
            Action::Cluster(name) => Some(name),
            Action::ClusterHeader(header) => Some(headers.text(header).unwrap_or_default()),
            Action::Answer { .. } => None,
        }
    }

    fn matches(&self, path: &str, headers: &Headers) -> bool {
        let is_path = match &self.path {
            PathMatch::Prefix(prefix) => path.starts_with(prefix),
            PathMatch::Exact(exact) => path.split('?').next() == Some(exact),
        };
        is_path && self.present.iter().all(|name| headers.get(name).is_some())
    }
}

impl Listener {
    /// Removes what no client may send.
    pub(super) fn remove_early(&self, headers: &mut Headers) {
        let taken: Vec<_> = headers
            .iter()
            .filter_map(|(name, _)| std::str::from_utf8(name).ok())
            .filter(|name| self.early.takes(name))
            .map(str::to_owned)
            .collect();
        for name in taken {
            headers.remove(name);
        }
    }

    /// The route of a request.
    pub(super) fn route(&self, headers: &Headers) -> Option<&Route> {
        let path = headers.text(":path").unwrap_or_default();
        self.routes.iter().find(|route| route.matches(path, headers))
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            most: 0,
            on: RetryOn::default(),
            base_interval: Duration::from_millis(25),
            max_interval: Duration::from_millis(250),
        }
    }
}

impl Retries {
    /// The longest wait before the next attempt, after so many: as in Envoy the base interval, then
    /// three times that, then seven times. It is a random part of this that is waited for.
    pub(super) fn longest_wait(&self, attempts: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempts).map_or(u32::MAX, |power| power - 1);
        self.base_interval.saturating_mul(factor).min(self.max_interval)
    }
}

impl RetryOn {
    pub(super) const fn status(self, status: u16) -> bool {
        (self.server_error && status >= 500) || (self.gateway_error && matches!(status, 502..=504))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_route_that_matches_has_the_request() {
        let to = |name: &str| Action::Cluster(name.to_owned());
        let exact = Route { path: PathMatch::Exact("/b".into()), ..Route::prefix("", to("exact")) };
        let plugin = Plugin {
            name: String::new(),
            vm_id: String::new(),
            configuration: Vec::new(),
            place: String::new(),
        };
        let listener = Listener {
            name: String::new(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            plugin,
            early: Removal::default(),
            routes: vec![Route::diverted(), exact, Route::prefix("/a", to("a"))],
        };
        let cluster = |path: &str, diverted: Option<&str>| {
            let mut headers = Headers::from_iter([(":path", path)]);
            diverted.inspect(|cluster| headers.add(CLUSTER, cluster));
            let route = listener.route(&headers)?;
            Some(route.cluster(&headers).unwrap_or_default().to_owned())
        };
        assert_eq!(cluster("/a/1", Some("fallback")).as_deref(), Some("fallback"));
        assert_eq!(cluster("/a/1", None).as_deref(), Some("a"));
        assert_eq!(cluster("/b?c", None).as_deref(), Some("exact"));
        assert_eq!(cluster("/b/c", None), None);
    }

    #[test]
    fn waits_grow_as_in_envoy_up_to_their_maximum() {
        let second = Duration::from_secs(1);
        let retries =
            Retries { base_interval: second, max_interval: 2 * second, ..Retries::default() };
        let waits: Vec<_> = (1..4).map(|attempts| retries.longest_wait(attempts)).collect();
        assert_eq!(waits, [second, 2 * second, 2 * second]);
        assert_eq!(Retries::default().longest_wait(2), Duration::from_millis(75));
        assert_eq!(Retries::default().longest_wait(99), Duration::from_millis(250));
    }
}
