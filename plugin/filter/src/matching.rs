//! Which service a request belongs to: the first one that matches.
//!
//! Inside a match every kind that is given must match, and inside a kind any entry does.

use crate::config::{ConfigError, HeaderMatch, WireMatch, is_token_byte};
use crate::headers::{Facts, Headers};

/// Which requests belong to a service. One that gives no kind matches them all.
#[derive(Debug)]
pub(crate) struct Match {
    hosts: Option<Vec<Host>>,
    path_prefixes: Option<Vec<String>>,
    headers: Option<Vec<HeaderRule>>,
    clusters: Option<Vec<Glob>>,
}

/// What a request is matched by.
pub(crate) struct Subject<'a> {
    pub(crate) headers: &'a Headers,
    pub(crate) facts: &'a Facts<'a>,
    /// The upstream cluster, if any match asks for it and the proxy knows it.
    pub(crate) cluster: Option<&'a [u8]>,
}

impl Match {
    pub(crate) fn new(wire: WireMatch, path: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            hosts: entries(wire.hosts, path, "hosts", |text: String| Host::new(&text))?,
            path_prefixes: entries(wire.path_prefixes, path, "path_prefixes", |text: String| {
                if text.starts_with('/') { Ok(text) } else { Err("begin with a slash") }
            })?,
            headers: header_rules(wire.headers, path)?,
            clusters: entries(wire.clusters, path, "clusters", Glob::new)?,
        })
    }

    /// Whether the proxy has to be asked for the request's cluster.
    pub(crate) const fn needs_cluster(&self) -> bool {
        self.clusters.is_some()
    }

    /// Whether a cluster is named here to the letter.
    pub(crate) fn names_cluster(&self, cluster: &str) -> bool {
        self.clusters.iter().flatten().any(|glob| glob.0 == [cluster])
    }

    pub(crate) fn matches(&self, subject: &Subject<'_>) -> bool {
        let headers = subject.headers;
        any(
            self.hosts.as_deref(),
            || subject.facts.authority,
            |host, authority| host.matches(authority),
        ) && any(
            self.path_prefixes.as_deref(),
            || subject.facts.path,
            |prefix, path| path.starts_with(prefix.as_bytes()),
        ) && any(self.clusters.as_deref(), || subject.cluster, Glob::matches)
            && any(self.headers.as_deref(), || Some(headers), |rule, headers| rule.matches(headers))
    }
}

/// Whether any rule matches the value; no rules match anything, no value matches no rule.
fn any<'a, R, V: ?Sized + 'a>(
    rules: Option<&[R]>,
    value: impl Fn() -> Option<&'a V>,
    matches: impl Fn(&R, &'a V) -> bool,
) -> bool {
    rules.is_none_or(|rules| {
        value().is_some_and(|value| rules.iter().any(|rule| matches(rule, value)))
    })
}

/// A host name, or a suffix of host names (`*.pay.internal`), in lower case.
#[derive(Debug)]
enum Host {
    Exact(String),
    Suffix(String),
}

impl Host {
    fn new(text: &str) -> Result<Self, &'static str> {
        let lower = text.to_ascii_lowercase();
        let plain = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"*/?".contains(&b))
        };
        match lower.strip_prefix('*') {
            Some(suffix) if suffix.starts_with('.') && plain(suffix) => {
                Ok(Self::Suffix(suffix.to_owned()))
            }
            None if plain(&lower) => Ok(Self::Exact(lower)),
            _ => Err("give a host name, or one with a leading \"*.\", without a path"),
        }
    }

    /// Compares without the port, unless the rule has one, and without regard to case.
    fn matches(&self, authority: &[u8]) -> bool {
        match self {
            Self::Exact(host) => {
                let host = host.as_bytes();
                authority.eq_ignore_ascii_case(host)
                    || without_port(authority).eq_ignore_ascii_case(host)
            }
            Self::Suffix(suffix) => {
                let host = without_port(authority);
                let start = host.len().checked_sub(suffix.len());
                start
                    .filter(|start| *start > 0)
                    .and_then(|start| host.get(start..))
                    .is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes()))
            }
        }
    }
}

/// An authority without its port, if it has one.
pub(crate) fn without_port(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|byte| *byte == b':') {
        Some(colon) => {
            let (host, port) = authority.split_at(colon);
            let is_port = port.iter().skip(1).all(u8::is_ascii_digit);
            if is_port { host } else { authority }
        }
        None => authority,
    }
}

/// A name in which `*` stands for any characters, split at its stars.
#[derive(Debug)]
struct Glob(Vec<String>);

impl Glob {
    fn new(text: String) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("give the name of a cluster, in which `*` stands for any characters");
        }
        Ok(Self(text.split('*').map(str::to_owned).collect()))
    }

    fn matches(&self, name: &[u8]) -> bool {
        let Some((first, rest)) = self.0.split_first() else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return name == first.as_bytes();
        };
        let Some(mut name) = name.strip_prefix(first.as_bytes()) else {
            return false;
        };
        for part in middle {
            let Some(found) = find(name, part.as_bytes()) else {
                return false;
            };
            name = name.get(found.saturating_add(part.len())..).unwrap_or_default();
        }
        name.ends_with(last.as_bytes())
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

#[derive(Debug)]
struct HeaderRule {
    name: String,
    value: ValueRule,
}

#[derive(Debug)]
enum ValueRule {
    Exact(String),
    Prefix(String),
    Present(bool),
}

impl HeaderRule {
    fn new(wire: HeaderMatch) -> Result<Self, &'static str> {
        let value = match (wire.exact, wire.prefix, wire.present) {
            (Some(exact), None, None) => ValueRule::Exact(exact),
            (None, Some(prefix), None) => ValueRule::Prefix(prefix),
            (None, None, Some(present)) => ValueRule::Present(present),
            _ => return Err("give exactly one of `exact`, `prefix` and `present`"),
        };
        let name = wire.name.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err("give the name of a header");
        }
        Ok(Self { name, value })
    }

    fn matches(&self, headers: &Headers) -> bool {
        let mut values = headers.all(self.name.as_bytes());
        match &self.value {
            ValueRule::Exact(exact) => values.any(|value| value == exact.as_bytes()),
            ValueRule::Prefix(prefix) => values.any(|value| value.starts_with(prefix.as_bytes())),
            ValueRule::Present(present) => values.next().is_some() == *present,
        }
    }
}

fn header_rules(
    wire: Option<Vec<HeaderMatch>>,
    path: &str,
) -> Result<Option<Vec<HeaderRule>>, ConfigError> {
    entries(wire, path, "headers", HeaderRule::new)
}

/// Turns the entries of one kind into rules; an empty kind would match nothing.
fn entries<W: Clone + serde::Serialize, R>(
    wire: Option<Vec<W>>,
    path: &str,
    kind: &str,
    rule: impl Fn(W) -> Result<R, &'static str>,
) -> Result<Option<Vec<R>>, ConfigError> {
    let Some(wire) = wire else {
        return Ok(None);
    };
    if wire.is_empty() {
        let remedy = "an empty list matches nothing: give an entry, or leave the field out";
        return Err(ConfigError::at(format!("{path}.{kind}"), "[]", remedy));
    }
    let rules = wire.into_iter().enumerate().map(|(index, entry)| {
        rule(entry.clone()).map_err(|remedy| {
            let value = serde_json::to_string(&entry).unwrap_or_default();
            ConfigError::at(format!("{path}.{kind}[{index}]"), value, remedy)
        })
    });
    rules.collect::<Result<Vec<_>, _>>().map(Some)
}
