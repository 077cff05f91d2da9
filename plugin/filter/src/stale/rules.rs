//! What HTTP's caching rules (RFC 9111) allow a shared cache to keep, and to give when it is stale.

use std::time::Duration;

use crate::headers::Headers;

/// What an answer says of its being kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// How old it was when it came.
    pub(super) age: Duration,
    /// How old it may become, if it says so itself (RFC 5861).
    pub(super) oldest: Option<Duration>,
    /// The request headers that it depends on, in lower case.
    pub(super) vary: Vec<Vec<u8>>,
}

/// Whether answers to a request may be kept, and given to it: section 3.5 for `authorization`; a
/// part of an answer is none.
pub(super) fn request_allows(headers: &Headers) -> bool {
    let has = |name: &[u8]| headers.get(name).is_some();
    !has(b"authorization") && !has(b"range") && !directives(headers).any(|it| it.is(b"no-store"))
}

/// Section 3: an answer that is final, whole and understood.
pub(super) const fn status_allows(status: u16) -> bool {
    matches!(status, 200 | 203)
}

/// Whether an answer may be kept, and given when it is stale: sections 3 and 4.2.4. Its status is
/// one that may be kept without its saying more.
pub(super) fn answer_allows(headers: &Headers) -> Option<Allowed> {
    const FORBIDDING: [&[u8]; 6] = [
        b"no-store",
        b"private",
        b"no-cache",
        // They forbid to give it when it is stale, which is all that it is kept for.
        b"must-revalidate",
        b"proxy-revalidate",
        b"s-maxage",
    ];
    if headers.get(b"set-cookie").is_some() || headers.get(b"content-range").is_some() {
        return None;
    }
    let (mut fresh, mut if_error, mut controlled) = (None, None, false);
    for directive in directives(headers) {
        controlled = true;
        if FORBIDDING.into_iter().any(|name| directive.is(name)) {
            return None;
        }
        if directive.is(b"max-age") {
            fresh = directive.seconds();
        }
        if directive.is(b"stale-if-error") {
            if_error = Some(directive.seconds().unwrap_or_default());
        }
    }
    let pragma = |value: &[u8]| list(value).any(|it| it.eq_ignore_ascii_case(b"no-cache"));
    if !controlled && headers.all(b"pragma").any(pragma) {
        return None;
    }
    let vary: Vec<_> =
        headers.all(b"vary").flat_map(list).map(<[u8]>::to_ascii_lowercase).collect();
    if vary.iter().any(|name| name == b"*") {
        return None;
    }
    let age = headers.get(b"age").and_then(seconds).unwrap_or_default();
    let oldest = if_error.map(|more: Duration| more.saturating_add(fresh.unwrap_or_default()));
    Some(Allowed { age, oldest, vary })
}

/// All values of a header as one (RFC 9110, 5.3); `None`: there is none.
pub(super) fn combined(headers: &Headers, name: &[u8]) -> Option<Vec<u8>> {
    let mut values = headers.all(name);
    let mut all = values.next()?.to_vec();
    for value in values {
        all.extend_from_slice(b", ");
        all.extend_from_slice(value);
    }
    Some(all)
}

struct Directive<'a> {
    name: &'a [u8],
    value: Option<&'a [u8]>,
}

impl Directive<'_> {
    fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn seconds(&self) -> Option<Duration> {
        seconds(self.value?)
    }
}

fn directives(headers: &Headers) -> impl Iterator<Item = Directive<'_>> {
    headers.all(b"cache-control").flat_map(list).map(|directive| {
        let mut parts = directive.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default().trim_ascii();
        Directive { name, value: parts.next().map(<[u8]>::trim_ascii) }
    })
}

/// The members of a list. A comma inside quotes parts, too: what is forbidden stays so.
fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

fn seconds(value: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?.trim_matches('"');
    text.parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()))
}
