//! YAML, with places.

use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::{Key, Node, Position, Style, Value};

/// Reads all documents of a text.
///
/// # Errors
///
/// What is wrong with it, and where.
pub(crate) fn parse(text: &str) -> Result<Vec<Node>, (Position, String)> {
    let mut builder = Builder { lines: text.lines().collect(), ..Builder::default() };
    for event in Parser::new_from_str(text) {
        let (event, span) =
            event.map_err(|error| (position(*error.marker()), error.info().to_owned()))?;
        builder.take(event, span);
    }
    Ok(builder.documents)
}

#[derive(Default)]
struct Builder<'t> {
    lines: Vec<&'t str>,
    /// The collections that are not complete yet, and the anchors that they get.
    open: Vec<(Node, usize, Option<Key>)>,
    anchors: BTreeMap<usize, Node>,
    documents: Vec<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) {
        let at = position(span.start);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let text = text.into_owned();
                let (style, at) = match style {
                    ScalarStyle::Plain => (Style::Plain, at),
                    ScalarStyle::Literal => (Style::Literal, self.first_line(&text, span)),
                    _ => (Style::Text, at),
                };
                self.complete(Node { at, value: Value::Scalar { text, style } }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => self.begin(at, Value::List(Vec::new()), anchor),
            Event::MappingStart(_, anchor, _) => self.begin(at, Value::Map(Vec::new()), anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((node, anchor, _)) = self.open.pop() {
                    self.complete(node, anchor);
                }
            }
            Event::Alias(anchor) => {
                let empty = Value::Scalar { text: String::new(), style: Style::Plain };
                let node = self.anchors.get(&anchor).cloned();
                self.complete(node.unwrap_or(Node { at, value: empty }), 0);
            }
            _ => {}
        }
    }

    fn begin(&mut self, at: Position, value: Value, anchor: usize) {
        self.open.push((Node { at, value }, anchor, None));
    }

    /// Puts a whole node where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some((Node { value: Value::List(nodes), .. }, ..)) => nodes.push(node),
            Some((Node { value: Value::Map(entries), .. }, _, key)) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    let name = node.text().unwrap_or_default().to_owned();
                    *key = Some(Key { at: node.at, name });
                }
            },
            Some((Node { value: Value::Scalar { .. }, .. }, ..)) => {}
        }
    }

    /// Where the text of a literal block begins. The parser says where its `|` is, or its first
    /// line; this looks for the line that the text begins with.
    fn first_line(&self, text: &str, span: Span) -> Position {
        let wanted = text.lines().next().unwrap_or_default();
        let from = span.start.line().saturating_sub(1);
        let until = span.end.line().min(self.lines.len());
        let found = (from..until).find_map(|index| {
            let line = self.lines.get(index)?;
            let indent = line.strip_suffix(wanted)?;
            indent
                .chars()
                .all(|c| c == ' ')
                .then(|| Position { line: index + 1, column: indent.len() + 1 })
        });
        found.unwrap_or_else(|| position(span.start))
    }
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_block_begins_where_its_text_does() {
        let documents = parse("a:\n  b: |\n    one\n    two\n").unwrap();
        let block = documents[0].get("a").and_then(|a| a.get("b")).unwrap();
        assert_eq!(block.at, Position { line: 3, column: 5 });
        assert_eq!(block.text(), Some("one\ntwo\n"));
    }

    #[test]
    fn an_alias_stands_for_what_its_anchor_holds() {
        let documents = parse("a: &x { k: 1 }\nb: *x\n---\nc: 2\n").unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[0].get("b").and_then(|b| b.text_at("k")), Some("1"));
    }

    #[test]
    fn what_is_no_yaml_is_shown_at_its_place() {
        let (at, message) = parse("a: 1\nb: [1, 2\n").unwrap_err();
        assert!(at.line >= 2, "{at}");
        assert!(!message.is_empty());
    }
}
