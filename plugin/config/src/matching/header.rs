//! By a header.

use crate::form::is_token_byte;
use crate::matching::request::Request;

/// What is told by another kind, since the proxy has no header of this name.
const OF_OTHER_KINDS: [(&str, &str); 5] = [
    (":method", "match methods by `match.methods`, such as [\"GET\"]"),
    (":path", "match paths by `match.path_prefixes`, such as [\"/pay/\"]"),
    (":authority", OF_HOSTS),
    ("host", OF_HOSTS),
    (":scheme", "leave it out: both schemes are matched alike"),
];
const OF_HOSTS: &str = "match hosts by `match.hosts`, such as [\"pay.example.com\"]";

#[derive(Debug)]
pub(crate) struct HeaderRule {
    pub(super) name: String,
    pub(super) value: ValueRule,
}

#[derive(Debug)]
pub(crate) enum ValueRule {
    Exact(String),
    Prefix(String),
    Present(bool),
}

impl HeaderRule {
    /// Of exactly one of the three.
    pub(crate) fn new(
        name: &str,
        exact: Option<String>,
        prefix: Option<String>,
        present: Option<bool>,
    ) -> Result<Self, &'static str> {
        let value = match (exact, prefix, present) {
            (Some(exact), None, None) => ValueRule::Exact(exact),
            (None, Some(prefix), None) => ValueRule::Prefix(prefix),
            (None, None, Some(present)) => ValueRule::Present(present),
            _ => return Err("give exactly one of `exact`, `prefix` and `present`"),
        };
        let name = name.to_ascii_lowercase();
        if let Some((_, remedy)) = OF_OTHER_KINDS.iter().find(|(other, _)| *other == name) {
            return Err(remedy);
        }
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err("give the name of a header");
        }
        Ok(Self { name, value })
    }

    /// Whether whatever another one matches is matched here, too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let value = match (&self.value, &other.value) {
            (ValueRule::Exact(value), ValueRule::Exact(other)) => value == other,
            (ValueRule::Prefix(start), ValueRule::Exact(other) | ValueRule::Prefix(other)) => {
                other.starts_with(start.as_str())
            }
            (ValueRule::Present(present), ValueRule::Present(other)) => present == other,
            (ValueRule::Present(present), ValueRule::Exact(_) | ValueRule::Prefix(_)) => *present,
            (ValueRule::Exact(_) | ValueRule::Prefix(_), _) => false,
        };
        value && self.name == other.name
    }

    #[inline]
    pub(super) fn matches(&self, request: &impl Request) -> bool {
        let mut values = request.values(self.name.as_bytes());
        match &self.value {
            ValueRule::Exact(exact) => values.any(|value| value == exact.as_bytes()),
            ValueRule::Prefix(prefix) => values.any(|value| value.starts_with(prefix.as_bytes())),
            ValueRule::Present(present) => values.next().is_some() == *present,
        }
    }
}
