//! By the request's host.

/// A host name, or a suffix of host names (`*.pay.internal`), in lower case, or any (`*`).
#[derive(Debug)]
pub(super) enum Host {
    Any,
    Exact(String),
    Suffix(String),
}

impl Host {
    pub(super) fn new(text: &str) -> Result<Self, &'static str> {
        let lower = text.to_ascii_lowercase();
        let plain = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !b"*/?".contains(&b))
        };
        match lower.strip_prefix('*') {
            Some(suffix) if suffix.starts_with('.') && plain(suffix) => {
                Ok(Self::Suffix(suffix.to_owned()))
            }
            Some("") => Ok(Self::Any),
            None if plain(&lower) => Ok(Self::Exact(lower)),
            _ => Err("give a host name, one with a leading \"*.\", or \"*\", without a path"),
        }
    }

    /// Compares without the port, unless the rule has one, and without regard to case.
    pub(super) fn matches(&self, authority: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(host) => is_host(authority, host),
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

/// Whether an authority is this host: on any port, unless the host has one.
pub(crate) fn is_host(authority: &[u8], host: &str) -> bool {
    let host = host.as_bytes();
    authority.eq_ignore_ascii_case(host) || without_port(authority).eq_ignore_ascii_case(host)
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
