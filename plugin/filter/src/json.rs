//! JSON, as answers and notifications are written in.

use std::borrow::Cow;
use std::mem::take;

use config::json::{push_text, shortest};

/// A value.
#[derive(Debug, Default)]
pub(crate) enum Json<'a> {
    #[default]
    Null,
    Bool(bool),
    Number(u64),
    Float(f64),
    Text(Cow<'a, str>),
    /// One that is written already.
    Written(String),
    List(Vec<Self>),
    Object(Vec<(&'static str, Self)>),
}

impl<'a> Json<'a> {
    pub(crate) fn object<const N: usize>(mut fields: [(&'static str, Self); N]) -> Self {
        Self::of_fields(&mut fields)
    }

    /// Takes them, so that each object does not bring the code to move its own number of fields.
    #[inline(never)]
    fn of_fields(fields: &mut [(&'static str, Self)]) -> Self {
        let fields = fields.iter_mut();
        Self::Object(fields.map(|(name, value)| (*name, take(value))).collect())
    }

    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Json<'_> {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<f64> for Json<'_> {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<u32> for Json<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl<'a, T: Into<Self>> From<Option<T>> for Json<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl Json<'_> {
    pub(crate) fn written(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, to: &mut String) {
        match self {
            Self::Null => to.push_str("null"),
            Self::Bool(value) => to.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => to.push_str(&number.to_string()),
            Self::Float(number) => to.push_str(&shortest(*number)),
            Self::Text(text) => push_text(text, to),
            Self::Written(text) => to.push_str(text),
            Self::List(values) => {
                to.push('[');
                for (place, value) in values.iter().enumerate() {
                    to.push_str(if place == 0 { "" } else { "," });
                    value.write(to);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_in_their_order_and_without_spaces() {
        let list = Json::List(vec![Json::Null, Json::Bool(true), 7_u32.into()]);
        let object = Json::object([("b", list), ("a", Some("x".to_owned()).into())]);
        assert_eq!(object.written(), r#"{"b":[null,true,7],"a":"x"}"#);
        assert_eq!(Json::List(Vec::new()).written(), "[]");
    }
}
