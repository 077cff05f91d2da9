//! What an HTTP connection manager of Envoy removes from requests before all else: before a route is chosen, and before
//! any filter sees them.

use crate::document::{Node, Position, Value};

/// The breaker's own request headers, by which a client could choose a route before the breaker removes them.
pub(crate) const OWN_HEADERS: [&str; 4] = [
    "x-circuit-breaker-cluster",
    "x-circuit-breaker-service",
    "x-circuit-breaker-state",
    "x-circuit-breaker-reason",
];

const MUTATION: &str = "early_header_mutation.header_mutation.v3.HeaderMutation";

/// Which headers are removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Removal {
    patterns: Vec<Pattern>,
}

/// Names of headers, in lower case.
#[derive(Clone, Debug)]
enum Pattern {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
}

impl Removal {
    /// The breaker's own headers.
    pub(crate) fn own() -> Self {
        Self { patterns: OWN_HEADERS.map(|name| Pattern::Exact(name.to_owned())).into() }
    }

    /// What a connection manager removes, and where it does something else than to remove, or in words that are not known
    /// here.
    pub(crate) fn of_manager(manager: &Node) -> (Self, Option<Position>) {
        let (mut removal, mut unknown) = (Self::default(), None);
        for extension in items(manager.get("early_header_mutation_extensions")) {
            let config = extension.get("typed_config").unwrap_or(extension);
            if !config.text_at("@type").is_some_and(|url| url.ends_with(MUTATION)) {
                unknown = unknown.or(Some(config.at));
            }
            for mutation in items(config.get("mutations")) {
                let exact = mutation.text_at("remove").map(|name| Pattern::Exact(lower(name)));
                let matching = || {
                    let matcher = mutation.get("remove_on_match")?.get("key_matcher")?;
                    Pattern::of(matcher, ["exact", "prefix", "suffix", "contains"])
                };
                match exact.or_else(matching) {
                    Some(pattern) => removal.patterns.push(pattern),
                    None => unknown = unknown.or(Some(mutation.at)),
                }
            }
        }
        (removal, unknown)
    }

    /// What the `earlyRequestHeaders` of Envoy Gateway's `ClientTrafficPolicy` remove.
    pub(crate) fn of_early_request_headers(headers: &Node) -> Self {
        let names = items(headers.get("remove")).iter().filter_map(Node::text);
        let exact = names.map(|name| Pattern::Exact(lower(name)));
        let matching = items(headers.get("removeOnMatch")).iter().filter_map(|matcher| {
            let value = lower(matcher.text_at("value")?);
            match matcher.text_at("type").unwrap_or("Exact") {
                "Exact" => Some(Pattern::Exact(value)),
                "Prefix" => Some(Pattern::Prefix(value)),
                "Suffix" => Some(Pattern::Suffix(value)),
                _ => None,
            }
        });
        Self { patterns: exact.chain(matching).collect() }
    }

    /// Whether a header of this name, in lower case, is removed.
    pub(crate) fn takes(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern {
            Pattern::Exact(exact) => name == exact,
            Pattern::Prefix(prefix) => name.starts_with(prefix),
            Pattern::Suffix(suffix) => name.ends_with(suffix),
            Pattern::Contains(part) => name.contains(part),
        })
    }

    /// Those of the breaker's own headers that are left.
    pub(crate) fn left_of_own(&self) -> Vec<&'static str> {
        OWN_HEADERS.into_iter().filter(|name| !self.takes(name)).collect()
    }
}

impl Pattern {
    fn of(matcher: &Node, [exact, prefix, suffix, contains]: [&str; 4]) -> Option<Self> {
        let text = |key| matcher.text_at(key).map(lower);
        None.or_else(|| text(exact).map(Self::Exact))
            .or_else(|| text(prefix).map(Self::Prefix))
            .or_else(|| text(suffix).map(Self::Suffix))
            .or_else(|| text(contains).map(Self::Contains))
    }
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The items of a list, if there is one.
fn items(list: Option<&Node>) -> &[Node] {
    match list {
        Some(Node { value: Value::List(nodes), .. }) => nodes,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse_yaml;

    fn of(mutations: &str) -> (Removal, Option<Position>) {
        let text = format!(
            "early_header_mutation_extensions:\n- typed_config:\n    '@type': \
             type.googleapis.com/envoy.extensions.http.{MUTATION}\n    mutations: {mutations}\n"
        );
        Removal::of_manager(&parse_yaml(&text).unwrap()[0])
    }

    #[test]
    fn headers_are_removed_by_name_or_by_a_part_of_it() {
        for mutations in [
            "[{ remove: X-Circuit-Breaker-State }]",
            "[{ remove_on_match: { key_matcher: { exact: x-circuit-breaker-state } } }]",
            "[{ remove_on_match: { key_matcher: { prefix: x-circuit-breaker-s } } }]",
            "[{ remove_on_match: { key_matcher: { suffix: -state } } }]",
            "[{ remove_on_match: { key_matcher: { contains: r-state } } }]",
        ] {
            let (removal, unknown) = of(mutations);
            assert!(removal.takes("x-circuit-breaker-state"), "{mutations}");
            assert!(!removal.takes("x-circuit-breaker-cluster"), "{mutations}");
            assert_eq!(unknown, None, "{mutations}");
        }
        assert_eq!(of("[]").0.left_of_own(), OWN_HEADERS);
        assert!(Removal::own().left_of_own().is_empty());
    }

    #[test]
    fn what_does_not_remove_is_told() {
        for mutations in [
            "[{ append: { header: { key: x-circuit-breaker-cluster, value: a } } }]",
            "[{ remove_on_match: { key_matcher: { safe_regex: { regex: x-.* } } } }]",
        ] {
            let (removal, unknown) = of(mutations);
            assert_eq!(removal.left_of_own(), OWN_HEADERS, "{mutations}");
            assert_eq!(unknown.map(|at| at.line), Some(4), "{mutations}");
        }
    }
}
