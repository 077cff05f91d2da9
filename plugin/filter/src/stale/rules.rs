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
    /// Whether it says that it is for everybody, whoever asked for it.
    pub(super) public: bool,
}

/// Whether answers to a request may be kept, and given to it: section 3.5 for `authorization`; a
/// part of an answer is none; and what asks for something else than it seems to is not understood.
pub(super) fn request_allows(headers: &Headers) -> bool {
    const FORBIDDING: [&[u8]; 8] = [
        b"authorization",
        b"proxy-authorization",
        b"range",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-original-url",
        b"x-rewrite-url",
    ];
    !headers.iter().any(|(name, _)| FORBIDDING.contains(&name))
        && !directives(headers).any(|it| it.is(b"no-store"))
}

/// Whether a request says who sends it. An answer to it may be for that one alone, though it does
/// not say so: many services do not.
pub(super) fn tells_who_asks(headers: &Headers) -> bool {
    const TELLING: [&[u8]; 13] = [
        b"api-key",
        b"cookie",
        b"x-access-token",
        b"x-api-key",
        b"x-auth-token",
        b"x-csrf-token",
        // Set by filters and proxies that have checked who it is.
        b"x-amzn-oidc-data",
        b"x-auth-request-user",
        b"x-forwarded-client-cert",
        b"x-forwarded-email",
        b"x-forwarded-user",
        b"x-goog-iap-jwt-assertion",
        b"x-jwt-payload",
    ];
    headers.iter().any(|(name, _)| TELLING.contains(&name))
}

/// Whether a request has a body, as far as its headers tell: RFC 9112, section 6.3. In HTTP/2 they
/// need not: `None`.
pub(super) fn body_of(headers: &Headers) -> Option<bool> {
    if headers.get(b"transfer-encoding").is_some() {
        return Some(true);
    }
    let mut lengths = headers.all(b"content-length").peekable();
    lengths.peek()?;
    let is_zero = |length: &[u8]| !length.is_empty() && length.iter().all(|digit| *digit == b'0');
    Some(!lengths.all(is_zero))
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
    let (mut fresh, mut if_error, mut controlled, mut public) = (None, None, false, false);
    for directive in directives(headers) {
        controlled = true;
        if FORBIDDING.into_iter().any(|name| directive.is(name)) {
            return None;
        }
        public |= directive.is(b"public") && directive.value.is_none();
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
    let mut vary = Vec::new();
    for names in headers.all(b"vary") {
        list(names).for_each(|name| vary.push(name.to_ascii_lowercase()));
    }
    if vary.iter().any(|name| name == b"*") {
        return None;
    }
    let age = headers.get(b"age").and_then(seconds).unwrap_or_default();
    let oldest = if_error.map(|more: Duration| more.saturating_add(fresh.unwrap_or_default()));
    // A quoted text may have the word in it, and means something else.
    public &= headers.all(b"cache-control").all(|value| !value.contains(&b'"'));
    Some(Allowed { age, oldest, vary, public })
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
