//! What the JSON reader says of a value, taken apart: what stands there, and what would be right.
//!
//! It says so in one text, which ends in what was expected. What was given comes before, and may
//! contain anything.

/// The value and the remedy of an error in this document.
pub(super) fn value_and_remedy(error: &serde_json::Error, document: &[u8]) -> (String, String) {
    let told = error.to_string();
    if !error.is_data() {
        let rest = from(document, error.line(), error.column());
        let value = if error.is_eof() { "nothing".to_owned() } else { excerpt(rest) };
        return (value, format!("mend the JSON: {told}"));
    }
    let place = format!(" at line {} column {}", error.line(), error.column());
    let told = told.strip_suffix(&place).unwrap_or(&told);
    taken_apart(told).unwrap_or_else(|| ("unusable".to_owned(), told.to_owned()))
}

fn taken_apart(told: &str) -> Option<(String, String)> {
    if let Some(field) = told.strip_prefix("missing field ") {
        return Some(("nothing".to_owned(), format!("give {field}")));
    }
    if let Some(field) = told.strip_prefix("duplicate field ") {
        return Some((name(field), "give it once".to_owned()));
    }
    let (given, expected) = told.rsplit_once(", expected ")?;
    let value = match given.split_once(' ')? {
        // `unknown field` and `unknown variant`.
        ("unknown", rest) => name(rest.split_once(' ')?.1),
        // `invalid type:` and `invalid value:`.
        ("invalid", rest) => json(rest.split_once(' ')?.1),
        _ => return None,
    };
    Some((value, format!("give {expected}")))
}

/// A name in backticks, as JSON.
fn name(quoted: &str) -> String {
    format!("{:?}", within_backticks(quoted).unwrap_or(quoted))
}

/// A value as JSON, where its text is there. Of objects and lists it is not.
fn json(given: &str) -> String {
    match given {
        "map" => "an object".to_owned(),
        "sequence" => "a list".to_owned(),
        _ => {
            let number = given.split_once('`').and_then(|_| within_backticks(given));
            given.strip_prefix("string ").or(number).unwrap_or(given).to_owned()
        }
    }
}

fn within_backticks(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('`')?;
    rest.strip_suffix('`')
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
