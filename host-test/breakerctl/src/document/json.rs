//! JSON, with places. What is not JSON is the module's to refuse, so errors say nothing.
//!
//! The parser of YAML does not serve for it: there is JSON that it refuses, and a file of that would be
//! taken for something else (see the tests).

use super::{Key, Node, Position, Style, Value};

/// How deep values may be nested. The module's own reader stops at the same depth.
const DEEPEST: usize = 128;

/// Reads one value that fills the text; `None` if it is not JSON.
pub(crate) fn parse(text: &str) -> Option<Node> {
    let mut reader = Reader { rest: text, at: Position { line: 1, column: 1 } };
    let node = reader.value(0)?;
    reader.skip_space();
    reader.rest.is_empty().then_some(node)
}

struct Reader<'t> {
    rest: &'t str,
    at: Position,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > DEEPEST {
            return None;
        }
        self.skip_space();
        let at = self.at;
        let value = match self.rest.chars().next()? {
            '{' => self.map(depth)?,
            '[' => self.list(depth)?,
            '"' => Value::Scalar { text: self.string()?, style: Style::Text },
            _ => {
                let end = self.rest.find([',', ']', '}', ' ', '\t', '\r', '\n']);
                let text = self.rest.get(..end.unwrap_or(self.rest.len()))?.to_owned();
                serde_json::from_str::<serde_json::Value>(&text).ok()?;
                self.skip(text.len());
                Value::Scalar { text, style: Style::Plain }
            }
        };
        Some(Node { at, value })
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        let mut entries = Vec::new();
        self.expect('{')?;
        self.skip_space();
        if self.expect('}').is_some() {
            return Some(Value::Map(entries));
        }
        loop {
            self.skip_space();
            let key = Key { at: self.at, name: self.string()? };
            self.skip_space();
            self.expect(':')?;
            entries.push((key, self.value(depth + 1)?));
            self.skip_space();
            if self.expect(',').is_none() {
                self.expect('}')?;
                return Some(Value::Map(entries));
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        let mut nodes = Vec::new();
        self.expect('[')?;
        self.skip_space();
        if self.expect(']').is_some() {
            return Some(Value::List(nodes));
        }
        loop {
            nodes.push(self.value(depth + 1)?);
            self.skip_space();
            if self.expect(',').is_none() {
                self.expect(']')?;
                return Some(Value::List(nodes));
            }
        }
    }

    /// A string, whose escapes a whole reader takes care of once its end is found.
    fn string(&mut self) -> Option<String> {
        let mut escaped = false;
        let inner = self.rest.strip_prefix('"')?;
        let end = inner.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        let quoted = self.rest.get(..end + 2)?;
        let text = serde_json::from_str(quoted).ok()?;
        self.skip(quoted.len());
        Some(text)
    }

    fn expect(&mut self, wanted: char) -> Option<()> {
        self.rest.starts_with(wanted).then(|| self.skip(wanted.len_utf8()))
    }

    fn skip_space(&mut self) {
        let space = self.rest.find(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'));
        self.skip(space.unwrap_or(self.rest.len()));
    }

    fn skip(&mut self, bytes: usize) {
        let (skipped, rest) = self.rest.split_at(bytes);
        for c in skipped.chars() {
            if c == '\n' {
                self.at = Position { line: self.at.line + 1, column: 1 };
            } else {
                self.at.column += 1;
            }
        }
        self.rest = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_knows_its_line_and_column() {
        let node = parse("{\n  \"ä\": [1,\n\t\"x\\\"\"]\n}\n").unwrap();
        let Value::List(items) = &node.get("ä").unwrap().value else { panic!("a list") };
        assert_eq!(items[0].at, Position { line: 2, column: 9 });
        assert_eq!(items[1].at, Position { line: 3, column: 2 });
        assert_eq!(items[1].text(), Some("x\""));
    }

    #[test]
    fn what_is_not_json_is_nothing() {
        for text in ["", "{", "{\"a\" 1}", "[1,]", "{\"a\": 1} x", "nope", "{\"a\": \"\n\"}"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn json_that_is_no_yaml_is_read_all_the_same() {
        let long_key = format!("{{\"{}\": 1}}", "k".repeat(1_025));
        for text in [&long_key, "[\"\u{7f}\"]", "[\"\u{80}\"]", "[\"\u{ffff}\"]"] {
            assert!(parse(text).is_some(), "{text:?}");
            assert!(super::super::parse_yaml(text).is_err(), "{text:?}: this reader may go");
        }
    }
}
