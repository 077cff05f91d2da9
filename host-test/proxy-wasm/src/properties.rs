//! What a filter may know of a stream besides its headers, and when.
//!
//! The caller says what there is to know; this says in which phase a filter can know it. What
//! belongs to the response is absent until there is one, and what is read from the request's
//! headers is gone, as these are, once they have gone on.

use std::collections::BTreeMap;

use crate::headers::Headers;

/// Known values by path, the names of a path joined by NUL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties(BTreeMap<Vec<u8>, Vec<u8>>);

impl Properties {
    pub(crate) fn set(&mut self, path: &[&str], value: Vec<u8>) {
        self.0.insert(path.join("\0").into_bytes(), value);
    }

    pub(crate) fn remove(&mut self, path: &[&str]) {
        self.0.remove(path.join("\0").as_bytes());
    }

    pub(crate) fn get(&self, path: &[u8]) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// There is no response yet.
    #[default]
    Request,
    /// There is one.
    Response,
    /// All is over, and is logged.
    Log,
}

/// From which phase on a path can be known.
pub(crate) fn known_from(path: &[u8]) -> Phase {
    const LOG: &[&[u8]] = &[b"request\0duration", b"response\0total_size"];
    const RESPONSE: &[&[u8]] = &[b"response\0", b"upstream\0", b"xds\0upstream_host_metadata"];
    if path == b"response\0flags" {
        // Those of now: none, as long as nothing has happened.
        Phase::Request
    } else if LOG.contains(&path) {
        Phase::Log
    } else if RESPONSE.iter().any(|prefix| path.starts_with(prefix)) {
        Phase::Response
    } else {
        Phase::Request
    }
}

/// What the headers of a request or a response tell, if the path leads there: `request.path` and
/// the like, `request.headers.NAME`, `response.headers.NAME`.
///
/// `Some(None)`: it leads there, and there is nothing.
pub(crate) fn of_headers(
    path: &[u8],
    request: Option<&Headers>,
    response: Option<&Headers>,
) -> Option<Option<Vec<u8>>> {
    let mut parts = path.split(|byte| *byte == 0);
    let (root, field) = (parts.next()?, parts.next()?);
    let name = parts.next();
    let header = |headers: Option<&Headers>, name: &[u8]| headers?.get(name).map(<[u8]>::to_vec);
    let from_request = |name: &str| Some(header(request, name.as_bytes()));
    match (root, field, name) {
        (b"request", b"headers", Some(name)) => Some(header(request, name)),
        (b"request", b"headers", None) => Some(request.map(Headers::serialize)),
        (b"response", b"headers", Some(name)) => Some(header(response, name)),
        (b"response", b"headers", None) => Some(response.map(Headers::serialize)),
        (b"request", b"path", _) => from_request(":path"),
        (b"request", b"host", _) => from_request(":authority"),
        (b"request", b"method", _) => from_request(":method"),
        (b"request", b"scheme", _) => from_request(":scheme"),
        (b"request", b"id", _) => from_request("x-request-id"),
        (b"request", b"referer", _) => from_request("referer"),
        (b"request", b"useragent", _) => from_request("user-agent"),
        (b"request", b"url_path" | b"query", _) => {
            let path = header(request, b":path");
            Some(path.and_then(|path| {
                let mut halves = path.splitn(2, |byte| *byte == b'?');
                let (before, after) = (halves.next(), halves.next());
                let half = if field == b"query" { after.or(Some(b"")) } else { before };
                half.map(<[u8]>::to_vec)
            }))
        }
        _ => None,
    }
}
