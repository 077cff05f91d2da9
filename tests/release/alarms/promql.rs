//! As much of PromQL as is needed to see which series a query selects, and to make its durations shorter.
//! Whether a query is right is for Prometheus to say.

use std::ops::Range;

use crate::alarms::FACTOR;

/// A part of a query that selects series, as in `calls{outcome="failure"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// The whole of it.
    pub(crate) text: String,
    /// The name of the metric.
    pub(crate) metric: String,
    /// The labels that it asks for.
    pub(crate) labels: Vec<String>,
}

/// What a query names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) selectors: Vec<Selector>,
    /// The labels of `by`, `without` and their like.
    pub(crate) groups: Vec<String>,
}

const GROUPING: &[&str] = &["by", "without", "on", "ignoring", "group_left", "group_right"];
const RESERVED: &[&str] =
    &["sum", "max", "min", "avg", "count", "and", "or", "unless", "offset", "bool", "inf", "nan"];

/// What the query names.
pub(crate) fn names(query: &str) -> Names {
    let mut names = Names::default();
    let mut tokens = Tokens { text: query, at: 0 }.peekable();
    while let Some(token) = tokens.next() {
        let word = &query[token.clone()];
        if !is_word(word) || RESERVED.contains(&word) {
            continue;
        }
        let following = tokens.peek().map_or("", |token| &query[token.clone()]);
        let until =
            |end: &str, tokens: &mut dyn Iterator<Item = Range<usize>>| -> Vec<Range<usize>> {
                tokens.take_while(|token| &query[token.clone()] != end).collect()
            };
        let words = |tokens: Vec<Range<usize>>| {
            let words = tokens.into_iter().map(|token| query[token].to_owned());
            words.filter(|word| is_word(word)).collect::<Vec<_>>()
        };
        match following {
            "(" if GROUPING.contains(&word) => names.groups.extend(words(until(")", &mut tokens))),
            "(" => {} // A function.
            "{" => {
                let inside = until("}", &mut tokens);
                let end = inside.last().map_or(token.end, |last| last.end);
                let end = end + query[end..].find('}').expect("a closing brace") + 1;
                let (text, metric) = (query[token.start..end].to_owned(), word.to_owned());
                names.selectors.push(Selector { text, metric, labels: words(inside) });
            }
            _ => {
                let (text, metric) = (word.to_owned(), word.to_owned());
                names.selectors.push(Selector { text, metric, labels: Vec::new() });
            }
        }
    }
    names
}

/// The query with each of its durations [`FACTOR`] times shorter.
pub(crate) fn scaled(query: &str) -> String {
    let (mut scaled, mut copied) = (String::new(), 0);
    for token in (Tokens { text: query, at: 0 }) {
        if let Some(millis) = duration(&query[token.clone()]) {
            scaled += &query[copied..token.start];
            scaled += &format!("{}ms", millis / u64::from(FACTOR));
            copied = token.end;
        }
    }
    scaled + &query[copied..]
}

/// The milliseconds of a duration of one unit, as all in the files are.
pub(crate) fn duration(text: &str) -> Option<u64> {
    let unit = text.find(|character: char| !character.is_ascii_digit())?;
    let number: u64 = text[..unit].parse().ok()?;
    let millis = match &text[unit..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(number * millis)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// Words, numbers with their units, whole strings and single signs; where they are.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        let start = self.at + rest.len() - rest.trim_start().len();
        let rest = &self.text[start..];
        let in_word =
            |character: char| character.is_ascii_alphanumeric() || "_:.".contains(character);
        let length = match rest.chars().next()? {
            '"' => rest[1..].find('"').expect("a closing quote") + 2,
            first if in_word(first) => rest.find(|next| !in_word(next)).unwrap_or(rest.len()),
            sign => sign.len_utf8(),
        };
        self.at = start + length;
        Some(start..self.at)
    }
}

#[test]
fn a_query_names_its_metrics_and_labels() {
    let names = names(
        r#"sum by (job, a) (rate(calls_total{a="x} by (b)", c!~"y"}[5m] offset 5m)) >= 5 unless on (e) up"#,
    );
    let [calls, up] = &names.selectors[..] else { panic!("{names:?}") };
    assert_eq!(calls.text, r#"calls_total{a="x} by (b)", c!~"y"}"#);
    assert_eq!(
        (&*calls.metric, &calls.labels[..]),
        ("calls_total", &["a", "c"].map(String::from)[..])
    );
    assert_eq!((&*up.text, &*up.metric, up.labels.len()), ("up", "up", 0));
    assert_eq!(names.groups, ["job", "a", "e"]);
}

#[test]
fn durations_are_made_shorter_and_nothing_else() {
    let query = r#"rate(calls_5m{a="5m"}[5m]) > 0.05 offset 1h"#;
    assert_eq!(scaled(query), r#"rate(calls_5m{a="5m"}[5000ms]) > 0.05 offset 60000ms"#);
    assert_eq!(scaled("15s"), "250ms");
}
