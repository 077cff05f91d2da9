//! Whether one match leaves another nothing to match.

use crate::matching::glob::Glob;
use crate::matching::header::HeaderRule;
use crate::matching::host::Host;
use crate::matching::rules::Match;

impl Match {
    /// Whether each request that another match fits, this one fits, too. `false`, if that is not to be
    /// told from their entries one by one.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        // The proxy lets no request in that has no host.
        let any_host = self.hosts.iter().flatten().any(Host::is_any);
        (any_host || covers(self.hosts.as_deref(), other.hosts.as_deref(), Host::covers))
            && covers(
                self.path_prefixes.as_deref(),
                other.path_prefixes.as_deref(),
                |prefix, longer| longer.starts_with(prefix.as_str()),
            )
            && covers(self.methods.as_deref(), other.methods.as_deref(), String::eq)
            && covers(self.clusters.as_deref(), other.clusters.as_deref(), Glob::covers)
            && covers(self.headers.as_deref(), other.headers.as_deref(), HeaderRule::covers)
    }

    /// Whether it says no more than that what begins with this belongs to it, if that.
    pub(crate) fn is_shown_by(&self, path_prefix: &str) -> bool {
        let within = |prefixes: &Vec<String>| prefixes.iter().all(|it| it.starts_with(path_prefix));
        self.path_prefixes.as_ref().is_none_or(within)
            && self.hosts.is_none()
            && self.methods.is_none()
            && self.clusters.is_none()
            && self.headers.is_none()
    }

    /// How many entries may be compared to find out, and one.
    pub(crate) fn compared(&self, other: &Self) -> usize {
        fn pairs<R>(ours: &Option<Vec<R>>, theirs: &Option<Vec<R>>) -> usize {
            let count = |rules: &Option<Vec<R>>| rules.as_ref().map_or(0, Vec::len);
            count(ours).saturating_mul(count(theirs))
        }
        [
            pairs(&self.hosts, &other.hosts),
            pairs(&self.path_prefixes, &other.path_prefixes),
            pairs(&self.methods, &other.methods),
            pairs(&self.clusters, &other.clusters),
            pairs(&self.headers, &other.headers),
        ]
        .into_iter()
        .fold(1, usize::saturating_add)
    }
}

/// Whether what any of the other rules matches, one of these does; no rules match anything.
fn covers<R>(rules: Option<&[R]>, others: Option<&[R]>, covers: impl Fn(&R, &R) -> bool) -> bool {
    rules.is_none_or(|rules| {
        others.is_some_and(|others| {
            others.iter().all(|other| rules.iter().any(|rule| covers(rule, other)))
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

    use proptest::prelude::*;

    use crate::matching::samples::{a_match, a_request, configured, matches};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn whoever_includes_another_matches_all_that_it_does(
            pair in prop::collection::vec(a_match(), 2),
            requests in prop::collection::vec(a_request(), 1..40),
        ) {
            let config = configured(&pair);
            let [one, other] = [0, 1].map(|number| &config.services[number].matches);
            if one.includes(other) {
                for request in &requests {
                    prop_assert!(matches(one, request) || !matches(other, request), "{request:?}");
                }
            }
        }

        #[test]
        fn a_match_includes_itself(one in a_match()) {
            let config = configured(&[one]);
            let one = &config.services[0].matches;
            prop_assert!(one.includes(one));
        }
    }
}
