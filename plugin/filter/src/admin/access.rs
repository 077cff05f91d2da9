//! Who may use the admin API.
//!
//! With a token: who has it, from wherever and by whatever name. Without one: who is on this machine.
//! That takes two things, since a browser there opens pages from everywhere: the connection's own
//! peer is on it, and the request names it by a host that is always this machine. A page of another
//! site whose own name leads here by now (DNS rebinding) has its own name as the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str;

use crate::effects::Effects;
use crate::headers::{Facts, Headers};
use crate::host::{Host, Peer, SwapError};
use config::Admin;
use config::matching::without_port;

/// Written by the first worker that says that there is no token, so that no other says it again. No
/// service's name has a slash.
const SAID_KEY: &str = "edge-breaker/v1/admin/said";

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// There is a token, and this is not it.
    Token,
    /// It comes from another machine, as far as can be told.
    Peer,
    /// The proxy took its address from a header, which anybody can write.
    Forwarded,
    /// It does not name this machine.
    Name,
}

impl Denied {
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::Token => 401,
            Self::Peer | Self::Forwarded | Self::Name => 403,
        }
    }

    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::Token => "give the admin token as `authorization: Bearer <token>`",
            Self::Peer => {
                "without `admin.token` only this machine may ask, by its loopback interface: set \
                 `admin.token`"
            }
            Self::Forwarded => {
                "without `admin.token` only this machine may ask, and this address is one of a \
                 header's: set `admin.token`, or `use_remote_address` on this listener"
            }
            Self::Name => {
                "without `admin.token` this host is not answered: ask for `localhost` or a loopback \
                 address, list the host in `admin.hosts`, or set `admin.token`"
            }
        }
    }
}

/// Whether a request may see and steer breakers.
pub(super) fn check(
    admin: &Admin,
    headers: &Headers,
    facts: &Facts<'_>,
    host: &dyn Host,
) -> Result<(), Denied> {
    match &admin.token {
        Some(token) if has_token(headers, token.as_bytes()) => Ok(()),
        Some(_) => Err(Denied::Token),
        None => {
            check_peer(&host.peer())?;
            let is_local = facts.authority.is_some_and(|authority| {
                // Told from the root on, it may be another's to resolvers that know local names.
                !without_port(authority).ends_with(b".")
                    && (is_this_machine(authority)
                        || admin.hosts.iter().any(|it| it.matches(authority)))
            });
            if is_local { Ok(()) } else { Err(Denied::Name) }
        }
    }
}

/// Says, once for all workers, that there is no token.
pub(crate) fn warn_without_token(admin: &Admin, host: &dyn Host, effects: &mut Effects) {
    if admin.token.is_some() || host.swap(SAID_KEY, &[1], None) == Err(SwapError::Conflict) {
        return;
    }
    effects.warn(format!(
        "event=admin_without_token path_prefix={} remedy=\"set admin.token: without one only this \
         machine's loopback clients may ask\"",
        admin.path_prefix
    ));
}

fn has_token(headers: &Headers, token: &[u8]) -> bool {
    let given = headers.get(b"authorization").and_then(|value| {
        let (scheme, token) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    });
    given.is_some_and(|given| is_equal(given, token))
}

/// Compares in a time that does not tell how much of it is right.
fn is_equal(given: &[u8], token: &[u8]) -> bool {
    let differing = given.iter().zip(token).fold(0, |bits, (a, b)| bits | (a ^ b));
    given.len() == token.len() && std::hint::black_box(differing) == 0
}

/// Whether whoever asks is on this machine. What cannot be read is not.
fn check_peer(peer: &Peer) -> Result<(), Denied> {
    let address = match peer {
        Peer::Unknown => return Ok(()),
        Peer::Withheld => return Err(Denied::Peer),
        Peer::At(address) => address.as_slice(),
    };
    // A Unix domain socket: by its path, or by its abstract name.
    if matches!(address.first(), Some(b'/' | b'@')) {
        return Ok(());
    }
    match with_port(address) {
        // No connection has such a port.
        Some((_, 0)) => Err(Denied::Forwarded),
        Some((ip, _)) if is_loopback(ip) => Ok(()),
        _ => Err(Denied::Peer),
    }
}

/// Whether an authority means this machine, whoever looks it up: a browser asks no name server for it.
fn is_this_machine(authority: &[u8]) -> bool {
    let host = without_port(authority);
    if host.eq_ignore_ascii_case(b"localhost") {
        return true;
    }
    str::from_utf8(host).ok().and_then(ip).is_some_and(is_loopback)
}

/// An address and its port, as the proxy writes them.
fn with_port(address: &[u8]) -> Option<(IpAddr, u16)> {
    let (host, port) = str::from_utf8(address).ok()?.rsplit_once(':')?;
    Some((ip(host)?, port.parse().ok()?))
}

/// An address, which is in brackets if it is one of IPv6.
fn ip(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(text) => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// Whether it is one, written as IPv4 within IPv6 or not.
fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}
