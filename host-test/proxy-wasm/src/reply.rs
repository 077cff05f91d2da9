//! Responses that the filter or the host makes itself.

use crate::headers::Headers;

/// A response that did not come from the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// Its status.
    pub status: u16,
    /// What Envoy shows as `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
    /// Headers to add.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// A gRPC status other than the one that follows from the HTTP status.
    pub grpc_status: Option<u32>,
}

impl LocalReply {
    pub(crate) fn of_host(status: u16, details: &str) -> Self {
        Self {
            status,
            details: details.to_owned(),
            headers: Headers::new(),
            body: Vec::new(),
            grpc_status: None,
        }
    }

    /// The response as the client gets it. To a gRPC request that is a trailers-only response
    /// of status 200, to a `HEAD` one without a body.
    pub(crate) fn into_response(self, request: Option<&Headers>) -> (Headers, Vec<u8>) {
        let is = |name, wanted: &dyn Fn(&[u8]) -> bool| {
            request.and_then(|request| request.get(name)).is_some_and(wanted)
        };
        let grpc = is("content-type", &|value: &[u8]| {
            let rest = value.strip_prefix(b"application/grpc");
            rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
        });
        let mut headers = Headers::from_iter([(":status", self.status.to_string())]);
        for (name, value) in self.headers.iter() {
            headers.add(name, value);
        }
        if grpc {
            let status = self.grpc_status.unwrap_or_else(|| grpc_status(self.status));
            headers.set(":status", "200");
            headers.set("content-type", "application/grpc");
            headers.set("grpc-status", status.to_string());
            if !self.body.is_empty() {
                headers.set("grpc-message", &self.body);
            }
            headers.remove("content-length");
            return (headers, Vec::new());
        }
        if self.body.is_empty() {
            headers.remove("content-length");
            headers.remove("content-type");
        } else {
            headers.set("content-length", self.body.len().to_string());
            if headers.get("content-type").is_none() {
                headers.set("content-type", "text/plain");
            }
        }
        let head_only = is(":method", &|value: &[u8]| value == b"HEAD");
        (headers, if head_only { Vec::new() } else { self.body })
    }
}

/// The gRPC status that stands for an HTTP status.
pub(crate) const fn grpc_status(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}
