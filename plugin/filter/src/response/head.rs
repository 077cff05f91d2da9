//! The head of an answer, as far as each call needs it.

use std::time::Duration;

use crate::headers::{self, GrpcFlavour, Headers, ReservedResponseHeaders, STATUS};

pub(crate) const GRPC_STATUS: &str = "grpc-status";

/// Set by Envoy's router on each answer of a service, however it began: the time that it took from
/// when the request was complete, in milliseconds.
/// Replies of the proxy's own do not have it, nor do any where `suppress_envoy_headers` is set.
const SERVICE_TIME: &[u8] = b"x-envoy-upstream-service-time";

const GRPC_UNKNOWN: u8 = 2;

/// The head of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerHead {
    /// `None`: the proxy gave none, or one that is no HTTP status.
    pub(crate) status: Option<u16>,
    /// Whether it looks as if the service had given it. If not, the proxy can be asked.
    pub(crate) of_service: bool,
    /// In how much time, in milliseconds, if that was below ten seconds; the greatest number: it is
    /// not known.
    service_time: u16,
    pub(crate) form: Form,
    /// gRPC's status, if it is here.
    pub(crate) grpc_status: Option<u8>,
    /// Which of the filter's own headers the service has sent.
    pub(crate) reserved: ReservedResponseHeaders,
}

/// What kind of body an answer says it has, as far as that matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// It does not say.
    #[default]
    Unspecified,
    Any,
    Grpc,
    /// What stands in gRPC's trailers is in its body.
    GrpcWeb,
    /// It goes on for as long as the client likes.
    EventStream,
}

impl AnswerHead {
    /// That of an answer with this status and no headers.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        let status = if headers::is_status(status) { Some(status) } else { None };
        Self { status, ..Self::NONE }
    }

    const NONE: Self = Self {
        status: None,
        of_service: false,
        service_time: u16::MAX,
        form: Form::Unspecified,
        grpc_status: None,
        reserved: ReservedResponseHeaders::NONE,
    };

    /// Reads a proxy's headers.
    #[must_use]
    #[inline]
    pub fn read(answer: &Headers) -> Self {
        let mut head = Self::NONE;
        for (name, value) in answer.iter() {
            head.note(name, value);
        }
        head
    }

    /// Takes note of a header, its name in lower case.
    #[inline(always)]
    pub fn note(&mut self, name: &[u8], value: &[u8]) {
        // By their lengths first, then as wholes: patterns would be compared byte by byte, each by code
        // of its own.
        match name.len() {
            7 if name == STATUS => self.status = headers::status(value),
            11 if name == GRPC_STATUS.as_bytes() => self.grpc_status = Some(code(value)),
            12 if name == b"content-type" => self.form = Form::of(value),
            29 if name == SERVICE_TIME => {
                self.of_service = true;
                self.service_time = milliseconds(value);
            }
            _ => self.reserved.note(name),
        }
    }

    /// In how much time the service has given it, if the proxy says so. Of whole milliseconds, half of
    /// one is missing on average.
    pub(crate) const fn service_time(&self) -> Option<Duration> {
        const HALF: Duration = Duration::from_micros(500);
        if self.service_time == u16::MAX {
            return None;
        }
        Some(Duration::from_millis(self.service_time as u64).saturating_add(HALF))
    }

    /// Whether it goes on for as long as the client likes.
    #[inline]
    pub(crate) const fn is_endless(&self) -> bool {
        matches!(self.form, Form::EventStream)
    }

    /// What an answer to a gRPC call has to say in gRPC, given the status in its trailers, if any.
    /// `None`: it is no gRPC, whatever was asked for.
    pub(crate) fn grpc(&self, trailer: Option<u8>) -> Option<u8> {
        match self.form {
            Form::Unspecified => trailer.or(self.grpc_status),
            // Trailers that are all there is may have any type.
            Form::Any | Form::GrpcWeb => self.grpc_status,
            Form::Grpc => Some(trailer.or(self.grpc_status).unwrap_or(GRPC_UNKNOWN)),
            Form::EventStream => None,
        }
    }
}

impl Form {
    #[inline(always)]
    fn of(content_type: &[u8]) -> Self {
        // One letter distinguishes most others from `application/grpc` and `text/event-stream`.
        match (content_type.get(12), content_type.get(5)) {
            (Some(b'g' | b'G'), _) | (_, Some(b'e' | b'E')) => Self::of_candidate(content_type),
            _ => Self::Any,
        }
    }

    #[inline(never)]
    fn of_candidate(content_type: &[u8]) -> Self {
        if headers::is_event_stream(content_type) {
            return Self::EventStream;
        }
        match headers::grpc_flavour(content_type) {
            Some(GrpcFlavour::Plain) => Self::Grpc,
            Some(GrpcFlavour::Web) => Self::GrpcWeb,
            None => Self::Any,
        }
    }
}

/// A number of up to four digits; the greatest one, if it is none.
#[inline(always)]
fn milliseconds(value: &[u8]) -> u16 {
    if value.len() > 4 || value.is_empty() {
        return u16::MAX;
    }
    let mut number: u16 = 0;
    for byte in value {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return u16::MAX;
        }
        number = number.wrapping_mul(10).wrapping_add(digit.into());
    }
    number
}

/// A gRPC status. What is none is UNKNOWN, as gRPC's clients take it.
pub(crate) fn code(value: &[u8]) -> u8 {
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(GRPC_UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> AnswerHead {
        AnswerHead::read(&Headers::from_pairs(pairs))
    }

    #[test]
    fn an_answer_of_the_service_is_known_by_envoys_header() {
        let head = read(&[(":status", "204"), ("x-envoy-upstream-service-time", "0")]);
        assert_eq!((head.status, head.of_service), (Some(204), true));
    }

    #[test]
    fn that_header_tells_how_long_it_took_if_it_is_a_number() {
        let time = |value| {
            let time = read(&[("x-envoy-upstream-service-time", value)]).service_time()?;
            Some(time.as_millis())
        };
        for (value, expected) in [
            ("0", Some(0)),
            ("1057", Some(1057)),
            ("9999", Some(9999)),
            ("10000", None),
            ("", None),
            ("-1", None),
            ("1.5", None),
        ] {
            assert_eq!(time(value), expected, "{value}");
        }
    }

    #[test]
    fn an_answer_without_that_header_may_be_anybodys() {
        let head = read(&[(":status", "200"), ("server", "envoy")]);
        assert_eq!((head.status, head.of_service), (Some(200), false));
    }
}
