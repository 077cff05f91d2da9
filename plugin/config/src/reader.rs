//! Reads fields of an object: a service's own, or else those of the defaults, or else what the table
//! says; within their bounds.

use std::fmt;
use std::num::{NonZeroU32, TryFromIntError};
use std::time::Duration;

use crate::duration::written;
use crate::error::ConfigError;
use crate::field::{Default, Field, Kind, Missing, Remedy, Shape};
use crate::form::Form;
use crate::path::Path;
use crate::status::{GrpcSet, StatusSet};
use crate::value::{Object, Value, WindowSize};

/// One object as it is given, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer<'a> {
    object: Option<&'a Object>,
    path: Path<'a>,
    /// How many rows of the table come before its first one.
    skipped: u8,
}

/// An object of the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    shape: &'static Shape,
    own: Layer<'a>,
    defaults: Layer<'a>,
}

/// A type that is read of a field.
pub(crate) trait Read: Sized {
    /// Reads the field of this row.
    fn read(from: &Reader<'_>, row: u8) -> Result<Self, ConfigError>;
}

impl<'a> Layer<'a> {
    pub(crate) const fn of(object: &'a Object, path: Path<'a>) -> Self {
        Self { object: Some(object), path, skipped: 0 }
    }

    const fn none(path: Path<'a>) -> Self {
        Self { object: None, path, skipped: 0 }
    }

    fn get(&self, row: u8) -> Option<&'a Value> {
        self.object?.get(row.checked_sub(self.skipped)?)
    }

    /// An object in this one.
    fn inner(&'a self, row: u8, name: &'a str) -> Self {
        let object = match self.get(row) {
            Some(Value::Object(object)) => Some(object),
            _ => None,
        };
        Self { object, path: Path::Field(&self.path, name), skipped: 0 }
    }
}

impl<'a> Reader<'a> {
    /// Reads an object that stands for itself.
    pub(crate) const fn of(shape: &'static Shape, object: &'a Object, path: Path<'a>) -> Self {
        let (own, defaults) = (Layer::of(object, path), Layer::none(path));
        Self { shape, own, defaults }
    }

