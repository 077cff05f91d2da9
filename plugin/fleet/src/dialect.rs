//! The two stores' languages, at the edge: values to bodies, and bodies to values.

pub mod dynamodb;
pub mod etcd;

use core::fmt;

use crate::json::Json;
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

/// The first of a text, for an error: in one line, and without quotes of its own.
fn short(text: &str) -> String {
    let mut start = String::from("'");
    for character in text.chars().take(LONGEST) {
        start.push(if character.is_control() || character == '"' { ' ' } else { character });
    }
    start.push('\'');
    if text.chars().nth(LONGEST).is_some() {
        start.push_str("...");
    }
    start
}

/// So many characters are shown.
const LONGEST: usize = 80;

/// A body as JSON.
fn json_of(body: &[u8]) -> Result<Json, StoreError> {
    if body.len() > MAX_BODY {
        let found = format!("the answer has more than {MAX_BODY} bytes");
        return Err(StoreError::failed(
            found,
            "remove what is not a fleet's from the table or prefix",
        ));
    }
    Json::read(body)
        .ok_or_else(|| StoreError::unreadable("the answer", &String::from_utf8_lossy(body)))
}
