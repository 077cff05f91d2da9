//! Finds the services that a request may belong to without a look at the others.
//!
//! Each service is entered under the keys of one kind of its match: the kind whose keys it shares with
//! the fewest others. A request that matches has one of these keys, so that only services found by
//! its keys are tested, in their order, and those that have no such kind. All keys are in one sorted
//! list; a hash table would bring a source of randomness into the module.

use std::collections::BinaryHeap;

use crate::matching::header::ValueRule;
use crate::matching::host::{Host, Name, name_of};
use crate::matching::request::Request;
use crate::matching::rules::Match;

/// So few services are sooner tested than looked up.
const FEW: usize = 8;

/// What a key is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The host's name, in lower case.
    Host,
    /// The end of the host, from one of its dots on.
    HostEnd,
    /// The beginning of the path.
    PathStart,
    /// The name and value of a header, with a NUL between them.
    Header,
    Cluster,
    /// The beginning of the cluster.
    ClusterStart,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Kind, Vec<u8>);

impl Key {
    #[inline]
    fn parts(&self) -> (Kind, &[u8]) {
        (self.0, &self.1)
    }
}

/// Services in the order of their keys, and with the same key in their own. A key may have several,
/// and a service several keys.
#[derive(Debug, Default)]
struct Entries(Vec<(Key, usize)>);

impl Entries {
    /// By a heap: any other way to sort would make the module larger.
    fn sorted(entries: Vec<(Key, usize)>) -> Self {
        Self(BinaryHeap::from(entries).into_sorted_vec())
    }

    #[inline]
    fn of(&self, kind: Kind, text: &[u8]) -> impl ExactSizeIterator<Item = usize> {
        let start = self.0.partition_point(|(key, _)| key.parts() < (kind, text));
        let rest = self.0.get(start..).unwrap_or_default();
        let count = rest.partition_point(|(key, _)| key.parts() == (kind, text));
        rest.iter().take(count).map(|(_, service)| *service)
    }
}

/// The services by their keys.
#[derive(Debug, Default)]
pub struct Index {
    entries: Entries,
    /// How long the beginnings are, of paths and of clusters.
    path_starts: Vec<usize>,
    cluster_starts: Vec<usize>,
    header_names: Vec<Vec<u8>>,
    /// Those without keys.
    others: Vec<usize>,
}

impl Index {
    /// `None`: there are so few that all may be tested.
    pub fn new<'a>(matches: impl ExactSizeIterator<Item = &'a Match>) -> Option<Self> {
        if matches.len() <= FEW {
            return None;
        }
        let choices: Vec<Vec<Vec<Key>>> = matches.map(keys).collect();
        let mut all = Vec::new();
        for keys in choices.iter().flatten() {
            all.extend(keys.iter().map(|key| (key.clone(), 0)));
        }
        let all = Entries::sorted(all);
        let most_shared =
            |keys: &Vec<Key>| keys.iter().map(|key| all.of(key.0, &key.1).len()).max();
        let (mut index, mut entries) = (Self::default(), Vec::new());
        for (service, kinds) in choices.into_iter().enumerate() {
            match kinds.into_iter().min_by_key(most_shared) {
                Some(keys) => {
                    keys.iter().for_each(|key| index.note(key));
                    entries.extend(keys.into_iter().map(|key| (key, service)));
                }
                None => index.others.push(service),
            }
        }
        index.entries = Entries::sorted(entries);
        Some(index)
    }

    /// Notes what to look for in a request.
    fn note(&mut self, key: &Key) {
        match key.0 {
            Kind::PathStart => insert(&mut self.path_starts, key.1.len()),
            Kind::ClusterStart => insert(&mut self.cluster_starts, key.1.len()),
            Kind::Header => {
                let name = key.1.split(|byte| *byte == 0).next().unwrap_or_default();
                if !self.header_names.iter().any(|known| known == name) {
                    self.header_names.push(name.to_vec());
                }
            }
            Kind::Host | Kind::HostEnd | Kind::Cluster => {}
        }
    }

    /// The services that a request may belong to, in their order.
    pub fn candidates(&self, request: &impl Request) -> Vec<usize> {
        let mut found = self.others.clone();
        if let Some(authority) = request.authority() {
            let host = name_of(authority).to_ascii_lowercase();
            self.find(Kind::Host, &host, &mut found);
            for (dot, _) in host.iter().enumerate().filter(|(_, byte)| **byte == b'.') {
                self.find(Kind::HostEnd, host.get(dot..).unwrap_or_default(), &mut found);
            }
        }
        if let Some(path) = request.path() {
            self.find_starts(Kind::PathStart, path, &self.path_starts, &mut found);
        }
        for name in &self.header_names {
            for value in request.values(name) {
                self.find(Kind::Header, &header_key(name, value), &mut found);
            }
        }
        if let Some(cluster) = request.cluster() {
            self.find(Kind::Cluster, cluster, &mut found);
            self.find_starts(Kind::ClusterStart, cluster, &self.cluster_starts, &mut found);
        }
        found
    }

    #[inline]
    fn find_starts(&self, kind: Kind, text: &[u8], lengths: &[usize], found: &mut Vec<usize>) {
        for start in lengths.iter().map_while(|len| text.get(..*len)) {
            self.find(kind, start, found);
        }
    }

    #[inline]
    fn find(&self, kind: Kind, text: &[u8], found: &mut Vec<usize>) {
        self.entries.of(kind, text).for_each(|service| insert(found, service));
    }
}

