//! The page: one file without anything from elsewhere, put together by the build script.

use super::inflate::inflate;
use crate::headers::{Facts, Headers};
use crate::response::reply::Reply;
use config::Admin;

/// Packed.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.deflate"));

/// Nothing may run on it but what it brings along. Its last words are whom it may ask.
const POLICY: &str = env!("PAGE_POLICY");

/// Whether a browser asks, on behalf of a person.
pub(super) fn is_wanted(headers: &Headers) -> bool {
    const HTML: &[u8] = b"text/html";
    let mut accepted = headers.all(b"accept").flat_map(|list| list.split(|byte| *byte == b','));
    accepted.any(|kind| {
        let kind = kind.trim_ascii();
        kind.get(..HTML.len()).is_some_and(|start| start.eq_ignore_ascii_case(HTML))
    })
}

/// The page, as it is written: not every client unpacks one. It may ask the peers beside this proxy.
pub(super) fn page(admin: &Admin) -> Reply {
    let mut policy = POLICY.to_owned();
    for peer in &admin.peers {
        // With a slash it means all that is below.
        policy.extend([" ", peer, "/"]);
    }
    let body = inflate(PAGE).unwrap_or_default();
    Reply { status: 200, headers: Vec::new(), body }
        .with("content-type", "text/html; charset=utf-8")
        .with("content-security-policy", &policy)
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
