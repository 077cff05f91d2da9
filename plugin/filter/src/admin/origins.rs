//! Which pages of other sites may use the admin API in a browser: those of origins that are listed.
//!
//! A browser asks beforehand, without the token, and takes the answer for a leave. Nobody else is given
//! one, and no answer to anybody else says that its page may read it.

use crate::headers::{Facts, Headers};
use crate::response::reply::Reply;
use config::Admin;

/// The origin of the page that asks, if it is listed.
pub(super) fn listed<'a>(admin: &'a Admin, headers: &Headers) -> Option<&'a str> {
    if admin.origins.is_empty() {
        return None;
    }
    let origin = headers.get(b"origin")?;
    admin.origins.iter().find(|it| it.as_bytes() == origin).map(String::as_str)
}

/// The leave that a browser asks for before it sends a request, to a page that may have it.
pub(super) fn preflight(headers: &Headers, facts: &Facts<'_>) -> Option<Reply> {
    let is_preflight =
        facts.method == Some(b"OPTIONS") && headers.get(b"access-control-request-method").is_some();
    is_preflight.then(|| {
        Reply { status: 204, headers: Vec::new(), body: Vec::new() }
            .with("access-control-allow-methods", "GET, POST")
            .with("access-control-allow-headers", "authorization, content-type")
            .with("access-control-max-age", "600")
    })
}

/// An answer that pages of this origin may read.
pub(super) fn readable(reply: Reply, origin: &str) -> Reply {
    reply.with("access-control-allow-origin", origin).with("vary", "origin")
}
