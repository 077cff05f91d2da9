//! JSON, as answers and notifications are written in.

use std::borrow::Cow;

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
    List(Vec<Self>),
    /// One that is written already.
    Written(String),
}

/// An object that is written at once, field by field: each takes less code than one that is kept.
pub(crate) struct Fields(String);

impl<'a> Json<'a> {
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
        }
    }
}

impl Fields {
    pub(crate) const fn new() -> Self {
        Self(String::new())
    }

    /// Adds a field of any kind.
    #[inline(never)]
    pub(crate) fn add(&mut self, name: &str, value: Json<'_>) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        push_text(name, &mut self.0);
        self.0.push(':');
        value.write(&mut self.0);
    }

    #[inline(never)]
    pub(crate) fn number(&mut self, name: &str, number: u64) {
        self.add(name, Json::Number(number));
    }

    #[inline(never)]
    pub(crate) fn maybe(&mut self, name: &str, number: Option<u64>) {
        self.add(name, number.into());
    }

    #[inline(never)]
    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.add(name, Json::Bool(value));
    }

    #[inline(never)]
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.add(name, Json::text(text));
    }

    #[inline(never)]
    pub(crate) fn maybe_text(&mut self, name: &str, text: Option<&str>) {
        self.add(name, text.map_or(Json::Null, Json::text));
    }

    /// The object, which has a field at least.
    pub(crate) fn end(mut self) -> Json<'static> {
        self.0.push('}');
        Json::Written(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_in_their_order_and_without_spaces() {
        let list = Json::List(vec![Json::Null, Json::Bool(true), 7_u32.into()]);
        assert_eq!(list.written(), "[null,true,7]");
        assert_eq!(Json::List(Vec::new()).written(), "[]");
    }

    #[test]
    fn an_object_that_is_written_at_once_reads_like_one_that_is_kept() {
        let mut fields = Fields::new();
        fields.number("a", 7);
        fields.maybe("b", None);
        fields.text("c", "x\"y");
        fields.flag("d", false);
        fields.maybe_text("e", None);
        let list = Json::List(vec![fields.end()]);
        assert_eq!(list.written(), r#"[{"a":7,"b":null,"c":"x\"y","d":false,"e":null}]"#);
    }
}
