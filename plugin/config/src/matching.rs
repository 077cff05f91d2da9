//! Which service a request belongs to: the first one that matches.
//!
//! Inside a match every kind that is given must match, and inside a kind any entry does.

mod glob;
mod header;
mod host;
mod inclusion;
mod index;
mod method;
mod path;
#[cfg(test)]
mod samples;

pub(crate) use self::glob::Glob;
pub(crate) use self::header::HeaderRule;

pub use self::host::{Host, name_of, without_port};
pub use self::index::Index;
pub(crate) use self::method::check as check_method;
pub(crate) use self::path::check_prefix;

/// Which requests belong to a service. One that gives no kind matches them all.
#[derive(Debug)]
pub struct Match {
    pub(crate) hosts: Option<Vec<Host>>,
    pub(crate) path_prefixes: Option<Vec<String>>,
    pub(crate) methods: Option<Vec<String>>,
    pub(crate) headers: Option<Vec<HeaderRule>>,
    pub(crate) clusters: Option<Vec<Glob>>,
}

/// What a request is matched by. What is not known matches nothing.
pub trait Request {
    /// The authority that it is for.
    fn authority(&self) -> Option<&[u8]>;
    /// Its path, with the query.
    fn path(&self) -> Option<&[u8]>;
    /// Its method.
    fn method(&self) -> Option<&[u8]>;
    /// The upstream cluster, if any match asks for it and the proxy knows it.
    fn cluster(&self) -> Option<&[u8]>;
    /// All values of a header, whose name is in lower case.
    fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]>;
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
