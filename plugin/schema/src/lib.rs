//! The JSON Schema of the configuration, for editors and linters.

use serde_json::Value;

/// The schema.
#[must_use]
pub fn document() -> Value {
    config::schema()
}

/// The schema as the file that is handed out.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", document())
}
