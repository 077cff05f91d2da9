//! What a row of the table of fields may say.

use std::time::Duration;

use crate::duration::LONGEST;
use crate::form::Form;
use crate::status::{GrpcSet, StatusSet};

/// An object of the configuration: its fields, in the order in which they are listed.
#[derive(Debug)]
pub struct Shape {
    /// Its name in the schema.
    pub name: &'static str,
    /// Its rows.
    pub fields: &'static [Field],
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its JSON name.
    pub name: &'static str,
    /// What may stand there.
    pub kind: Kind,
    /// What is meant where it is left out; `None`: that hangs on other fields, or it is not there.
    pub default: Option<Default>,
    /// What is said where it is needed and left out.
    pub missing: Missing,
    /// The smallest count or size of a list, or the shortest duration, in the unit of its kind:
    /// milliseconds, or else what that says.
    pub from: u32,
    /// The largest one.
    pub to: u32,
    /// How a value beyond these is refused.
    pub remedy: Remedy,
}

/// Whether a field has to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It may be left out, or be `null`.
    Fine,
    /// It may be left out, and not be `null`.
    NotNull,
    /// Each object has it.
    Never,
    /// It has to be given, here or in the defaults: what is said to stand there, and the remedy.
    Refused(&'static (&'static str, &'static str)),
}

/// What may stand in a field.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count,
    /// A number with decimals.
    Number(&'static Number),
    /// A duration with its unit, of at most a day.
    Span,
    /// The same, of at most a year. Its bounds are in seconds.
    LongSpan,
    /// A duration, or a number of calls.
    Window,
    /// A string.
    Text(Form),
    /// One of some words.
    Word(&'static Words),
    /// A status, or a range of them, in a list of these.
    Status,
    /// A list of statuses.
    Statuses,
    /// A gRPC status, in a list of these.
    GrpcStatus,
    /// A list of gRPC statuses.
    GrpcStatuses,
    /// Names of headers, with their values.
    Pairs,
    /// A list of what is all of one kind.
    List(&'static Self),
    /// An object.
    Object(&'static Shape),
}

/// A number with decimals, which is kept in whole steps.
#[derive(Debug)]
pub struct Number {
    /// What it is called.
    pub name: &'static str,
    /// What is said to be expected.
    pub expected: &'static str,
    /// The lowest one.
    pub from: f64,
    /// The highest one.
    pub to: f64,
    /// How many steps there are to a unit.
    pub steps: f64,
}

/// The words that a field may have.
#[derive(Debug)]
pub struct Words {
    /// Their name in the schema.
    pub name: &'static str,
    /// The words, by their numbers.
    pub words: &'static [&'static str],
}

/// A value that is meant where none is given.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Count(u32),
    /// A number in steps.
    Number(u32),
    /// A duration, in milliseconds.
    Span(u32),
    /// A string.
    Text(&'static str),
    /// A word, by its number.
    Word(u8),
    /// Statuses.
    Statuses(&'static StatusSet),
    /// gRPC statuses.
    GrpcStatuses(GrpcSet),
    /// An empty list or object.
    Empty,
}

/// How a value beyond its bounds is refused.
#[derive(Clone, Copy, Debug)]
pub enum Remedy {
    /// By the bound that it is beyond.
    Bound,
    /// By both bounds, after these words.
    Both(&'static &'static str),
    /// Above, by the upper bound between these words.
    Above(&'static (&'static str, &'static str)),
}

/// A row's name, without the sign by which Rust tells a name from a keyword.
pub(crate) const fn plain_name(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

const fn field(kind: Kind, from: u32, to: u32) -> Field {
    let (default, missing, remedy) = (None, Missing::Fine, Remedy::Bound);
    Field { name: "", kind, default, missing, from, to, remedy }
}

/// Anything of a kind.
pub(crate) const fn any(kind: Kind) -> Field {
    field(kind, 0, u32::MAX)
}

/// A whole number between two bounds.
pub(crate) const fn count(from: u32, to: u32) -> Field {
    field(Kind::Count, from, to)
}

/// A duration of this many milliseconds, or longer.
pub(crate) const fn span(from_millis: u32) -> Field {
    span_to(from_millis, LONGEST)
}

/// A duration from this many milliseconds to another.
pub(crate) const fn span_to(from_millis: u32, to: Duration) -> Field {
    field(Kind::Span, from_millis, to.as_millis() as u32)
}

/// A duration from this many hours to as many.
pub(crate) const fn hours(from: u32, to: u32) -> Field {
    field(Kind::LongSpan, from * 3_600, to * 3_600)
}

/// A string.
pub(crate) const fn text(form: Form) -> Field {
    any(Kind::Text(form))
}

/// A list with at most so many entries.
pub(crate) const fn list(kind: &'static Kind, to: u32) -> Field {
    field(Kind::List(kind), 0, to)
}

impl Field {
    pub(crate) const fn default(mut self, default: Default) -> Self {
        self.default = Some(default);
        self
    }

    pub(crate) const fn seconds(self, seconds: u32) -> Self {
        self.default(Default::Span(seconds * 1_000))
    }

    pub(crate) const fn number(self, number: u32) -> Self {
        match self.kind {
            Kind::Count => self.default(Default::Count(number)),
            _ => self.default(Default::Number(number)),
        }
    }

    pub(crate) const fn missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    pub(crate) const fn remedy(mut self, remedy: Remedy) -> Self {
        self.remedy = remedy;
        self
    }
}
