//! Reads fields of an object: a service's own, or else those of the defaults, or else what the table
//! says; within their bounds.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::duration::written;
use crate::error::ConfigError;
use crate::field::{Default, Field, Kind, Missing, Remedy, Shape};
use crate::form::Form;
use crate::json::quoted;
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

/// Why a field is refused, if one is: reading goes on to the end of an object, or there would be a way
/// out at each field.
pub(crate) type Refused = Result<(), ConfigError>;

/// A type that is read of a field.
pub(crate) trait Read: Sized {
    /// Reads the field of this row. If that cannot be, the result is of no use, and the first reason is
    /// kept.
    fn read(from: &Reader<'_>, row: u8, refused: &mut Refused) -> Self;
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
    pub(crate) fn of_entry(&self, shape: &'static Shape, own: &'a Object, path: Path<'a>) -> Self {
        let skipped = shape.fields.len().saturating_sub(self.shape.fields.len());
        let skipped = u8::try_from(skipped).unwrap_or(u8::MAX);
        Self { shape, own: Layer::of(own, path), defaults: Layer { skipped, ..self.own } }
    }

    /// The number of a field's row, and its row.
    fn named(&self, name: &str) -> Option<(u8, &'static Field)> {
        (0_u8..).zip(self.shape.fields).find(|(_, field)| field.name == name)
    }

    fn row(&self, name: &str) -> u8 {
        self.named(name).map_or(u8::MAX, |(row, _)| row)
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
        self.given(self.row(name)).is_some_and(|(_, own)| own)
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
        ConfigError::at(&self.path_of(name), &value, &remedy)
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
                Some((Value::Text(text), _)) => quoted(text),
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
        self.given(self.row(name)).map(|(value, _)| value)
    }

    /// Whether a field is given.
    pub(crate) fn is_there(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The entries of a list, where it is given.
    pub(crate) fn entries(&self, name: &str) -> Result<Option<&'a [Value]>, ConfigError> {
        let mut refused = Ok(());
        let value = self.within(self.row(name), &mut refused).0;
        refused.map(|()| match value {
            Some(Value::List(list)) => Some(list.as_slice()),
            _ => None,
        })
    }

    /// An object in this one, which has to be given.
    pub(crate) fn required(&'a self, name: &'static str) -> Result<Self, ConfigError> {
        self.inner(name).whole().ok_or_else(|| self.missing(self.row(name)))
    }

    /// Reads a field.
    pub(crate) fn get<T: Read>(&self, name: &str) -> Result<T, ConfigError> {
        let mut refused = Ok(());
        let value = T::read(self, self.row(name), &mut refused);
        refused.map(|()| value)
    }

    /// The value of a row, if there is one within its bounds; or what is meant where none is given.
    #[inline(never)]
    fn within(&self, row: u8, refused: &mut Refused) -> (Option<&'a Value>, Option<Default>) {
        let Some(field) = self.shape.fields.get(usize::from(row)) else {
            return (None, None);
        };
        let Some((value, _)) = self.given(row) else {
            return (None, field.default);
        };
        match self.refusal(field, value) {
            None => (Some(value), None),
            Some(error) => {
                refuse(refused, error);
                (None, None)
            }
        }
    }

    fn refusal(&self, field: &Field, value: &Value) -> Option<ConfigError> {
        let (from, to) = (u64::from(field.from), u64::from(field.to));
        let (size, unit) = match (value, field.kind) {
            (Value::Count(count), Kind::Count) => (u64::from(*count), 1),
            (Value::Span(span), Kind::Span | Kind::LongSpan) => {
                let unit = if let Kind::Span = field.kind { 1_000_000 } else { 1_000_000_000 };
                (u64::try_from(span.as_nanos()).unwrap_or(u64::MAX), unit)
            }
            (Value::List(list), _) => (u64::try_from(list.len()).unwrap_or(u64::MAX), 1),
            (Value::Text(text), Kind::Text(form)) => {
                let remedy = form.refusal(text)?;
                let unusable: &dyn fmt::Display = match form {
                    // Not named: it is a secret.
                    Form::Token => &"unusable",
                    _ => value,
                };
                return Some(self.error(field.name, unusable, remedy));
            }
            _ => return None,
        };
        let (above, below) = (size > to.saturating_mul(unit), size < from.saturating_mul(unit));
        (above || below).then(|| self.error(field.name, value, field.beyond(above)))
    }

    /// The number of a word.
    pub(crate) fn word(&self, row: u8, refused: &mut Refused) -> Option<usize> {
        match self.within(row, refused) {
            (Some(Value::Word(word)), _) => Some(usize::from(*word)),
            (_, Some(Default::Word(word))) => Some(usize::from(word)),
            _ => None,
        }
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

    /// Refuses that a field that is needed is not given; unless what is given is refused already.
    #[inline(never)]
    pub(crate) fn refuse_missing(&self, row: u8, refused: &mut Refused) {
        if refused.is_ok() {
            *refused = Err(self.missing(row));
        }
    }

    /// Why a field cannot be left out.
    fn missing(&self, row: u8) -> ConfigError {
        let field = self.shape.fields.get(usize::from(row));
        let (name, (value, remedy)) = match field {
            Some(Field { name, missing: Missing::Refused(refused), .. }) => (*name, **refused),
            Some(field) => (field.name, ("nothing", "give it")),
            None => ("", ("nothing", "give it")),
        };
        let layer = if self.own.object.is_some() { &self.own } else { &self.defaults };
        ConfigError::at(&Path::Field(&layer.path, name), &value, &remedy)
    }
}

impl Field {
    /// What would be right instead of a size beyond its bounds.
    fn beyond(&self, above: bool) -> String {
        let shown = |bound: u32| match self.kind {
            Kind::Span => written(Duration::from_millis(bound.into())),
            Kind::LongSpan => written(Duration::from_secs(bound.into())),
            _ => bound.to_string(),
        };
        match self.remedy {
            Remedy::Both(words) => format!("{words}{} to {}", shown(self.from), shown(self.to)),
            Remedy::Above((before, after)) if above => {
                format!("{before}{}{after}", shown(self.to))
            }
            _ if above => format!("give at most {}", shown(self.to)),
            _ => format!("give at least {}", shown(self.from)),
        }
    }
}

/// Keeps the first reason.
pub(crate) fn refuse(refused: &mut Refused, error: ConfigError) {
    if refused.is_ok() {
        *refused = Err(error);
    }
}

/// A type whose field has to be given, with something of it for where it is not.
macro_rules! needed {
    ($($type:ty: $useless:expr),* $(,)?) => {$(
        impl Read for $type {
            fn read(from: &Reader<'_>, row: u8, refused: &mut Refused) -> Self {
                Option::read(from, row, refused).unwrap_or_else(|| {
                    from.refuse_missing(row, refused);
                    $useless
                })
            }
        }
    )*};
}
pub(crate) use needed;

needed!(
    bool: false,
    u8: 0,
    u16: 0,
    u32: 0,
    usize: 0,
    NonZeroU32: NonZeroU32::MIN,
    Duration: Duration::ZERO,
    String: String::new(),
    StatusSet: StatusSet::NONE,
    GrpcSet: GrpcSet::default(),
);

/// Types that are read of a value, or of what is meant where there is none.
macro_rules! read {
    ($($type:ty: $value:pat => $of_value:expr, $default:pat => $of_default:expr;)*) => {$(
        impl Read for Option<$type> {
            fn read(from: &Reader<'_>, row: u8, refused: &mut Refused) -> Self {
                match from.within(row, refused) {
                    (Some($value), _) => Some($of_value),
                    (_, Some($default)) => Some($of_default),
                    _ => None,
                }
            }
        }
    )*};
}

read! {
    bool: Value::Flag(flag) => *flag, Default::Flag(flag) => flag;
    u32: Value::Count(number) | Value::Number(number) => *number,
        Default::Count(number) | Default::Number(number) => number;
    Duration: Value::Span(span) => *span, Default::Span(millis) => Duration::from_millis(millis.into());
    String: Value::Text(text) => text.clone(), Default::Text(text) => text.to_owned();
    StatusSet: Value::Statuses(set) => *set, Default::Statuses(set) => *set;
    GrpcSet: Value::GrpcStatuses(set) => *set, Default::GrpcStatuses(set) => set;
}

/// Types that a number is made into, which is within the bounds of its row, and so of its type.
macro_rules! number {
    ($($type:ty),*) => {$(
        impl Read for Option<$type> {
            fn read(from: &Reader<'_>, row: u8, refused: &mut Refused) -> Self {
                let number: Option<u32> = Read::read(from, row, refused);
                number.and_then(|number| number.try_into().ok())
            }
        }
    )*};
}

number!(u8, u16, usize, NonZeroU32);

impl Read for Option<WindowSize> {
    fn read(from: &Reader<'_>, row: u8, refused: &mut Refused) -> Self {
        match from.within(row, refused).0 {
            Some(Value::Span(span)) => Some(WindowSize::Time(*span)),
            Some(Value::Count(calls)) => Some(WindowSize::Calls(*calls)),
            _ => None,
        }
    }
}

impl Read for Vec<String> {
    fn read(from: &Reader<'_>, row: u8, refused: &mut Refused) -> Self {
        let Some(Value::List(list)) = from.within(row, refused).0 else {
            return Self::new();
        };
        let texts = list.iter().filter_map(|entry| match entry {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        });
        texts.collect()
    }
}
