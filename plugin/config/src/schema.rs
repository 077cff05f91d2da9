//! The JSON Schema of the configuration, made of the table of fields.

use serde_json::{Map, Value, json};

/// The JSON Schema.
#[must_use]
pub fn schema() -> Value {
    json!({})
}
