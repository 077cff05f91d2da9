//! The page: one file without anything from elsewhere, packed by the build script.

use crate::headers::{Facts, Headers};
use crate::reply::Reply;

const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html.gz"));

/// Nothing may run on it but what it brings along.
const POLICY: &str = env!("PAGE_POLICY");

/// Whether a browser asks, on behalf of a person.
pub(super) fn is_wanted(headers: &Headers) -> bool {
    has(headers, b"accept", b"text/html")
}

/// The page. Only its packed form is kept, which every browser takes.
pub(super) fn page(headers: &Headers) -> Reply {
    if !has(headers, b"accept-encoding", b"gzip") {
        return super::error(
            406,
            "the page is gzip only: ask with `accept-encoding: gzip`, as `curl --compressed` does",
        )
        .with("vary", "accept-encoding");
    }
    Reply { status: 200, headers: Vec::new(), body: PACKED.to_vec() }
        .with("content-type", "text/html; charset=utf-8")
        .with("content-encoding", "gzip")
        .with("vary", "accept-encoding")
        .with("content-security-policy", POLICY)
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "no-referrer")
}

/// From the prefix to the page below it, relative to whatever path it was asked by.
pub(super) fn redirect(facts: &Facts<'_>) -> Reply {
    let path = facts.path.unwrap_or_default().split(|byte| *byte == b'?').next();
    let last = path.and_then(|path| path.rsplit(|byte| *byte == b'/').next());
    let last = last.and_then(|last| std::str::from_utf8(last).ok()).unwrap_or_default();
    let reply = Reply { status: 308, headers: Vec::new(), body: Vec::new() };
    reply.with("location", &format!("{last}/"))
}

/// Whether a list of values has this one, by its beginning.
fn has(headers: &Headers, name: &[u8], wanted: &[u8]) -> bool {
    let mut values = headers.all(name).flat_map(|list| list.split(|byte| *byte == b','));
    values.any(|value| {
        let value = value.trim_ascii();
        value.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted))
    })
}
