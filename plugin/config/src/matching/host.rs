//! By the request's host.

use std::net::Ipv6Addr;

/// Which hosts are meant, and on which port, if on one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub(super) name: Name,
    pub(super) port: Option<u16>,
}

/// A host's name, in lower case and without the dot of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Any,
    One(String),
    /// All that end so: from a dot on.
    Below(String),
}

impl Host {
    /// One host, or a pattern of hosts.
    pub(crate) fn new(text: &str) -> Result<Self, &'static str> {
        const REMEDY: &str = "give a host name, one with a leading \"*.\", or \"*\", without a path; \
                              without a port it fits any port";
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err("put an IPv6 address in brackets, such as \"[fd00::7]\"");
        }
        let (name, port) = match apart(text.as_bytes()) {
            (name, Some(digits)) => {
                let port = number(digits).filter(|port| *port != 0);
                (name, Some(port.ok_or("give a port from 1 to 65535, or none for any port")?))
            }
            (name, None) => (name, None),
        };
        let name = str::from_utf8(name).map_err(|_| REMEDY)?.to_ascii_lowercase();
        let name = name.strip_suffix('.').filter(|name| *name != "*").unwrap_or(&name);
        let name = match name.strip_prefix('*') {
            Some("") => Name::Any,
            Some(end) if end.strip_prefix('.').is_some_and(is_name) => Name::Below(end.to_owned()),
            None if is_name(name) || is_bracketed(name) => Name::One(name.to_owned()),
            None if name.strip_prefix('.').is_some_and(is_name) => {
                return Err("begin with \"*.\" for all hosts below one");
            }
            _ => return Err(REMEDY),
        };
        Ok(Self { name, port })
    }

    /// Whether it is one host, and no pattern.
    pub(crate) const fn is_one(&self) -> bool {
        matches!(self.name, Name::One(_))
    }

    /// Whether it is each host, on each port.
    pub(super) const fn is_any(&self) -> bool {
        matches!((&self.name, self.port), (Name::Any, None))
    }

    /// Whether whatever another one matches is matched here, too.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let name = match (&self.name, &other.name) {
            (Name::Any, _) => true,
            (Name::Below(end), Name::One(name) | Name::Below(name)) => name.ends_with(end.as_str()),
            (Name::One(name), Name::One(other)) => name == other,
            (Name::One(_) | Name::Below(_), _) => false,
        };
        name && (self.port.is_none() || self.port == other.port)
    }

    /// Compares without regard to case and to the dot of the root, and to the port if it names none.
    #[inline]
    pub fn matches(&self, authority: &[u8]) -> bool {
        let port = match &self.name {
            Name::One(name) => authority
                .split_at_checked(name.len())
                .filter(|(start, _)| start.eq_ignore_ascii_case(name.as_bytes()))
                .and_then(|(_, rest)| port_behind(rest)),
            Name::Any => Some(apart(authority).1),
            Name::Below(end) => {
                let (host, port) = apart(authority);
                let host = without_root(host);
                let start = host.len().checked_sub(end.len());
                let is_end = start
                    .filter(|start| *start > 0)
                    .and_then(|start| host.get(start..))
                    .is_some_and(|its| its.eq_ignore_ascii_case(end.as_bytes()));
                is_end.then_some(port)
            }
        };
        port.is_some_and(|port| self.port.is_none_or(|meant| is_port(port, meant)))
    }
}

/// The name of an authority: without its port, and without the dot of the root.
#[inline]
pub fn name_of(authority: &[u8]) -> &[u8] {
    without_root(without_port(authority))
}

/// An authority without its port, if it has one.
#[inline]
pub fn without_port(authority: &[u8]) -> &[u8] {
    apart(authority).0
}

/// `pay.svc.` is `pay.svc`, told from the root on.
#[inline]
fn without_root(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").filter(|name| !name.is_empty()).unwrap_or(name)
}

/// An authority's host, and the digits of its port, of which there may be none behind the colon.
#[inline]
fn apart(authority: &[u8]) -> (&[u8], Option<&[u8]>) {
    let colon = authority.iter().rposition(|byte| *byte == b':');
    let parts = colon.and_then(|colon| authority.split_at_checked(colon));
    match parts {
        Some((host, [_, digits @ ..])) if digits.iter().all(u8::is_ascii_digit) => {
            (host, Some(digits))
        }
        _ => (authority, None),
    }
}

/// The same of what follows a name; `None`: the name goes on.
#[inline]
fn port_behind(rest: &[u8]) -> Option<Option<&[u8]>> {
    match rest.strip_prefix(b".").unwrap_or(rest) {
        [] => Some(None),
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => Some(Some(digits)),
        _ => None,
    }
}

/// Whether a request for this port, or for none, is one for the port that is meant. Clients leave out
/// the ports that go without saying.
#[inline]
fn is_port(digits: Option<&[u8]>, meant: u16) -> bool {
    match digits {
        None | Some([]) => matches!(meant, 80 | 443),
        Some(digits) => number(digits) == Some(meant),
    }
}

#[inline]
fn number(digits: &[u8]) -> Option<u16> {
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Letters, digits, `-`, `_` and `~`, with single dots between.
fn is_name(name: &str) -> bool {
    let plain = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~".contains(&b))
    };
    name.split('.').all(plain)
}

fn is_bracketed(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}
