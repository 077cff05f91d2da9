//! JSON as it is sent to stores, and found in what they answer.
//!
//! By a type of its own over the library's reader: the library's values take several times as much of a
//! module.

use core::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value. Of numbers whole ones alone mean anything to a fleet.
#[derive(Debug, Default)]
pub(crate) enum Json {
    #[default]
    Null,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// An object of these fields, in their order.
pub(crate) fn object<const N: usize>(mut fields: [(&str, Json); N]) -> Json {
    fields_of(&mut fields)
}

/// Takes them, so that each object does not bring the code to move its own number of fields.
#[inline(never)]
fn fields_of(fields: &mut [(&str, Json)]) -> Json {
    let taken = fields.iter_mut();
    Json::Object(taken.map(|(name, it)| ((*name).to_owned(), core::mem::take(it))).collect())
}

impl Json {
    /// Reads it; `None`: it is none.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let value = Self::deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(value)
    }

    /// The value of a field, of those in it, and so on.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, name| {
            let fields = value.fields().iter();
            fields.rev().find(|(known, _)| known == name).map(|(_, value)| value)
        })
    }

    /// The same, to be changed.
    pub(crate) fn at_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        path.iter().try_fold(self, |value, name| {
            let Self::Object(fields) = value else {
                return None;
            };
            let mut fields = fields.iter_mut().rev();
            fields.find(|(known, _)| known == name).map(|(_, value)| value)
        })
    }

    /// The text at such a place.
    pub(crate) fn text_at(&self, path: &[&str]) -> Option<&str> {
        match self.at(path)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn number_at(&self, path: &[&str]) -> Option<u64> {
        match self.at(path)? {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The fields of an object; of another value none.
    pub(crate) fn fields(&self) -> &[(String, Self)] {
        match self {
            Self::Object(fields) => fields,
            _ => &[],
        }
    }

    /// The entries of a list; of another value none.
    pub(crate) fn entries(&self) -> &[Self] {
        match self {
            Self::List(entries) => entries,
            _ => &[],
        }
    }

    /// It as text, without blanks.
    pub(crate) fn written(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, to: &mut String) {
        match self {
            Self::Null => to.push_str("null"),
            Self::Bool(true) => to.push_str("true"),
            Self::Bool(false) => to.push_str("false"),
            Self::Number(number) => to.push_str(&number.to_string()),
            Self::Text(text) => push_text(text, to),
            Self::List(entries) => {
                to.push('[');
                for (place, entry) in entries.iter().enumerate() {
                    to.push_str(if place == 0 { "" } else { "," });
                    entry.write(to);
                }
                to.push(']');
            }
            Self::Object(fields) => {
                to.push('{');
                for (place, (name, value)) in fields.iter().enumerate() {
                    to.push_str(if place == 0 { "" } else { "," });
                    push_text(name, to);
                    to.push(':');
                    value.write(to);
                }
                to.push('}');
            }
        }
    }
}

/// Adds a text with its quotes. What it is made of has no control characters but by mistake: these are
/// left out.
fn push_text(text: &str, to: &mut String) {
    to.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => to.extend(['\\', character]),
            '\0'..' ' => {}
            _ => to.push(character),
        }
    }
    to.push('"');
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reads)
    }
}

struct Reads;

impl<'de> Visitor<'de> for Reads {
    type Value = Json;

    fn expecting(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            entries.push(entry);
        }
        Ok(Json::List(entries))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            fields.push((name, map.next_value()?));
        }
        Ok(Json::Object(fields))
    }
}
