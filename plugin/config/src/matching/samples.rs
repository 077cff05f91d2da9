//! Matches and requests that may have to do with each other, for tests of what holds for all of them.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::matching::request;
use crate::matching::rules::Match;
use crate::model::Config;

/// A request, as far as it is matched.
pub(super) type Request = (&'static str, &'static str, Option<&'static str>, Vec<&'static str>);

/// A service for each match.
pub(super) fn configured(matches: &[Value]) -> Config {
    let services: Vec<_> = matches
        .iter()
        .enumerate()
        .map(|(number, matches)| json!({"name": format!("s{number}"), "match": matches}))
        .collect();
    Config::parse(json!({"services": services}).to_string().as_bytes()).unwrap()
}

impl request::Request for Request {
    fn authority(&self) -> Option<&[u8]> {
        Some(self.0.as_bytes())
    }

    fn path(&self) -> Option<&[u8]> {
        Some(self.1.as_bytes())
    }

    fn method(&self) -> Option<&[u8]> {
        Some(b"GET")
    }

    fn cluster(&self) -> Option<&[u8]> {
        self.2.map(str::as_bytes)
    }

    fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let tenants = self.3.iter().filter(move |_| name == b"x-tenant");
        tenants.map(|tenant| tenant.as_bytes())
    }
}

pub(super) fn matches(of: &Match, request: &Request) -> bool {
    of.matches(request)
}

const HOSTS: [&str; 12] = [
    "a.b",
    "A.B:80",
    "x.a.b",
    "a.b.c:",
    "b",
    ".b",
    "[::1]:80",
    "[::1]",
    "a.b:8443",
    "a.b.",
    "x.A.b.:8443",
    "a.b..",
];

pub(super) fn a_match() -> impl Strategy<Value = Value> {
    let some = |of: &'static [&'static str]| {
        prop::option::weighted(0.4, prop::collection::vec(select(of), 1..3))
    };
    let hosts = some(&[
        "a.b", "*.b", "*.a.b", "a.b:80", "A.b:8443", "[::1]", "b", "*", "*.b:8443", "*:80", "a.b.",
    ]);
    let paths = some(&["/", "/a", "/ab", "/a/b", "/b"]);
    let clusters = some(&["c", "c*", "*", "*d", "cd", "c*d", "d*"]);
    let headers = prop::option::weighted(
        0.3,
        prop::collection::vec(
            select(vec![
                json!({"name": "X-Tenant", "exact": "g"}),
                json!({"name": "x-tenant", "exact": ""}),
                json!({"name": "x-tenant", "prefix": "g"}),
                json!({"name": "x-tenant", "present": false}),
                json!({"name": "x-other", "exact": "g"}),
            ]),
            1..3,
        ),
    );
    let methods = some(&["GET", "POST"]);
    let kinds = (hosts, paths, clusters, headers, methods);
    kinds.prop_map(|(hosts, paths, clusters, headers, methods)| {
        json!({
            "hosts": hosts, "path_prefixes": paths, "clusters": clusters, "headers": headers,
            "methods": methods,
        })
    })
}

pub(super) fn a_request() -> impl Strategy<Value = Request> {
    (
        select(&HOSTS[..]),
        select(&["/", "/a", "/ab?c", "/a/b/c", "*", ""][..]),
        prop::option::of(select(&["c", "cd", "cxd", "d", ""][..])),
        prop::collection::vec(select(&["g", "gg", "", "h"][..]), 0..3),
    )
}
