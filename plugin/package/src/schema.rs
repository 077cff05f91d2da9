//! The JSON Schema of the configuration, as the file for editors and linters.

/// Its text.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", config::schema())
}
