//! What an answer says of the service: success, failure, or nothing.
//!
//! The proxy's own replies look like the service's, so their origin is asked first. What the
//! service failed to do (it was unreachable, reset, too late) is a failure whatever status the
//! proxy made of it; what never reached the service says nothing about it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use breaker::{Outcome, UnixTime};

use crate::config::{Classify, Overflow};
use crate::host::{Host, Property};

/// gRPC's codes that matter here beside the configured ones.
const GRPC_UNKNOWN: u8 = 2;
const GRPC_RESOURCE_EXHAUSTED: u8 = 8;

pub(crate) const OK: u16 = 200;
const TOO_MANY_REQUESTS: u16 = 429;

/// The longest `Retry-After` that is taken at its word; the open wait has its own maximum.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

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

    /// UH, UT, LR, UR, UF, UC, UMSDR, UPE, DF: the service, or the way to it, failed.
    pub(super) const UPSTREAM_FAULT: u64 = bits([1, 2, 3, 4, 5, 6, 19, 23, 26]);
    /// UO, DO: the proxy's own limits refused the call.
    pub(super) const OVERFLOW: u64 = bits([7, 27]);
}

/// Who made an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The service.
    Service,
    /// The proxy, since the service failed.
    Fault,
    /// The proxy, since its own limits refused the call.
    Overflow,
    /// The proxy or another filter, for a reason of its own.
    Proxy,
}

impl Origin {
    /// Asks the proxy. One that cannot tell is taken to speak for the service.
    pub(crate) fn of_response(host: &impl Host) -> Self {
        match host.property(Property::ResponseCodeDetails) {
            None => Self::Service,
            Some(details) if details == b"via_upstream" => Self::Service,
            Some(details) => Self::of_reply(&details, flags(host)),
        }
    }

    fn of_reply(details: &[u8], flags: u64) -> Self {
        // A retry may have failed otherwise than the attempt before it, and flags only add up:
        // the details tell of the last.
        if details.ends_with(b"{overflow}") {
            Self::Overflow
        } else if flags & flag::UPSTREAM_FAULT != 0 {
            Self::Fault
        } else if flags & flag::OVERFLOW != 0 {
            Self::Overflow
        } else {
            Self::Proxy
        }
    }
}

/// What became of a call whose response did not end: the service, or the way to it, failed in
/// mid-answer, or the caller went away.
pub(crate) fn unfinished(host: &impl Host) -> Outcome {
    if flags(host) & flag::UPSTREAM_FAULT == 0 { Outcome::Aborted } else { Outcome::FAILURE }
}

fn flags(host: &impl Host) -> u64 {
    host.property(Property::ResponseFlags)
        .and_then(|bytes| <[u8; 8]>::try_from(bytes).ok())
        .map_or(0, u64::from_le_bytes)
}

/// What the head of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// All there is to know.
    Final(Outcome),
    /// The service answered well so far: a success if the answer ends.
    UntilEnd,
    /// The service answered well so far: gRPC's status comes with the trailers.
    UntilTrailers,
}

impl Classify {
    /// Judges the head of an HTTP answer.
    pub(crate) fn http(&self, status: u16, origin: Origin, trial: bool) -> Judgement {
        Judgement::Final(match origin {
            Origin::Fault => Outcome::FAILURE,
            Origin::Overflow if self.overflow == Overflow::Failure => Outcome::FAILURE,
            Origin::Overflow | Origin::Proxy => Outcome::Ignored,
            Origin::Service if self.ignore_status.contains(status) => Outcome::Ignored,
            Origin::Service if self.failure_status.contains(status) => Outcome::FAILURE,
            // A service that turns a trial away has not shown that it can take traffic.
            Origin::Service if trial && status == TOO_MANY_REQUESTS => Outcome::Ignored,
            Origin::Service => return Judgement::UntilEnd,
        })
    }

    /// Judges the head of an answer to a gRPC call, which may be all of it: `end` says so, and
    /// `code` is the gRPC status that the head has, if it was looked for.
    pub(crate) fn grpc_head(
        &self,
        status: u16,
        end: bool,
        code: Option<&[u8]>,
        origin: Origin,
        trial: bool,
    ) -> Judgement {
        match self.http(status, origin, trial) {
            Judgement::Final(outcome) => Judgement::Final(outcome),
            _ if status != OK && code.is_none() => {
                Judgement::Final(self.grpc_code(code_of_http(status), trial))
            }
            _ if end || code.is_some() => Judgement::Final(self.grpc(code, trial)),
            _ => Judgement::UntilTrailers,
        }
    }

    /// Judges a gRPC status. A missing or impossible one is UNKNOWN, as gRPC's clients take it.
    pub(crate) fn grpc(&self, code: Option<&[u8]>, trial: bool) -> Outcome {
        let code = code
            .and_then(|code| std::str::from_utf8(code).ok())
            .and_then(|code| code.parse::<u8>().ok());
        self.grpc_code(code.unwrap_or(GRPC_UNKNOWN), trial)
    }

    fn grpc_code(&self, code: u8, trial: bool) -> Outcome {
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

/// How long a `Retry-After` asks to wait: a number of seconds, or a date.
pub(crate) fn retry_after(value: &[u8], now: UnixTime) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = httpdate::parse_http_date(text).ok()?;
            let now = UNIX_EPOCH.checked_add(Duration::from_nanos(now.as_nanos()))?;
            SystemTime::duration_since(&date, now).unwrap_or_default()
        }
    };
    Some(asked.min(LONGEST_RETRY_AFTER))
}
