//! What an answer says of the service: success, failure, or nothing.
//!
//! The proxy's own replies look like the service's, so their origin is asked first. What the
//! service failed to do (it was unreachable, reset, too late) is a failure whatever status the
//! proxy made of it; what never reached the service says nothing about it.

use breaker::Outcome;

use crate::config::{Classify, Overflow};
use crate::host::{Host, Property};

/// gRPC's codes that matter here beside the configured ones.
const GRPC_UNKNOWN: u8 = 2;
const GRPC_RESOURCE_EXHAUSTED: u8 = 8;

const TOO_MANY_REQUESTS: u16 = 429;

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

    /// UH, UT, LR, UR, UF, UC, UPE, DF: the service, or the way to it, failed.
    pub(super) const UPSTREAM_FAULT: u64 = bits([1, 2, 3, 4, 5, 6, 23, 26]);
    /// UMSDR: the service took longer than a stream may.
    pub(super) const STREAM_TOO_LONG: u64 = bits([19]);
    /// UO, DO: the proxy's own limits refused the call.
    pub(super) const OVERFLOW: u64 = bits([7, 27]);
    /// DC, DPE, DR: the client went away, or broke the protocol.
    pub(super) const CLIENT_GONE: u64 = bits([14, 18, 28]);
}

/// How an answer came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The service gave it, and when the stream has ended, all of it.
    Service,
    /// The service failed, before its answer or in the middle of it.
    Fault,
    /// The service's answer went on for longer than a stream may.
    StreamTooLong,
    /// The proxy's own limits refused the call.
    Overflow,
    /// The client went away.
    ClientGone,
    /// The proxy or another filter answered, for a reason of its own.
    Proxy,
}

impl Origin {
    /// Asks the proxy. One that cannot tell is taken to speak for the service.
    pub(crate) fn ask(host: &impl Host) -> Self {
        match host.property(Property::ResponseCodeDetails) {
            None => Self::Service,
            Some(details) if details == b"via_upstream" => Self::Service,
            Some(details) => Self::of(&details, flags(host)),
        }
    }

    fn of(details: &[u8], flags: u64) -> Self {
        let has = |some: u64| flags & some != 0;
        // A retry may have failed otherwise than the attempt before it, and flags only add up:
        // the details tell of the last.
        if details.ends_with(b"{overflow}") {
            Self::Overflow
        } else if has(flag::CLIENT_GONE) {
            Self::ClientGone
        } else if has(flag::UPSTREAM_FAULT) {
            Self::Fault
        } else if has(flag::STREAM_TOO_LONG) {
            Self::StreamTooLong
        } else if has(flag::OVERFLOW) {
            Self::Overflow
        } else {
            Self::Proxy
        }
    }
}

fn flags(host: &impl Host) -> u64 {
    host.property(Property::ResponseFlags)
        .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok())
        .map_or(0, u64::from_le_bytes)
}

/// The head of an answer, as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head<'a> {
    /// None has come.
    None,
    /// That of an HTTP answer: its status.
    Http(u16),
    /// That of an answer to a gRPC call: its HTTP status, and gRPC's, if there is any.
    Grpc(u16, Option<&'a [u8]>),
}

impl Classify {
    /// Whether an answer with this status may turn out to be a failure when its origin is asked.
    pub(crate) fn may_have_failed(&self, status: u16) -> bool {
        status >= 500 || self.failure_status.contains(status)
    }

    /// What an answer says, by its head and how it came about.
    pub(crate) fn judge(&self, head: Head<'_>, origin: Origin, trial: bool) -> Outcome {
        match (origin, head) {
            (Origin::Service, Head::Http(status)) => self.http(status, trial),
            (Origin::Service, Head::Grpc(status, code)) => match self.http(status, trial) {
                Outcome::Success => self.grpc(status, code, trial),
                outcome => outcome,
            },
            (Origin::Fault, _) => Outcome::FAILURE,
            (Origin::Overflow, _) if self.overflow == Overflow::Failure => Outcome::FAILURE,
            // The service was still answering, and well enough.
            (Origin::StreamTooLong, Head::Http(200..400) | Head::Grpc(200..400, _)) => {
                Outcome::Ignored
            }
            (Origin::StreamTooLong, _) => Outcome::FAILURE,
            (Origin::ClientGone, _) => Outcome::Aborted,
            (Origin::Service | Origin::Proxy, Head::None) => Outcome::Aborted,
            (Origin::Overflow | Origin::Proxy, _) => Outcome::Ignored,
        }
    }

    fn http(&self, status: u16, trial: bool) -> Outcome {
        if self.ignore_status.contains(status) {
            Outcome::Ignored
        } else if self.failure_status.contains(status) {
            Outcome::FAILURE
        } else if trial && status == TOO_MANY_REQUESTS {
            // A service that turns a trial away has not shown that it can take traffic.
            Outcome::Ignored
        } else {
            Outcome::Success
        }
    }

    /// A missing or impossible gRPC status is UNKNOWN, as gRPC's clients take it, or what they take
    /// an answer for which is no gRPC.
    fn grpc(&self, status: u16, code: Option<&[u8]>, trial: bool) -> Outcome {
        let number = |code| std::str::from_utf8(code).ok()?.parse::<u8>().ok();
        let code = match code {
            Some(code) => number(code).unwrap_or(GRPC_UNKNOWN),
            None => code_of_http(status),
        };
        if self.ignore_grpc_status.contains(code) {
            Outcome::Ignored
        } else if self.failure_grpc_status.contains(code) {
            Outcome::FAILURE
        } else if trial && code == GRPC_RESOURCE_EXHAUSTED {
            Outcome::Ignored
        } else {
            Outcome::Success
        }
    }
}

/// The gRPC status that clients take an answer for which is no gRPC (gRPC's
/// `http-grpc-status-mapping`).
const fn code_of_http(status: u16) -> u8 {
    match status {
        400 => 13,                   // INTERNAL
        401 => 16,                   // UNAUTHENTICATED
        403 => 7,                    // PERMISSION_DENIED
        404 => 12,                   // UNIMPLEMENTED
        429 | 502 | 503 | 504 => 14, // UNAVAILABLE
        _ => GRPC_UNKNOWN,
    }
}
