//! An access log: each line for itself, as JSON or in the text format that Envoy, or Istio, has when none is
//! given. Whatever else a container writes stands between such lines, and is passed over.

use super::fields::{Field, Fields};

/// What there is in a log.
#[derive(Debug, Default)]
pub(super) struct Log<'t> {
    pub(super) rows: Vec<Fields<'t>>,
    /// How many lines are no calls, and what is the matter with the first.
    pub(super) passed_over: Option<(usize, String)>,
}

/// Reads the lines that are calls.
pub(super) fn rows(text: &str) -> Log<'_> {
    let mut log = Log::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let row = if line.starts_with('{') {
            json(index + 1, line)
        } else {
            text_format(index + 1, line).ok_or("it is in no format that is known here")
        };
        match row {
            Ok(row) => log.rows.push(row),
            Err(problem) => {
                let first = || (0, format!("line {}: {problem}", index + 1));
                log.passed_over.get_or_insert_with(first).0 += 1;
            }
        }
    }
    log
}

fn json(number: usize, line: &str) -> Result<Fields<'_>, &'static str> {
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(line) else {
        return Err("it is no JSON object");
    };
    let mut row = Fields::new(number);
    for (name, value) in object {
        let Some(field) = Field::named(&name) else {
            continue;
        };
        match value {
            serde_json::Value::String(text) => row.add(field, text),
            serde_json::Value::Number(number) => row.add(field, number.to_string()),
            _ => {}
        }
    }
    if row.get(Field::Time).is_none() {
        return Err("it has no time: `time`, `start_time`, `timestamp` or `@timestamp`");
    }
    if row.get(Field::Status).is_none() {
        return Err("it has no status: `status` or `response_code`");
    }
    Ok(row)
}

/// Envoy's `[time] "METHOD path protocol" status flags received sent took …`. Istio has four things more
/// behind the flags, the first of them the details, and the cluster at the end.
fn text_format(number: usize, line: &str) -> Option<Fields<'_>> {
    let (time, rest) = line.strip_prefix('[')?.split_once("] \"")?;
    let (request, rest) = rest.split_once("\" ")?;
    let mut request = request.split(' ');
    let (method, path) = (request.next()?, request.next()?);
    let mut quoted = false;
    let mut words = rest.split(|c| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    });
    let (status, flags) = (words.next()?, words.next()?);
    let is_number = |word: &&str| word.parse::<u64>().is_ok();
    let details = match words.next()? {
        received if is_number(&received) => "",
        details => {
            // How the connection ended, why none began, and what was received.
            words.nth(2).filter(is_number)?;
            details
        }
    };
    let took = words.nth(1)?;
    // What clients send may have quotes in it, so these are found from the other end.
    let mut quoted = line.rsplit('"');
    let cluster = quoted.next()?.split_whitespace().next().unwrap_or_default();
    let host = quoted.nth(2).unwrap_or_default();
    let mut row = Fields::new(number);
    for (name, text) in [
        ("time", time),
        ("method", method),
        ("path", path),
        ("status", status),
        ("flags", flags),
        ("details", details),
        ("duration", took),
        ("host", host),
        ("cluster", cluster),
    ] {
        row.add(Field::named(name)?, text);
    }
    (row.get(Field::Time).is_some() && row.get(Field::Status).is_some()).then_some(row)
}
