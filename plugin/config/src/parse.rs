//! From text to values, by the table of fields: each of its kind, none unknown, none given twice.

mod given;
mod refusal;

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use self::given::{Given, checked};
use self::refusal::{Refusal, damaged};
use crate::error::ConfigError;
use crate::field::{Kind, Missing, Shape};
use crate::form::Form;
use crate::path::Path;
use crate::status::{GrpcSet, StatusSet};
use crate::value::{Object, Value};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads the text of a configuration.
pub(crate) fn parse(bytes: &[u8], shape: &'static Shape) -> Result<Object, ConfigError> {
    // Some editors begin a file with it.
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let json = if bytes.trim_ascii().is_empty() { b"{}" } else { bytes };
    let mut reader = serde_json::Deserializer::from_slice(json);
    let refused = Cell::new(None);
    let whole =
        Seed { kind: Kind::Object(shape), nullable: false, path: Path::Root, refused: &refused };
    match whole.deserialize(&mut reader) {
        Ok(Some(Value::Object(object))) => {
            reader.end().map_err(|error| {
                ConfigError::at(&"configuration", &error, &"nothing may follow the JSON object")
            })?;
            Ok(object)
        }
        Ok(_) => Ok(Object::default()),
        Err(error) => Err(explain(&error, refused.take(), bytes)),
    }
}

/// A protobuf `Struct` reaches the module as protobuf bytes. They begin with the tag of its first
/// field, which in JSON would be a blank line, and have other tags further on, which are control
/// characters that no JSON has.
fn explain(error: &serde_json::Error, refused: Option<ConfigError>, bytes: &[u8]) -> ConfigError {
    const STRUCT_FIELDS: u8 = 0x0a;
    let is_tag = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    if bytes.first() == Some(&STRUCT_FIELDS) && bytes.iter().any(is_tag) {
        return ConfigError::at(
            &"configuration",
            &"protobuf bytes, as of a google.protobuf.Struct",
            &"give the JSON as a string, in \
             {\"@type\": \"type.googleapis.com/google.protobuf.StringValue\", \"value\": \"{...}\"} \
             (StringValue)",
        );
    }
    let refused = refused.unwrap_or_else(|| ConfigError::at(&"configuration", &"", &""));
    if error.is_data() {
        return refused.told(error.to_string());
    }
    let (value, remedy) = damaged(error, bytes);
    ConfigError::at(&refused.path(), &value, &remedy).told(error.to_string())
}

/// A value to be read: what it may be, where it stands, and why it is refused, if it is.
struct Seed<'a> {
    kind: Kind,
    nullable: bool,
    path: Path<'a>,
    refused: &'a Cell<Option<ConfigError>>,
}

impl Seed<'_> {
    /// Keeps the first refusal, which is the innermost one.
    fn refuse(&self, path: Path<'_>, value: &str, remedy: &str) {
        let known = self.refused.take();
        let refused = known.unwrap_or_else(|| {
            let path = path.to_string();
            let path = if path.is_empty() { "configuration".to_owned() } else { path };
            ConfigError::at(&path, &value, &remedy)
        });
        self.refused.set(Some(refused));
    }

    fn refused_as<E: Error>(&self, path: Path<'_>, refusal: Refusal) -> E {
        self.refuse(path, &refusal.value, &refusal.remedy);
        E::custom(refusal.told)
    }

    fn scalar<E: Error>(&self, given: Given<'_>) -> Result<Option<Value>, E> {
        if matches!(given, Given::Null) && self.nullable {
            return Ok(None);
        }
        checked(given, self.kind).map(Some).map_err(|refusal| self.refused_as(self.path, refusal))
    }

    fn inner<'b>(&'b self, kind: Kind, nullable: bool, path: Path<'b>) -> Seed<'b> {
        Seed { kind, nullable, path, refused: self.refused }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let value = deserializer.deserialize_any(&self);
        if value.is_err() {
            self.refuse(self.path, "", "");
        }
        value
    }
}

impl<'de> Visitor<'de> for &Seed<'_> {
    type Value = Option<Value>;

    fn expecting(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.scalar(Given::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        self.scalar(Given::Flag(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        self.scalar(Given::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.scalar(Given::Signed(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        self.scalar(Given::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.scalar(Given::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let kind = match self.kind {
            Kind::List(kind) => *kind,
            Kind::Statuses => Kind::Status,
            Kind::GrpcStatuses => Kind::GrpcStatus,
            _ => return self.scalar(Given::List),
        };
        let mut entries = Vec::new();
        loop {
            let path = Path::Entry(&self.path, entries.len());
            match list.next_element_seed(self.inner(kind, false, path))? {
                Some(entry) => entries.extend(entry),
                None => return Ok(Some(collected(kind, entries))),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let shape = match self.kind {
            Kind::Object(shape) => shape,
            Kind::Pairs => return self.pairs(map),
            _ => return self.scalar(Given::Map),
        };
        let mut object = Object::default();
        let mut seen: u32 = 0;
        while let Some(name) = map.next_key::<String>()? {
            let rows = shape.fields.iter().zip(0_u8..);
            let Some((field, row)) = rows.into_iter().find(|(field, _)| field.name == name) else {
                let path = Path::Field(&self.path, &name);
                return Err(self.refused_as(path, Refusal::unknown_field(&name, shape)));
            };
            if seen >> row & 1 != 0 {
                return Err(self.refused_as(self.path, Refusal::twice(field.name)));
            }
            seen |= 1 << row;
            let nullable = !matches!(field.missing, Missing::NotNull | Missing::Never);
            let path = Path::Field(&self.path, field.name);
            let value = map.next_value_seed(self.inner(field.kind, nullable, path))?;
            object.0.extend(value.map(|value| (row, value)));
        }
        let missing = shape
            .fields
            .iter()
            .zip(0_u8..)
            .find(|(field, row)| field.missing == Missing::Never && seen >> row & 1 == 0);
        match missing {
            Some((field, _)) => Err(self.refused_as(self.path, Refusal::missing(field.name))),
            None => Ok(Some(Value::Object(object))),
        }
    }
}

impl Seed<'_> {
    /// Headers. Of one that is given more than once the last counts.
    fn pairs<'de, A: MapAccess<'de>>(&self, mut map: A) -> Result<Option<Value>, A::Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let path = Path::Field(&self.path, &name);
            let value = map.next_value_seed(self.inner(Kind::Text(Form::Any), false, path))?;
            if let Some(Value::Text(value)) = value {
                match pairs.binary_search_by(|(known, _)| known.cmp(&name)) {
                    Ok(at) => {
                        pairs.get_mut(at).into_iter().for_each(|pair| pair.1.clone_from(&value))
                    }
                    Err(at) => pairs.insert(at, (name, value)),
                }
            }
        }
        Ok(Some(Value::Pairs(pairs)))
    }
}

/// The entries of a list; statuses are a set.
fn collected(kind: Kind, entries: Vec<Value>) -> Value {
    match kind {
        Kind::Status => Value::Statuses(entries.iter().fold(StatusSet::default(), |set, entry| {
            if let Value::Statuses(more) = entry { set.and(more) } else { set }
        })),
        Kind::GrpcStatus => {
            Value::GrpcStatuses(entries.iter().fold(GrpcSet::default(), |set, it| {
                if let Value::GrpcStatuses(more) = it { set.and(*more) } else { set }
            }))
        }
        _ => Value::List(entries),
    }
}
