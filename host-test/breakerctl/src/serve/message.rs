//! Heads of messages, between the form that goes over the wire and the form that a filter sees.

use bytes::Bytes;
use host_test_proxy_wasm::Headers;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, http};

use super::pipe::Source;

/// Headers that are between two neighbours, and not passed on.
const HOP_BY_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The head of a request as a filter sees it.
pub(super) fn request_headers(head: &http::request::Parts) -> Headers {
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let host = match head.headers.get(HOST) {
        Some(host) => host.as_bytes(),
        None => head.uri.authority().map_or("", |host| host.as_str()).as_bytes(),
    };
    let mut headers = Headers::new();
    headers.add(":method", head.method.as_str());
    headers.add(":path", path);
    headers.add(":authority", host);
    headers.add(":scheme", "http");
    add_all(&mut headers, &head.headers);
    headers
}

/// The head of a response as a filter sees it.
pub(super) fn response_headers(head: &http::response::Parts) -> Headers {
    let mut headers = Headers::new();
    headers.add(":status", head.status.as_str());
    add_all(&mut headers, &head.headers);
    headers
}

/// The request that a filter lets go on, to an address.
///
/// # Errors
///
/// If the filter has made something of it that cannot be sent.
pub(super) fn request(
    headers: &Headers,
    authority: http::uri::Authority,
    body: Source,
) -> http::Result<Request<Source>> {
    let text = |name| headers.text(name).unwrap_or_default();
    let uri = http::Uri::builder().scheme("http").authority(authority);
    let uri = uri.path_and_query(text(":path")).build()?;
    let mut request = Request::builder().method(text(":method")).uri(uri).body(body)?;
    put_all(request.headers_mut(), headers)?;
    if let Some(host) = headers.get(":authority") {
        request.headers_mut().insert(HOST, HeaderValue::from_bytes(host)?);
    }
    Ok(request)
}

/// The response that a filter lets go on. The last of a connection says that it is.
///
/// # Errors
///
/// If the filter has made something of it that cannot be sent.
pub(super) fn response(
    headers: &Headers,
    is_last: bool,
    body: Source,
) -> http::Result<Response<Source>> {
    let status = headers.text(":status").unwrap_or_default();
    let mut response = Response::builder().status(status).body(body)?;
    put_all(response.headers_mut(), headers)?;
    if is_last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// A piece of a body, if a frame is one. Trailers are dropped, as Envoy drops those of HTTP/1.1.
pub(super) fn data(frame: hyper::body::Frame<Bytes>) -> Bytes {
    frame.into_data().unwrap_or_default()
}

fn add_all(headers: &mut Headers, map: &HeaderMap) {
    for (name, value) in map {
        if name != HOST && !HOP_BY_HOP.contains(&name.as_str()) {
            headers.add(name, value);
        }
    }
}

fn put_all(map: &mut HeaderMap, headers: &Headers) -> http::Result<()> {
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(b":")) {
        let name = HeaderName::from_bytes(name)?;
        if name != HOST && !HOP_BY_HOP.contains(&name.as_str()) {
            map.append(name, HeaderValue::from_bytes(value)?);
        }
    }
    Ok(())
}
