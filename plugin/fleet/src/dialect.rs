//! The two stores' languages, at the edge: values to bodies, and bodies to values.

pub mod dynamodb;
pub mod etcd;

use core::fmt;

use serde_json::Value;

use crate::request::Fault;

/// A longer answer is not read, in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// What a store has answered that is no answer: where, what, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What it means to whoever asked.
    pub fault: Fault,
    /// What was found.
    pub found: String,
    /// What helps.
    pub remedy: &'static str,
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.found, self.remedy)
    }
}

impl core::error::Error for StoreError {}

impl StoreError {
    fn failed(found: String, remedy: &'static str) -> Self {
        Self { fault: Fault::Failed, found, remedy }
    }

    fn throttled(found: String) -> Self {
        let remedy = "it is asked less often; raise its capacity, or fleet.sync_interval";
        Self { fault: Fault::Throttled, found, remedy }
    }

    fn unreadable(place: &str, found: &str) -> Self {
        let found = format!("{place} is {}", short(found));
        Self::failed(found, "is fleet.cluster the store, and does it sign what it sends?")
    }
}

/// The first of a text, for an error.
fn short(text: &str) -> String {
    let start: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() { format!("\"{start}\"...") } else { format!("\"{start}\"") }
}

/// A body as JSON.
fn json_of(body: &[u8]) -> Result<Value, StoreError> {
    if body.len() > MAX_BODY {
        let found = format!("the answer has {} bytes, more than {MAX_BODY}", body.len());
        return Err(StoreError::failed(
            found,
            "remove what is not a fleet's from the table or prefix",
        ));
    }
    serde_json::from_slice(body)
        .map_err(|_| StoreError::unreadable("the answer", &String::from_utf8_lossy(body)))
}

/// A text in JSON.
fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}