/// Puts a number where it belongs, unless it is there.
#[inline]
fn insert(numbers: &mut Vec<usize>, number: usize) {
    let place = numbers.partition_point(|known| *known < number);
    if numbers.get(place) != Some(&number) {
        numbers.insert(place, number);
    }
}

#[inline]
fn header_key(name: &[u8], value: &[u8]) -> Vec<u8> {
    [name, value].join(&0)
}

/// The keys of each kind of a match, one of which a request that matches has. A kind is left out if
/// an entry of it has no key.
fn keys(of: &Match) -> Vec<Vec<Key>> {
    let mut found = Vec::new();
    if let Some(hosts) = &of.hosts {
        let key = |host: &Host| match &host.name {
            Name::Any => None,
            Name::One(name) => Some(Key(Kind::Host, name.as_bytes().to_vec())),
            Name::Below(end) => Some(Key(Kind::HostEnd, end.as_bytes().to_vec())),
        };
        add_all(&mut hosts.iter().map(key), &mut found);
    }
    if let Some(globs) = &of.clusters {
        let key = |(start, is_all): (&str, bool)| match (start, is_all) {
            (name, true) => Some(Key(Kind::Cluster, name.as_bytes().to_vec())),
            ("", false) => None,
            (start, false) => Some(Key(Kind::ClusterStart, start.as_bytes().to_vec())),
        };
        add_all(&mut globs.iter().map(|glob| key(glob.start())), &mut found);
    }
    if let Some(rules) = &of.headers {
        let key = |value: &ValueRule, name: &str| match value {
            ValueRule::Exact(value) => {
                Some(Key(Kind::Header, header_key(name.as_bytes(), value.as_bytes())))
            }
            ValueRule::Prefix(_) | ValueRule::Present(_) => None,
        };
        add_all(&mut rules.iter().map(|rule| key(&rule.value, &rule.name)), &mut found);
    }
    if let Some(prefixes) = &of.path_prefixes {
        let key = |it: &String| Some(Key(Kind::PathStart, it.as_bytes().to_vec()));
        add_all(&mut prefixes.iter().map(key), &mut found);
    }
    found
}

