//! By how the path begins.

/// What the patterns of others are told by, and no path has.
const SIGNS: &[u8] = b"*{}<>[]^|\\";

/// Refuses what is no beginning of a path: a pattern, a query, or what clients escape. The error
/// says what would be right.
pub(crate) fn check_prefix(text: &str) -> Result<(), String> {
    if !text.starts_with('/') {
        return Err("begin with a slash".to_owned());
    }
    if let Some(prefix) = before_pattern(text) {
        return Err(format!("give a prefix, not a pattern: {prefix:?} fits all that begins so"));
    }
    if let Some(end) = text.find(['?', '#']) {
        let path = text.get(..end).unwrap_or_default();
        return Err(format!("give the path alone, without query and fragment: {path:?}"));
    }
    if !text.bytes().all(is_path_byte) {
        return Err(format!("escape what clients escape: {:?}", escaped(text)));
    }
    Ok(())
}

/// The prefix that is left of a pattern; `None`: it is none.
fn before_pattern(text: &str) -> Option<&str> {
    let sign = [
        text.bytes().position(|byte| SIGNS.contains(&byte)),
        pair(text, *b".+"),
        pair(text, *b"(?"),
        parameter(text),
        // In OData, names begin with it.
        text.strip_suffix('$').filter(|rest| !rest.ends_with('/')).map(str::len),
    ];
    let sign = sign.into_iter().flatten().min()?;
    let end = text.find(['(', '?']).map_or(sign, |group| group.min(sign));
    let prefix = text.get(..end)?;
    // Of `.*`.
    Some(prefix.strip_suffix('.').unwrap_or(prefix))
}

/// Where a segment begins that is a name for any: `/:id`. Between colons, as in `/:w:/`, it is a
/// name of its own.
/// Where two signs stand side by side.
fn pair(text: &str, signs: [u8; 2]) -> Option<usize> {
    text.as_bytes().windows(2).position(|pair| pair == signs)
}

fn parameter(text: &str) -> Option<usize> {
    let is_parameter = |segment: &str| {
        segment.starts_with(':')
            && segment.as_bytes().get(1).is_some_and(u8::is_ascii_alphabetic)
            && !segment.ends_with(':')
    };
    let mut start = 0_usize;
    for segment in text.split('/') {
        if is_parameter(segment) {
            return Some(start);
        }
        start = start.saturating_add(segment.len()).saturating_add(1);
    }
    None
}

/// As in RFC 3986: what a path may have besides escapes, and the sign that these begin with.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~!$&'()+,;=:@%".contains(&byte)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match is_path_byte(byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The prefix that is proposed instead.
    fn instead(text: &str) -> Option<String> {
        let remedy = check_prefix(text).err()?;
        let (_, quoted) = remedy.split_once('"')?;
        Some(quoted.split_once('"')?.0.to_owned())
    }

    #[test]
    fn what_a_path_may_begin_with_is_a_prefix() {
        for prefix in [
            "/",
            "/pay",
            "/pay/",
            "/a.b/c-d_e~f",
            "/v1/things:batchGet",
            "/odata/$metadata",
            "/odata/$",
            "/Products(1)",
            "/a+b",
            "/m%C3%BCnchen/",
            "/@scope/;x=1,2!'&",
            "/10:30/",
            "/a/:/b",
            "/:w:/r/sites/",
            "//",
        ] {
            assert_eq!(check_prefix(prefix), Ok(()), "{prefix}");
        }
    }

    #[test]
    fn of_a_pattern_the_prefix_is_told() {
        for (pattern, prefix) in [
            ("/pay/*", "/pay/"),
            ("/pay*", "/pay"),
            ("/*", "/"),
            ("/**", "/"),
            ("/api/**/pay", "/api/"),
            ("/users/{id}", "/users/"),
            ("/users/{id:[0-9]+}/orders", "/users/"),
            ("/users/<int:id>", "/users/"),
            ("/users/[id]", "/users/"),
            ("/users/:id/orders", "/users/"),
            ("/pay.*", "/pay"),
            ("/pay/.*$", "/pay/"),
            ("/pay/.+", "/pay/"),
            ("/pay$", "/pay"),
            ("/v\\d+/pay", "/v"),
            ("/(a|b)/pay", "/"),
            ("/(?:a)/pay", "/"),
            ("/(?i)pay", "/"),
            ("/pay/?$", "/pay/"),
            ("/a^b", "/a"),
        ] {
            assert_eq!(instead(pattern).as_deref(), Some(prefix), "{pattern}");
            let remedy = check_prefix(pattern).err().unwrap_or_default();
            assert!(remedy.contains("not a pattern"), "{pattern}");
        }
    }

    #[test]
    fn what_no_path_has_is_left_out_or_escaped() {
        for (text, path) in [
            ("/pay?x=1", "/pay"),
            ("/pay/?", "/pay/"),
            ("/pay#top", "/pay"),
            ("/my shop/", "/my%20shop/"),
            ("/pay ", "/pay%20"),
            ("/m\u{fc}nchen", "/m%C3%BCnchen"),
            ("/a\tb", "/a%09b"),
            ("/a`b", "/a%60b"),
        ] {
            assert_eq!(instead(text).as_deref(), Some(path), "{text}");
            assert_eq!(check_prefix(path), Ok(()), "{path}");
        }
        assert!(check_prefix("pay").is_err());
        assert!(check_prefix("").is_err());
    }
}