    /// Reads an object whose fields are its own, or else those of this one, which has all but the first
    /// ones.
    pub(crate) fn of_entry(
        &self,
        shape: &'static Shape,
        own: &'a Object,
        path: Path<'a>,
    ) -> Reader<'a> {
        let skipped = shape.fields.len().saturating_sub(self.shape.fields.len());
        let skipped = u8::try_from(skipped).unwrap_or(u8::MAX);
        Self { shape, own: Layer::of(own, path), defaults: Layer { skipped, ..self.own } }
    }

    /// The number of a field's row, and its row.
    fn named(&self, name: &str) -> Option<(u8, &'static Field)> {
        (0_u8..).zip(self.shape.fields).find(|(_, field)| field.name == name)
    }

    fn given(&self, row: u8) -> Option<(&'a Value, bool)> {
        let own = self.own.get(row).map(|value| (value, true));
        own.or_else(|| self.defaults.get(row).map(|value| (value, false)))
    }

    /// Whether it is given at all.
    pub(crate) const fn is_given(&self) -> bool {
        self.own.object.is_some() || self.defaults.object.is_some()
    }

    /// As if it had been given, and be it with nothing in it.
    pub(crate) const fn as_given(mut self, empty: &'a Object) -> Self {
        if self.own.object.is_none() {
            self.own.object = Some(empty);
        }
        self
    }

    /// The object where it is given, its own one or else the defaults'; without any merging.
    pub(crate) fn whole(self) -> Option<Self> {
        let given = if self.own.object.is_some() { self.own } else { self.defaults };
        let whole = Self { own: given, defaults: Layer::none(given.path), ..self };
        given.object.map(|_| whole)
    }

    /// An object in this one, each field of which may be its own or the defaults'.
    pub(crate) fn inner(&'a self, name: &'static str) -> Self {
        static NOTHING: Shape = Shape { name: "", fields: &[] };
        let (row, shape) = match self.named(name) {
            Some((row, Field { kind: Kind::Object(shape), .. })) => (row, *shape),
            _ => (u8::MAX, &NOTHING),
        };
        let (own, defaults) = (self.own.inner(row, name), self.defaults.inner(row, name));
        Self { shape, own, defaults }
    }

    /// Whether a field is its own.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        let row = self.named(name).map(|(row, _)| row);
        row.and_then(|row| self.given(row)).is_some_and(|(_, own)| own)
    }

    /// Where it stands.
    pub(crate) const fn path(&self) -> Path<'a> {
        self.own.path
    }

    /// Where a field stands: its own, or that of the defaults.
    pub(crate) fn path_of(&self, name: &str) -> String {
        let layer = if self.is_own(name) { &self.own } else { &self.defaults };
        Path::Field(&layer.path, name).to_string()
    }

    /// Why what stands in a field is refused.
    pub(crate) fn error(
        &self,
        name: &str,
        value: impl fmt::Display,
        remedy: impl fmt::Display,
    ) -> ConfigError {
        ConfigError::at(self.path_of(name), value, remedy)
    }

    /// The same of a text.
    pub(crate) fn quoted(&self, name: &str, text: &str, remedy: &str) -> ConfigError {
        self.error(name, format_args!("{text:?}"), remedy)
    }

    /// As JSON.
    pub(crate) fn json(&self) -> String {
        let mut text = String::new();
        for (field, row) in self.shape.fields.iter().zip(0_u8..) {
            let value = match self.given(row) {
                Some((Value::Text(text), _)) => serde_json::to_string(text).unwrap_or_default(),
                Some((value, _)) => value.to_string(),
                None => continue,
            };
            text.push(if text.is_empty() { '{' } else { ',' });
            text.push_str(&format!("{:?}:{value}", field.name));
        }
        text.push('}');
        text
    }

    /// The value of a field, where it is given, as it is given.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.named(name).and_then(|(row, _)| self.given(row)).map(|(value, _)| value)
    }

    /// Whether a field is given.
    pub(crate) fn is_there(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The entries of a list, where it is given.
    pub(crate) fn entries(&self, name: &str) -> Result<Option<&'a [Value]>, ConfigError> {
        let row = self.named(name).map_or(u8::MAX, |(row, _)| row);
        Ok(match self.within(row)?.0 {
            Some(Value::List(list)) => Some(list),
            _ => None,
        })
    }

    /// An object in this one, which has to be given.
    pub(crate) fn required(&'a self, name: &'static str) -> Result<Self, ConfigError> {
        let row = self.named(name).map_or(u8::MAX, |(row, _)| row);
        self.inner(name).whole().ok_or_else(|| self.missing(row))
    }

    /// Reads a field.
    pub(crate) fn get<T: Read>(&self, name: &str) -> Result<T, ConfigError> {
        T::read(self, self.named(name).map_or(u8::MAX, |(row, _)| row))
    }

    /// The value of a row, if there is one within its bounds; with what is meant where none is given.
    fn within(&self, row: u8) -> Result<(Option<&'a Value>, Option<Default>), ConfigError> {
        let Some(field) = self.shape.fields.get(usize::from(row)) else {
            return Ok((None, None));
        };
        let Some((value, _)) = self.given(row) else {
            return Ok((None, field.default));
        };
        let size = match value {
            Value::Count(count) => Some(u64::from(*count)),
            Value::Span(span) => Some(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
            Value::List(list) => Some(u64::try_from(list.len()).unwrap_or(u64::MAX)),
            _ => None,
        };
        if let Some(size) = size
            && !(field.from..=field.to).contains(&size)
        {
            return Err(self.error(field.name, value, field.refusal(size)));
        }
        if let (Value::Text(text), Kind::Text(form)) = (value, field.kind)
            && let Some(remedy) = form.refusal(text)
        {
            return Err(match form {
                // Not named: it is a secret.
                Form::Token => self.error(field.name, "unusable", remedy),
                _ => self.error(field.name, value, remedy),
            });
        }
        Ok((Some(value), None))
    }

    /// The number of a word.
    pub(crate) fn word(&self, row: u8) -> Result<Option<usize>, ConfigError> {
        Ok(match self.within(row)? {
            (Some(Value::Word(word)), _) => Some(usize::from(*word)),
            (_, Some(Default::Word(word))) => Some(usize::from(word)),
            _ => None,
        })
    }

    /// The headers of a row, by their names, and where they stand.
    pub(crate) fn pairs(&self, row: u8) -> (&'a [(String, String)], String) {
        let name = self.shape.fields.get(usize::from(row)).map_or("", |field| field.name);
        match self.given(row) {
            Some((Value::Pairs(pairs), _)) => (pairs, self.path_of(name)),
            _ => (&[], String::new()),
        }
    }

    /// The object of a row, where it is given: its own, or that of the defaults.
    pub(crate) fn object(&'a self, row: u8) -> Option<Self> {
        self.inner(self.shape.fields.get(usize::from(row))?.name).whole()
    }

    /// Why a field cannot be left out.
    pub(crate) fn missing(&self, row: u8) -> ConfigError {
        let field = self.shape.fields.get(usize::from(row));
        let (name, (value, remedy)) = match field {
            Some(Field { name, missing: Missing::Refused(value, remedy), .. }) => {
                (*name, (*value, *remedy))
            }
            Some(field) => (field.name, ("nothing", "give it")),
            None => ("", ("nothing", "give it")),
        };
        let layer = if self.own.object.is_some() { &self.own } else { &self.defaults };
        ConfigError::at(Path::Field(&layer.path, name).to_string(), value, remedy)
    }
}

