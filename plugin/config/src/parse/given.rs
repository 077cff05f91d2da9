//! What stands in the text, and whether it may stand there.

use std::fmt;

use super::refusal::{Refusal, listed};
use crate::duration;
use crate::field::{Kind, Number};
use crate::json::shortest;
use crate::status::{GrpcSet, StatusSet};
use crate::value::Value;

/// A value as the JSON reader hands it over. Of lists and objects it says no more.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    Null,
    Flag(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    List,
    Map,
}

const DURATION: &str = r#"a duration of at most a day, such as "250ms", "30s" or "1m30s""#;

/// The value, if it is one of this kind.
pub(super) fn checked(given: Given<'_>, kind: Kind) -> Result<Value, Refusal> {
    let value = match (kind, given) {
        (Kind::Flag, Given::Flag(flag)) => Some(Value::Flag(flag)),
        (Kind::Count | Kind::Window, Given::Unsigned(number)) => {
            u32::try_from(number).ok().map(Value::Count)
        }
        (Kind::Number(number), Given::Unsigned(whole)) => {
            let whole = u32::try_from(whole).ok();
            whole.and_then(|whole| steps(number, f64::from(whole)))
        }
        (Kind::Number(number), Given::Float(float)) => steps(number, float),
        (Kind::Span | Kind::Window, Given::Text(text)) => {
            duration::parse(text).filter(|it| *it <= duration::LONGEST).map(Value::Span)
        }
        (Kind::LongSpan, Given::Text(text)) => {
            duration::parse(text).filter(|it| *it <= duration::LONGEST_OF_ALL).map(Value::Span)
        }
        (Kind::Text(_), Given::Text(text)) => Some(Value::Text(text.to_owned())),
        (Kind::Word(words), Given::Text(text)) => {
            let word = words.words.iter().zip(0_u8..).find(|(word, _)| **word == text);
            let word = word.map(|(_, number)| Value::Word(number));
            return word.ok_or_else(|| Refusal::unknown_word(text, words.words));
        }
        (Kind::Status, Given::Text(text)) => StatusSet::parse(text).map(Value::Statuses),
        (Kind::GrpcStatus, Given::Text(text)) => GrpcSet::named(text).map(Value::GrpcStatuses),
        (Kind::Count | Kind::Number(_) | Kind::Window, Given::Signed(_))
        | (Kind::Window, Given::Float(_)) => None,
        _ => return Err(invalid("type", given, kind)),
    };
    value.ok_or_else(|| invalid("value", given, kind))
}

fn invalid(what: &str, given: Given<'_>, kind: Kind) -> Refusal {
    Refusal::invalid(what, &given.to_string(), given.value(), &expected(kind, given))
}

fn steps(number: &Number, value: f64) -> Option<Value> {
    // Within bounds, and so far within u32.
    (number.from..=number.to)
        .contains(&value)
        .then(|| Value::Number((value * number.steps).round() as u32))
}

/// What is expected instead.
fn expected(kind: Kind, given: Given<'_>) -> String {
    let plain = match kind {
        Kind::Flag => "a boolean",
        Kind::Count => "a whole number from 0 to 4294967295",
        Kind::Number(number) => number.expected,
        Kind::Window if !matches!(given, Given::Text(_)) => {
            "a duration such as \"10s\", or a whole number of calls such as 100"
        }
        Kind::Span | Kind::Window => DURATION,
        Kind::LongSpan => "a duration of at most a year, such as \"720h\"",
        Kind::Text(_) => "a string",
        Kind::Word(words) => return format!("one of {}", listed(words.words, ", ")),
        Kind::Status => r#"a status from 100 to 599, such as "5xx", "429" or "200-299""#,
        Kind::Statuses => r#"a list of statuses, such as ["5xx", "429", "200-299"]"#,
        Kind::GrpcStatus => r#"the name of a gRPC status, such as "UNAVAILABLE""#,
        Kind::GrpcStatuses | Kind::List(_) => "a sequence",
        Kind::Pairs => "a map",
        Kind::Object(_) => "an object",
    };
    plain.to_owned()
}

impl Given<'_> {
    /// As JSON, or in words.
    pub(super) fn value(self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Unsigned(number) => number.to_string(),
            Self::Signed(number) => number.to_string(),
            Self::Float(number) => shortest(number),
            Self::Text(text) => format!("{text:?}"),
            Self::List => "a list".to_owned(),
            Self::Map => "an object".to_owned(),
        }
    }
}

/// As the JSON reader tells it.
impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Null | Self::Text(_) => "",
            Self::Flag(_) => "boolean",
            Self::Unsigned(_) | Self::Signed(_) => "integer",
            Self::Float(_) => "floating point",
            Self::List => return f.write_str("sequence"),
            Self::Map => return f.write_str("map"),
        };
        let value = self.value();
        match self {
            Self::Null => f.write_str(&value),
            Self::Text(_) => write!(f, "string {value}"),
            _ => write!(f, "{kind} `{value}`"),
        }
    }
}
