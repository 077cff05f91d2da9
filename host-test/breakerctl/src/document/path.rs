//! From a path, as the module names it, to a place: `services[0].open.wait_duration`.

use super::{Key, Node, Position, Value};

impl Node {
    /// Where a path leads. One that leads to something that is not there, such as a field that
    /// is missing or comes from elsewhere, leads to the innermost thing around it that is.
    pub(crate) fn locate(&self, path: &str) -> Position {
        self.follow(path, self.at)
    }

    fn follow(&self, path: &str, at: Position) -> Position {
        let path = path.strip_prefix('.').unwrap_or(path);
        match &self.value {
            Value::List(nodes) => {
                let inner = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                let found = inner.and_then(|(index, rest)| {
                    Some((nodes.get(index.parse::<usize>().ok()?)?, rest))
                });
                found.map_or(at, |(node, rest)| node.follow(rest, node.at))
            }
            Value::Map(entries) => {
                // Keys may have dots in them: the longest that fits is meant. Of a key that is
                // given twice it is the last that the module stumbles over.
                let fits = |key: &Key| {
                    let rest = path.strip_prefix(key.name.as_str())?;
                    (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
                };
                let found = entries
                    .iter()
                    .filter_map(|(key, node)| Some((key, node, fits(key)?)))
                    .max_by_key(|(key, ..)| key.name.len());
                match found {
                    None => at,
                    // A value of several lines is found by its key.
                    Some((key, node, "")) => match node.value {
                        Value::Scalar { .. } => node.at,
                        _ => key.at,
                    },
                    Some((_, node, rest)) => node.follow(rest, node.at),
                }
            }
            Value::Scalar { .. } => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_json;

    fn at(path: &str) -> String {
        let text = "{ \"services\": [\n {},\n {\"a.b\": {\"c\": 1}, \"a\": 2 }] }";
        parse_json(text).unwrap().locate(path).to_string()
    }

    #[test]
    fn a_path_leads_to_the_value_it_names() {
        assert_eq!(at("services[1].a"), "3:25");
        assert_eq!(at("services[1].a.b.c"), "3:16");
    }

    #[test]
    fn a_path_to_what_is_missing_leads_to_what_is_around_it() {
        assert_eq!(at("services[0].name"), "2:2");
        assert_eq!(at("services[7]"), "1:15");
        assert_eq!(at("configuration"), "1:1");
    }
}
