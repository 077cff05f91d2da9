//! What a row says of its field in words: its type, its default and its bounds, for the page and for
//! editors.

use std::time::Duration;

use serde_json::{Value, json};

use crate::about::{Remarks, remark};
use crate::duration::written;
use crate::field::{Default, Field, Kind, Missing};
use crate::form::Form;
use crate::status::{GRPC_NAMES, GrpcSet, StatusSet};

/// The columns of a field: its type, its default and its bounds.
#[must_use]
pub fn columns(field: &Field, remarks: Remarks) -> [String; 3] {
    let or = |column, plain: &dyn Fn() -> String| {
        remark(remarks, column).map_or_else(plain, str::to_owned)
    };
    [
        or("page type", &|| kind(field.kind)),
        or("page default", &|| default(field, remarks)),
        or("page bounds", &|| bounds(field, remarks)),
    ]
}

fn kind(kind: Kind) -> String {
    let plain = match kind {
        Kind::Flag => "`true`, `false`",
        Kind::Count => "count",
        Kind::Number(number) => number.name,
        Kind::Span | Kind::LongSpan => "duration",
        Kind::Window => "duration, or count",
        Kind::Word(words) => {
            let words: Vec<_> = words.words.iter().map(|word| format!("`{word:?}`")).collect();
            return words.join(", ");
        }
        Kind::Text(Form::Any) => "string",
        Kind::Text(Form::Cluster) => "cluster",
        Kind::Text(Form::HeaderValue) => "value of a header",
        Kind::Text(Form::Host) => "host, with or without a port",
        Kind::Text(Form::Method) => "method",
        Kind::Text(Form::Path) => "path",
        Kind::Text(Form::PathPrefix) => "path, without a slash at its end",
        Kind::Text(Form::Token) => "printable ASCII without spaces",
        Kind::Status => "status",
        Kind::Statuses => "statuses",
        Kind::GrpcStatus => "gRPC status",
        Kind::GrpcStatuses => "gRPC statuses",
        Kind::Pairs => "object of strings",
        Kind::Object(_) => "object",
        Kind::List(entry) => return format!("list of {}s", self::kind(*entry)),
    };
    plain.to_owned()
}

fn default(field: &Field, remarks: Remarks) -> String {
    match (field.kind, default_of(field, remarks)) {
        (_, Some(Value::Number(number))) => number.to_string(),
        (Kind::GrpcStatuses, Some(Value::Array(names))) if !names.is_empty() => {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            format!("`{}`", names.join("`, `"))
        }
        (_, Some(value)) => format!("`{value}`"),
        (_, None) => match field.missing {
            Missing::Fine => "none".to_owned(),
            Missing::NotNull => "see there".to_owned(),
            Missing::Never | Missing::Refused(..) => "required".to_owned(),
        },
    }
}

fn bounds(field: &Field, remarks: Remarks) -> String {
    let least = remark(remarks, "minItems").and_then(|it| it.parse().ok());
    let at_least = least.unwrap_or(field.from);
    match (field.kind, at_least, field.to) {
        (Kind::Count | Kind::List(_), 0, u32::MAX) => String::new(),
        (Kind::Count | Kind::List(_), 0, to) => format!("at most {to}"),
        (Kind::List(_), _, u32::MAX) => String::new(),
        (Kind::Count, from, u32::MAX) => format!("at least {from}"),
        (Kind::Count | Kind::List(_), from, to) => format!("{from} to {to}"),
        (Kind::Span, 0, DAY) => "at most a day".to_owned(),
        (Kind::Span, from, DAY) => format!("at least {}, at most a day", millis(from)),
        (Kind::Span, from, to) => format!("{} to {}", millis(from), millis(to)),
        (Kind::LongSpan, from, to) => format!("{} to {}", hours(from), hours(to)),
        (Kind::Number(number), ..) => format!("{} to {}", number.from, number.to),
        (Kind::Text(Form::Cluster), ..) => "a cluster of the proxy".to_owned(),
        (Kind::Text(Form::Path), ..) => "begins with a slash".to_owned(),
        _ => String::new(),
    }
}

fn hours(seconds: u32) -> String {
    format!("`\"{}h\"`", seconds / 3_600)
}

const DAY: u32 = 24 * 60 * 60 * 1000;

fn millis(millis: u32) -> String {
    match (millis % 60_000, millis % 1_000) {
        (0, _) if millis > 0 => format!("`\"{}m\"`", millis / 60_000),
        (_, 0) => format!("`\"{}s\"`", millis / 1_000),
        _ => format!("`\"{millis}ms\"`"),
    }
}

/// What is meant where a field is left out, as JSON.
pub(crate) fn default_of(field: &Field, remarks: Remarks) -> Option<Value> {
    if let Some(default) = remark(remarks, "default") {
        return serde_json::from_str(default).ok();
    }
    Some(match field.default? {
        Default::Flag(flag) => json!(flag),
        Default::Count(number) => json!(number),
        Default::Number(parts) => match field.kind {
            Kind::Number(number) if number.steps > 1.0 => json!(f64::from(parts) / number.steps),
            _ => json!(parts),
        },
        Default::Span(millis) => {
            json!(written(Duration::from_millis(millis.into())).trim_matches('"'))
        }
        Default::Text(text) => json!(text),
        Default::Word(word) => match field.kind {
            Kind::Word(words) => json!(words.words.get(usize::from(word))),
            _ => Value::Null,
        },
        Default::Statuses(set) => json!(ranges(set)),
        Default::GrpcStatuses(set) => json!(names(set)),
        Default::Empty if matches!(field.kind, Kind::Pairs) => json!({}),
        Default::Empty => json!([]),
    })
}

/// A set as it would be written.
fn ranges(set: &StatusSet) -> Vec<String> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for code in (100..600).filter(|code| set.contains(*code)) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == code => *last = code,
            _ => ranges.push((code, code)),
        }
    }
    let text = |(from, to): (u16, u16)| {
        if from == to { from.to_string() } else { format!("{from}-{to}") }
    };
    ranges.into_iter().map(text).collect()
}

fn names(set: GrpcSet) -> Vec<&'static str> {
    let names = GRPC_NAMES.iter().zip(0..).filter(|(_, code)| set.contains(*code));
    names.map(|(name, _)| *name).collect()
}
