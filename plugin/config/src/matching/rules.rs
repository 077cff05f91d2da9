//! The rules of one service.

use crate::matching::glob::Glob;
use crate::matching::header::HeaderRule;
use crate::matching::host::Host;
use crate::matching::request::Request;

/// Which requests belong to a service. One that gives no kind matches them all.
#[derive(Debug)]
pub struct Match {
    pub(crate) hosts: Option<Vec<Host>>,
    pub(crate) path_prefixes: Option<Vec<String>>,
    pub(crate) methods: Option<Vec<String>>,
    pub(crate) headers: Option<Vec<HeaderRule>>,
    pub(crate) clusters: Option<Vec<Glob>>,
}

impl Match {
    /// Whether the proxy has to be asked for the request's cluster.
    pub const fn needs_cluster(&self) -> bool {
        self.clusters.is_some()
    }

    /// Whether it says which hosts are meant.
    pub(crate) const fn names_hosts(&self) -> bool {
        self.hosts.is_some()
    }

    /// Whether a cluster is named here to the letter.
    pub(crate) fn names_cluster(&self, cluster: &str) -> bool {
        self.clusters.iter().flatten().any(|glob| glob.is(cluster))
    }

    /// Whether a request belongs to it.
    #[inline]
    pub fn matches(&self, request: &impl Request) -> bool {
        any(
            self.hosts.as_deref(),
            || request.authority(),
            |host, authority| host.matches(authority),
        ) && any(
            self.path_prefixes.as_deref(),
            || request.path(),
            |prefix, path| path.starts_with(prefix.as_bytes()),
        ) && any(
            self.methods.as_deref(),
            || request.method(),
            |meant, method| method == meant.as_bytes(),
        ) && any(self.clusters.as_deref(), || request.cluster(), Glob::matches)
            && any(self.headers.as_deref(), || Some(request), |rule, request| rule.matches(request))
    }
}

/// Whether any rule matches the value; no rules match anything, no value matches no rule.
#[inline]
fn any<'a, R, V: ?Sized + 'a>(
    rules: Option<&[R]>,
    value: impl Fn() -> Option<&'a V>,
    matches: impl Fn(&R, &'a V) -> bool,
) -> bool {
    rules.is_none_or(|rules| {
        value().is_some_and(|value| rules.iter().any(|rule| matches(rule, value)))
    })
}
