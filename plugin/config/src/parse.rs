//! From text to a configuration.

use crate::{Config, ConfigError, resolve, wire};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// If any of it is wrong; the error names the JSON path, the value and what would be right.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        // Some editors begin a file with it.
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let json = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
        let mut reader = serde_json::Deserializer::from_slice(json);
        let wire = serde_path_to_error::deserialize::<_, wire::Config>(&mut reader)
            .map_err(|error| explain(&error, bytes))?;
        reader.end().map_err(|error| {
            ConfigError::at("configuration", error, "nothing may follow the JSON object")
        })?;
        resolve::config(wire)
    }
}

/// A protobuf `Struct` reaches the module as protobuf bytes. They begin with the tag of its first
/// field, which in JSON would be a blank line, and have other tags further on, which are control
/// characters that no JSON has.
fn explain(error: &serde_path_to_error::Error<serde_json::Error>, bytes: &[u8]) -> ConfigError {
    const STRUCT_FIELDS: u8 = 0x0a;
    let is_tag = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    if bytes.first() == Some(&STRUCT_FIELDS) && bytes.iter().any(is_tag) {
        return ConfigError::at(
            "configuration",
            "protobuf bytes, as of a google.protobuf.Struct",
            "give the JSON as a string, in \
             {\"@type\": \"type.googleapis.com/google.protobuf.StringValue\", \"value\": \"{...}\"} \
             (StringValue)",
        );
    }
    ConfigError::from_json(error, bytes)
}