/// Adds all of these, if none is missing.
fn add_all(keys: &mut dyn Iterator<Item = Option<Key>>, found: &mut Vec<Vec<Key>>) {
    let mut all = Vec::new();
    for key in keys {
        let Some(key) = key else { return };
        all.push(key);
    }
    found.push(all);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::matching::samples::{self, a_match, a_request, configured, matches};
    use crate::model::Config;

    fn index(config: &Config) -> Option<Index> {
        Index::new(config.services.iter().map(|service| &service.matches))
    }

    /// The candidates, and those of all services that match.
    fn both(config: &Config, request: &samples::Request) -> (Vec<usize>, Vec<usize>) {
        let all = config.services.iter().enumerate();
        let matching = all.filter(|(_, service)| matches(&service.matches, request));
        let matching = matching.map(|(number, _)| number).collect();
        (index(config).unwrap().candidates(request), matching)
    }

    proptest! {
        #[test]
        fn whoever_matches_is_a_candidate(
            matches in prop::collection::vec(a_match(), FEW + 1..30),
            requests in prop::collection::vec(a_request(), 1..20),
        ) {
            let config = configured(&matches);
            for request in &requests {
                let (candidates, matching) = both(&config, request);
                prop_assert!(candidates.is_sorted());
                for service in matching {
                    prop_assert!(candidates.contains(&service), "{service}: {request:?}");
                }
            }
        }
    }

    /// How a service of this number is told.
    type Way = fn(usize) -> Value;

    fn thousand(matches: Way) -> Config {
        configured(&(0..1000).map(matches).collect::<Vec<_>>())
    }

    /// By whatever a thousand services are distinguished, a request is tested against the one it is for.
    #[test]
    fn of_a_thousand_services_one_is_tested() {
        let ways: [(&str, Way); 6] = [
            ("hosts", |n| json!({"hosts": [format!("s{n}.example")]})),
            ("ends of hosts", |n| json!({"hosts": [format!("*.s{n}.example")]})),
            ("paths", |n| json!({"hosts": ["one.example"], "path_prefixes": [format!("/s{n}/")]})),
            ("clusters", |n| json!({"path_prefixes": ["/"], "clusters": [format!("s{n}")]})),
            ("globs", |n| json!({"clusters": [format!("outbound|80||s{n}.*")]})),
            ("headers", |n| json!({"headers": [{"name": "x-tenant", "exact": format!("s{n}")}]})),
        ];
        let requests: [samples::Request; 6] = [
            ("S700.example:80", "/", None, Vec::new()),
            ("a.b.s700.example", "/", None, Vec::new()),
            ("one.example", "/s700/x", None, Vec::new()),
            ("any", "/", Some("s700"), Vec::new()),
            ("any", "/", Some("outbound|80||s700.default"), Vec::new()),
            ("any", "/", None, vec!["other", "s700"]),
        ];
        for ((way, matches), request) in ways.into_iter().zip(requests) {
            assert_eq!(both(&thousand(matches), &request), (vec![700], vec![700]), "{way}");
        }
    }

    #[test]
    fn a_thousand_services_with_long_lists_are_indexed_in_bounded_time() {
        let hosts: Vec<_> = (0..200).map(|number| format!("h{number}.example")).collect();
        let config = configured(&vec![json!({"hosts": hosts}); 1024]);
        let begun = Instant::now();
        assert!(index(&config).is_some());
        // Key by key into a sorted list, it would be minutes.
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn services_without_a_key_are_tested_always_and_in_their_order() {
        let mut matches = vec![json!({"hosts": ["a.b"]}); FEW];
        matches.insert(3, json!({"headers": [{"name": "x-tenant", "present": true}]}));
        matches.push(json!({"clusters": ["*"], "hosts": ["c"]}));
        matches.push(json!({}));
        let config = configured(&matches);
        assert_eq!(both(&config, &("none", "/", None, Vec::new())).0, [3, 10]);
        let all: Vec<_> = (0..FEW + 1).chain([10]).collect();
        assert_eq!(both(&config, &("a.b", "/", None, Vec::new())).0, all);
    }

    #[test]
    fn few_services_are_not_looked_up() {
        assert!(index(&configured(&vec![json!({}); FEW])).is_none());
    }
}
