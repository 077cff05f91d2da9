//! Why a value is refused.

use crate::field::Shape;
use crate::form::joined;

/// The value and the remedy, and both in one sentence.
pub(super) struct Refusal {
    pub(super) value: String,
    pub(super) remedy: String,
    pub(super) told: String,
}

impl Refusal {
    /// `what` is not right: the type, or the value.
    pub(super) fn invalid(what: &str, given: &str, value: String, expected: &str) -> Self {
        Self {
            value,
            remedy: format!("give {expected}"),
            told: format!("invalid {what}: {given}, expected {expected}"),
        }
    }

    pub(super) fn unknown_word(word: &str, known: &[&str]) -> Self {
        Self::unknown("variant", word, &one_of(known))
    }

    pub(super) fn unknown_field(name: &str, shape: &Shape) -> Self {
        let known: Vec<_> = shape.fields.iter().map(|field| field.name).collect();
        Self::unknown("field", name, &one_of(&known))
    }

    fn unknown(what: &str, name: &str, expected: &str) -> Self {
        Self {
            value: format!("{name:?}"),
            remedy: format!("give {expected}"),
            told: format!("unknown {what} `{name}`, expected {expected}"),
        }
    }

    pub(super) fn twice(name: &str) -> Self {
        Self {
            value: format!("{name:?}"),
            remedy: "give it once".to_owned(),
            told: format!("duplicate field `{name}`"),
        }
    }

    pub(super) fn missing(name: &str) -> Self {
        Self {
            value: "nothing".to_owned(),
            remedy: format!("give `{name}`"),
            told: format!("missing field `{name}`"),
        }
    }
}

/// One of some words.
fn one_of(words: &[&str]) -> String {
    let (or, list) = (listed(words, " or "), listed(words, ", "));
    if words.len() <= 2 { or } else { format!("one of {list}") }
}

/// Words in backticks.
pub(super) fn listed(words: &[&str], between: &str) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    joined(&mut quoted.iter().map(String::as_str), between)
}

/// The value and the remedy where the text is no JSON.
pub(super) fn damaged(error: &serde_json::Error, document: &[u8]) -> (String, String) {
    let rest = from(document, error.line(), error.column());
    let value = if error.is_eof() { "nothing".to_owned() } else { excerpt(rest) };
    (value, format!("mend the JSON: {error}"))
}

/// What stands at a place and behind it, on the same line.
fn from(document: &[u8], line: usize, column: usize) -> &[u8] {
    let line = document.split(|byte| *byte == b'\n').nth(line.saturating_sub(1));
    line.and_then(|line| line.get(column.saturating_sub(1)..)).unwrap_or_default().trim_ascii()
}

/// The first piece of JSON, or of what is none.
fn excerpt(text: &[u8]) -> String {
    const LONGEST: usize = 24;
    let is_end = |byte: &u8| b",]}".contains(byte) || byte.is_ascii_whitespace();
    let end = text.iter().skip(1).position(is_end).map_or(text.len(), |end| end.saturating_add(1));
    match text.get(..end.min(LONGEST)) {
        None | Some([]) => "nothing".to_owned(),
        Some(piece) => String::from_utf8_lossy(piece).into_owned(),
    }
}
