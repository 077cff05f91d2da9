//! Headers that a configuration gives.

use crate::error::ConfigError;
use crate::form::{Form, is_token_byte};
use crate::reader::{Read, Reader, Refused, refuse};

/// Names, in lower case as the proxy wants them, and values.
pub type Headers = Vec<(String, String)>;

/// Headers that frame a message or belong to its connection, which are the proxy's, and `host`,
/// which has a field of its own.
const NOT_CONFIGURED: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];

impl Read for Headers {
    fn read(from: &Reader<'_>, row: u8, refused: &mut Refused) -> Self {
        let (pairs, path) = from.pairs(row);
        let pairs = pairs.iter().map(|(name, value)| checked(name, value, &path));
        let pairs = pairs.filter_map(|pair| pair.map_err(|error| refuse(refused, error)).ok());
        pairs.collect()
    }
}

fn checked(name: &str, value: &str, path: &str) -> Result<(String, String), ConfigError> {
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        let remedy = "a header name has letters, digits and `-` only";
        return Err(ConfigError::at(&path, &format_args!("{name:?}"), &remedy));
    }
    let refused = |name: &str, remedy: &str| {
        Err(ConfigError::at(&format_args!("{path}.{name}"), &format_args!("{value:?}"), &remedy))
    };
    if let Some(remedy) = Form::HeaderValue.refusal(value) {
        return refused(name, remedy);
    }
    let name = name.to_ascii_lowercase();
    if NOT_CONFIGURED.contains(&name.as_str()) || name.starts_with("x-circuit-breaker-") {
        return refused(&name, "leave it out: it is set where it belongs");
    }
    Ok((name, value.to_owned()))
}
