//! Metrics as a Prometheus server sees them: by name and labels, once Envoy's tags are cut out.

use std::collections::BTreeMap;

/// The answer to `GET /stats/prometheus`.
#[derive(Clone, Debug)]
pub struct Prometheus {
    text: String,
}

impl Prometheus {
    /// Of such an answer.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self { text }
    }

    /// The exposition as Envoy wrote it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of the one series with this name and these labels; other labels that it has are
    /// not looked at. `None` if there is none, or more than one.
    #[must_use]
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut found = self.series(name).filter(|(has, _)| {
            labels.iter().all(|(key, value)| has.get(*key).is_some_and(|has| has == value))
        });
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// Every series of this name: its labels and its value.
    pub fn series<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (BTreeMap<String, String>, f64)> + 'a {
        self.text.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?.strip_prefix('{')?;
            let (labels, value) = parse_labels(rest)?;
            Some((labels, value.trim().parse().ok()?))
        })
    }
}

/// Reads `a="b",c="d"} rest`, and returns the labels and the rest.
fn parse_labels(mut text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (key, rest) = text.split_once("=\"")?;
        let (value, rest) = parse_quoted(rest)?;
        labels.insert(key.to_owned(), value);
        text = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// Reads up to the closing quote, and undoes the three escapes of the format.
fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match characters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_name_and_labels() {
        let metrics = Prometheus::new(
            "# TYPE calls counter\ncalls{service=\"a\",outcome=\"ok\"} 3\ncalls{service=\"b\",outcome=\"a\\\"}\"} 4\ncalls_more{} 5\n".to_owned(),
        );
        assert_eq!(metrics.value("calls", &[("service", "a")]), Some(3.0));
        assert_eq!(metrics.value("calls", &[("outcome", "a\"}")]), Some(4.0));
        assert_eq!(metrics.value("calls", &[]), None, "two series match");
        assert_eq!(metrics.value("calls_more", &[]), Some(5.0));
        assert_eq!(metrics.value("call", &[]), None);
    }
}
