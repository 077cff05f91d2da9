//! How an answer, or the lack of one, came about: Envoy's response code details and flags.

/// Envoy's response flags, by the position of their bit.
mod flag {
    const fn bits<const N: usize>(positions: [u8; N]) -> u64 {
        let mut bits = 0;
        let mut rest: &[u8] = &positions;
        while let [position, tail @ ..] = rest {
            bits |= 1 << *position;
            rest = tail;
        }
        bits
    }

    /// DC, DPE, DR: the client went away, or broke the protocol.
    pub(super) const CLIENT_GONE: u64 = bits([14, 18, 28]);
    /// UT: the service, or an attempt, took longer than it may.
    pub(super) const TIMEOUT: u64 = bits([2]);
    /// LR, UR, UC, UPE: a connection that stood was broken off.
    pub(super) const BROKEN: u64 = bits([3, 4, 6, 23]);
    /// UH, UF, DF: there was nobody to send the request to.
    pub(super) const UNREACHABLE: u64 = bits([1, 5, 26]);
    /// NC: nor the cluster that the route names.
    pub(super) const NO_CLUSTER: u64 = bits([24]);
    /// UMSDR, DT: the stream took longer than one may.
    pub(super) const TOO_LONG: u64 = bits([19, 22]);
    /// SI: nothing came or went for too long.
    pub(super) const IDLE: u64 = bits([16]);
    /// UO, OM, DO, and DO for all: the proxy's own limits refused the call.
    pub(super) const OVERFLOW: u64 = bits([7, 25, 27, 29]);
}

/// How an answer, or the lack of one, came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The service gave it, and when the stream has ended, all of it. A host that cannot tell is taken to
    /// speak for the service.
    #[default]
    Service,
    /// The request never got to a host: there is none, or no connection to it. No client can be the
    /// cause of that.
    Unreachable,
    /// The same, since the proxy has no such cluster.
    NoCluster,
    /// No route leads anywhere.
    NoRoute,
    /// The service broke off, before its answer or in the middle of it.
    Broken,
    /// The time that the route gives for the answer was over.
    Timeout,
    /// Nothing came or went for longer than the proxy waits.
    Idle,
    /// The whole of the exchange took longer than one may.
    TooLong,
    /// The proxy's own limits refused the call.
    Overflow,
    /// The client went away.
    ClientGone,
    /// The service answered with a redirect, which the proxy follows itself.
    Redirect,
    /// The proxy or another filter answered, for a reason of its own.
    Proxy,
}

impl Origin {
    /// By Envoy's words: the response code details, and its response flags, a bit each in a 64-bit
    /// number, little-endian, which are asked for if they matter.
    #[must_use]
    pub fn from_envoy(details: Option<Vec<u8>>, flags: impl FnOnce() -> Option<Vec<u8>>) -> Self {
        match details {
            None => Self::Service,
            Some(details) if details == b"via_upstream" => Self::Service,
            Some(details) => {
                let flags = flags().and_then(|bytes| <[u8; 8]>::try_from(bytes).ok());
                Self::of(&details, flags.map_or(0, u64::from_le_bytes))
            }
        }
    }

    /// The details tell of the last attempt, flags of all of them: they only add up.
    #[inline(never)]
    fn of(details: &[u8], flags: u64) -> Self {
        let has = |some: u64| flags & some != 0;
        if details.ends_with(b"{overflow}") {
            Self::Overflow
        } else if has(flag::CLIENT_GONE) {
            Self::ClientGone
        } else if let Some(origin) = Self::of_details(details) {
            origin
        } else if has(flag::TIMEOUT) {
            Self::Timeout
        } else if has(flag::BROKEN) {
            Self::Broken
        } else if has(flag::UNREACHABLE) {
            Self::Unreachable
        } else if has(flag::NO_CLUSTER) {
            Self::NoCluster
        } else if has(flag::TOO_LONG) {
            Self::TooLong
        } else if has(flag::IDLE) {
            Self::Idle
        } else if has(flag::OVERFLOW) {
            Self::Overflow
        } else {
            Self::Proxy
        }
    }

    /// What the details alone tell, where they do.
    fn of_details(details: &[u8]) -> Option<Self> {
        if let Some(reason) = details.strip_prefix(b"upstream_reset_before_response_started{") {
            let unreachable = UNREACHABLE.iter().any(|known| reason.starts_with(known));
            return Some(if unreachable { Self::Unreachable } else { Self::Broken });
        }
        DETAILS.iter().find(|(known, _)| *known == details).map(|(_, origin)| *origin)
    }
}

/// What details tell that are always the same.
const DETAILS: [(&[u8], Origin); 8] = [
    (b"no_healthy_upstream", Origin::Unreachable),
    (b"cluster_not_found", Origin::NoCluster),
    (b"route_not_found", Origin::NoRoute),
    (b"request_overall_timeout", Origin::Idle),
    (b"stream_idle_timeout", Origin::Idle),
    (b"max_duration_timeout", Origin::TooLong),
    (b"overload", Origin::Overflow),
    (b"internal_redirect", Origin::Redirect),
];

/// Why a request was reset that never had a connection. The names of Envoy's reasons, to which more
/// may be added.
const UNREACHABLE: [&[u8]; 4] = [
    b"connection_failure",
    b"connection_timeout",
    b"local_connection_failure",
    b"remote_connection_failure",
];
