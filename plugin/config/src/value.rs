//! Values as they are written, each of the kind that its field is of.

use std::fmt;
use std::time::Duration;

use crate::duration::written;
use crate::status::{GrpcSet, StatusSet};

/// A value that fits its field's kind; bounds and combinations are looked at when it is used.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Flag(bool),
    Count(u32),
    /// In the steps of its kind, such as thousandths.
    Number(u32),
    Span(Duration),
    Text(String),
    /// One of its kind's words, by number.
    Word(u8),
    Statuses(StatusSet),
    GrpcStatuses(GrpcSet),
    /// Headers, in the order of their names.
    Pairs(Vec<(String, String)>),
    List(Vec<Self>),
    Object(Object),
}

/// How far a window reaches: the unit tells which type it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WindowSize {
    Time(Duration),
    Calls(u32),
}

/// The fields that are given, by the numbers of their rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object(pub(crate) Vec<(u8, Value)>);

impl Object {
    pub(crate) fn get(&self, row: u8) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == row).map(|(_, value)| value)
    }
}

/// As JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Count(number) | Self::Number(number) => write!(f, "{number}"),
            Self::Span(span) => f.write_str(&written(*span)),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(list) => write!(f, "{} entries", list.len()),
            Self::Word(_)
            | Self::Statuses(_)
            | Self::GrpcStatuses(_)
            | Self::Pairs(_)
            | Self::Object(_) => f.write_str("unusable"),
        }
    }
}
