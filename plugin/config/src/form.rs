//! What a string has to be, where not any will do.

/// What a string is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any.
    Any,
    /// The name of a cluster of the proxy.
    Cluster,
    /// The value of a header.
    HeaderValue,
    /// A host, with or without a port.
    Host,
    /// An HTTP method.
    Method,
    /// The path of a request.
    Path,
    /// What paths begin with, without a slash at its end.
    PathPrefix,
    /// A credential, which is not told.
    Token,
}

impl Form {
    /// What such a text matches, as far as a pattern tells.
    pub(crate) const fn pattern(self) -> Option<&'static str> {
        match self {
            Self::Any | Self::Cluster | Self::HeaderValue | Self::Host | Self::Method => None,
            Self::Path => Some("^/"),
            Self::PathPrefix => {
                Some("^/[A-Za-z0-9/._~!$&'()+,;=:@%-]*[A-Za-z0-9._~!$&'()+,;=:@%-]$")
            }
            Self::Token => Some("^[!-~]+$"),
        }
    }

    /// What would be right instead of a text; `None`: it is.
    pub(crate) fn refusal(self, text: &str) -> Option<&'static str> {
        let all = |is_right: fn(u8) -> bool| !text.is_empty() && text.bytes().all(is_right);
        let graphic = |byte: u8| byte.is_ascii_graphic();
        let (is_right, remedy) = match self {
            Self::Any => return None,
            Self::Cluster => (all(graphic), "give the name of a cluster, or leave the field out"),
            Self::HeaderValue => (
                text.bytes().all(|byte| !byte.is_ascii_control() || byte == b'\t'),
                "leave out control characters",
            ),
            Self::Host => (
                all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte)),
                "give a host, with or without a port, or leave the field out",
            ),
            Self::Method => (all(is_token_byte), "give a method such as \"GET\""),
            Self::Path => (
                all(graphic) && text.starts_with('/'),
                "begin with a slash, and escape what is not printable ASCII",
            ),
            Self::PathPrefix => (
                all(|byte| byte.is_ascii_graphic() && byte != b'?')
                    && text.starts_with('/')
                    && !text.ends_with('/'),
                r#"begin with a slash and end without one, such as "/circuit-breaker""#,
            ),
            Self::Token => {
                (all(graphic), "give printable ASCII without spaces, or leave the field out")
            }
        };
        (!is_right).then_some(remedy)
    }
}

/// RFC 9110's `token`.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether a text can stand in paths, metrics and keys as it is.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
}

/// Texts with another between them.
pub(crate) fn joined(texts: &mut dyn Iterator<Item = &str>, between: &str) -> String {
    let mut joined = String::new();
    for (place, text) in texts.enumerate() {
        joined.push_str(if place == 0 { "" } else { between });
        joined.push_str(text);
    }
    joined
}
