//! What a listener answers.

use std::io;
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// The body of an answer; one that fails cuts the connection.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// An answer, or an error, which closes the connection without one.
pub(crate) type Answer = io::Result<Response<Body>>;

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    Ok(with_json_body(status, Full::new(json_text(value)?).map_err(|never| match never {}).boxed()))
}

/// An answer with a body that is said to be JSON.
pub(crate) fn with_json_body(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

pub(crate) fn json_text(value: &impl Serialize) -> io::Result<Bytes> {
    Ok(serde_json::to_vec(value)?.into())
}

/// A JSON answer that says what was wrong with the request.
pub(crate) fn error(status: StatusCode, message: &str) -> Answer {
    #[derive(Serialize)]
    struct Error<'a> {
        error: &'a str,
    }
    json(status, &Error { error: message })
}

/// The time as RFC 3339 writes it, in UTC, to the millisecond.
pub(crate) fn timestamp() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}
