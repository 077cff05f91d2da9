//! Documents whose parts know where they stand in their file: what an error is shown at.
//!
//! YAML and JSON are read into the same [`Node`]s. A reader for values alone would do for the
//! module, which only wants the text, but not for the people who have to find the place.

mod json;
mod path;
mod yaml;

use std::fmt;

pub(crate) use json::parse as parse_json;
pub(crate) use yaml::parse as parse_yaml;

/// A place in a text, both numbers from 1 on, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar {
        text: String,
        style: Style,
    },
    List(Vec<Node>),
    /// Keys in their order, each with its own place.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) at: Position,
    pub(crate) name: String,
}

/// How a scalar is written, as far as it says what it means and where its lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: a number, a truth value, nothing, or a text.
    Plain,
    /// Between quotes, or folded: a text whose lines are not those of the file.
    Text,
    /// A block in which each line is one of the text. The position is that of its first line,
    /// behind the indentation.
    Literal,
}

impl Node {
    /// The value of a key.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The text of the scalar at a key.
    pub(crate) fn text_at(&self, name: &str) -> Option<&str> {
        self.get(name)?.text()
    }

    /// The items of the list at a key; none if there is no list.
    pub(crate) fn items(&self, name: &str) -> &[Self] {
        match self.get(name) {
            Some(Self { value: Value::List(nodes), .. }) => nodes,
            _ => &[],
        }
    }

    /// What is directly in it: items of a list, or values of a map.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Self> {
        let (items, entries): (&[Self], &[(Key, Self)]) = match &self.value {
            Value::Scalar { .. } => (&[], &[]),
            Value::List(nodes) => (nodes, &[]),
            Value::Map(entries) => (&[], entries),
        };
        items.iter().chain(entries.iter().map(|(_, node)| node))
    }

    /// The same at other places.
    pub(crate) fn moved(mut self, to: &dyn Fn(Position) -> Position) -> Self {
        self.at = to(self.at);
        match &mut self.value {
            Value::Scalar { .. } => {}
            Value::List(nodes) => {
                *nodes = std::mem::take(nodes).into_iter().map(|node| node.moved(to)).collect();
            }
            Value::Map(entries) => {
                let moved = std::mem::take(entries)
                    .into_iter()
                    .map(|(key, node)| (Key { at: to(key.at), ..key }, node.moved(to)));
                *entries = moved.collect();
            }
        }
        self
    }

    /// The same as JSON, as a control plane would make it of YAML.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;

        match &self.value {
            Value::Scalar { text, style: Style::Plain } => match text.as_str() {
                "" | "~" | "null" | "Null" | "NULL" => Json::Null,
                "true" | "True" | "TRUE" => Json::Bool(true),
                "false" | "False" | "FALSE" => Json::Bool(false),
                number => serde_json::from_str::<serde_json::Number>(number)
                    .map_or_else(|_| Json::String(text.clone()), Json::Number),
            },
            Value::Scalar { text, .. } => Json::String(text.clone()),
            Value::List(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect()
            }
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