impl Field {
    /// What would be right instead of a size beyond the bounds.
    fn refusal(&self, size: u64) -> String {
        let shown = |bound: u64| match self.kind {
            Kind::Span => written(Duration::from_nanos(bound)),
            _ => bound.to_string(),
        };
        match self.remedy {
            Remedy::Both(words) => format!("{words}{} to {}", shown(self.from), shown(self.to)),
            Remedy::Above(before, after) if size > self.to => {
                format!("{before}{}{after}", shown(self.to))
            }
            _ if size > self.to => format!("give at most {}", shown(self.to)),
            _ => format!("give at least {}", shown(self.from)),
        }
    }
}

/// Types that are read of a value, and of what is meant where there is none.
macro_rules! read {
    ($($type:ty: $value:pat => $of_value:expr, $default:pat => $of_default:expr;)*) => {$(
        impl Read for Option<$type> {
            fn read(from: &Reader<'_>, row: u8) -> Result<Self, ConfigError> {
                Ok(match from.within(row)? {
                    (Some($value), _) => Some($of_value),
                    (_, Some($default)) => Some($of_default),
                    _ => None,
                })
            }
        }

        impl Read for $type {
            fn read(from: &Reader<'_>, row: u8) -> Result<Self, ConfigError> {
                Option::read(from, row)?.ok_or_else(|| from.missing(row))
            }
        }
    )*};
}
read! {
    bool: Value::Flag(flag) => *flag, Default::Flag(flag) => flag;
    u32: Value::Count(number) | Value::Number(number) => *number,
        Default::Count(number) | Default::Number(number) => number;
    Duration: Value::Span(span) => *span, Default::Span(span) => span;
    String: Value::Text(text) => text.clone(), Default::Text(text) => text.to_owned();
    StatusSet: Value::Statuses(set) => *set, Default::Statuses(set) => set;
    GrpcSet: Value::GrpcStatuses(set) => *set, Default::GrpcStatuses(set) => set;
}

impl Read for Option<WindowSize> {
    fn read(from: &Reader<'_>, row: u8) -> Result<Self, ConfigError> {
        Ok(match from.within(row)?.0 {
            Some(Value::Span(span)) => Some(WindowSize::Time(*span)),
            Some(Value::Count(calls)) => Some(WindowSize::Calls(*calls)),
            _ => None,
        })
    }
}

impl Read for Vec<String> {
    fn read(from: &Reader<'_>, row: u8) -> Result<Self, ConfigError> {
        let Some(Value::List(list)) = from.within(row)?.0 else {
            return Ok(Self::new());
        };
        let texts = list.iter().filter_map(|entry| match entry {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        });
        Ok(texts.collect())
    }
}

/// Types that a number is made into.
macro_rules! number {
    ($($type:ty),*) => {$(
        impl Read for Option<$type> {
            fn read(from: &Reader<'_>, row: u8) -> Result<Self, ConfigError> {
                let number: Option<u32> = Read::read(from, row)?;
                // Within the bounds of its row, and so of its type.
                Ok(number.and_then(|number| <$type>::try_from(number).ok()))
            }
        }

        impl Read for $type {
            fn read(from: &Reader<'_>, row: u8) -> Result<Self, ConfigError> {
                Option::read(from, row)?.ok_or_else(|| from.missing(row))
            }
        }
    )*};
}

number!(u8, u16, usize, NonZeroU32);
