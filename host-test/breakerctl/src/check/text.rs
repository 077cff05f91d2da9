//! The text that a plugin gets, and the way back from it to the file.

use crate::document::{self, Node, Position, Style, Value};
use crate::module::Remark;

/// A configuration as the module gets it.
#[derive(Debug)]
pub(crate) struct Text {
    bytes: String,
    at: Position,
    origin: Origin,
}

/// How the file holds it.
#[derive(Debug)]
enum Origin {
    /// As this very text, each line behind so many columns.
    Lines { indent: usize },
    /// As a text whose lines are not the file's.
    Scalar,
    /// As objects of the file's own language.
    Nodes(Node),
}

impl Text {
    /// The whole file is the configuration.
    pub(crate) fn whole_file(text: &str) -> Self {
        let at = Position { line: 1, column: 1 };
        Self { bytes: text.to_owned(), at, origin: Origin::Lines { indent: 0 } }
    }

    /// A string in the file.
    pub(crate) fn string(node: &Node) -> Self {
        let origin = match node.value {
            Value::Scalar { style: Style::Literal, .. } => {
                Origin::Lines { indent: node.at.column - 1 }
            }
            _ => Origin::Scalar,
        };
        Self { bytes: node.text().unwrap_or_default().to_owned(), at: node.at, origin }
    }

    /// Objects of the file, which the control plane turns into JSON.
    pub(crate) fn nodes(node: &Node) -> Self {
        let bytes = node.to_json().to_string();
        Self { bytes, at: node.at, origin: Origin::Nodes(node.clone()) }
    }

    /// A message other than a string, of which the module sees the bytes: as if it were a `Struct` with one
    /// field.
    pub(crate) fn message(node: &Node) -> Self {
        let bytes = "\n\u{5}\n\u{3}any".to_owned();
        Self { bytes, at: node.at, origin: Origin::Scalar }
    }

    /// Nothing at all, missing from what is at that place.
    pub(crate) const fn missing(at: Position) -> Self {
        Self { bytes: String::new(), at, origin: Origin::Scalar }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_bytes()
    }

    /// Where it begins in the file.
    pub(crate) const fn at(&self) -> Position {
        self.at
    }

    /// Where in the file the thing is that the module remarks on. The reader's own position in the
    /// text, if it gave one, is taken out of the message, as it would lead astray.
    pub(crate) fn locate(&self, remark: &mut Remark) -> Position {
        let reader = remark.take_position();
        self.place(&remark.path, reader)
    }

    /// Where in the file a value of the configuration stands.
    pub(crate) fn find(&self, path: &str) -> Position {
        self.place(path, None)
    }

    fn place(&self, path: &str, reader: Option<Position>) -> Position {
        match &self.origin {
            Origin::Scalar => self.at,
            Origin::Nodes(node) => node.locate(path),
            Origin::Lines { indent } => {
                let tree = document::parse_json(&self.bytes);
                let in_text = match (tree, reader) {
                    (None, Some(reader)) => reader,
                    (Some(tree), _) => tree.locate(path),
                    (None, None) => return self.at,
                };
                Position {
                    line: self.at.line + in_text.line.saturating_sub(1),
                    column: indent + in_text.column,
                }
            }
        }
    }
}
