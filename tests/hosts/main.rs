//! One probe, run in the native host and in a real Envoy, and what each of them lets it see.
//!
//! Both transcripts have to be the same, line by line, but for the [differences] that are known.
//! `HOSTS_TRANSCRIPT=1` prints them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that panics has failed, as it should"
)]

mod differences;
mod envoy;
mod guest;
mod native;
mod probes;
mod service;

use std::collections::BTreeSet;

use crate::differences::KNOWN;
use crate::probes::PROBES;

/// What a probe and its client saw, as `label: value`.
type Transcript = Vec<String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_native_host_does_as_envoy_does_but_for_the_differences_that_are_known() {
    let module = guest::module();
    let native = native::run(&module);
    let envoy = envoy::run(&module).await.expect("an Envoy");
    let mut unexpected = Vec::new();
    let mut found = BTreeSet::new();
    for ((probe, native), envoy) in PROBES.iter().zip(native).zip(envoy) {
        if std::env::var_os("HOSTS_TRANSCRIPT").is_some() {
            println!("{}\n  {}", probe.about, envoy.join("\n  "));
        }
        assert!(!envoy.is_empty() && !native.is_empty(), "{}: nothing was seen", probe.about);
        for number in 0..native.len().max(envoy.len()) {
            let line = |of: &Transcript| of.get(number).cloned().unwrap_or_default();
            let (ours, theirs) = (line(&native), line(&envoy));
            if ours == theirs {
                continue;
            }
            let is_known = |known: &differences::Difference| {
                (known.probe, known.native, known.envoy) == (probe.about, &*ours, &*theirs)
            };
            match KNOWN.iter().position(is_known) {
                Some(known) => drop(found.insert(known)),
                None => unexpected
                    .push(format!("{}:\n    native {ours:?}\n    Envoy  {theirs:?}", probe.about)),
            }
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    let gone = KNOWN.iter().enumerate().filter(|(number, _)| !found.contains(number));
    let gone: Vec<_> = gone.map(|(_, known)| known.native).collect();
    assert!(gone.is_empty(), "these are no differences any more: {gone:?}");
}

#[test]
fn each_known_difference_has_a_reason_and_is_in_the_readme() {
    let readme = envoy_harness::repo_root().join("host-test/proxy-wasm/README.md");
    let readme = std::fs::read_to_string(readme).expect("the README of the host");
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    for known in KNOWN {
        assert!(readme.contains(known.reason), "{}", known.reason);
    }
}

#[test]
fn every_behaviour_that_is_compared_is_in_the_readme() {
    let readme = envoy_harness::repo_root().join("host-test/proxy-wasm/README.md");
    let readme = std::fs::read_to_string(readme).expect("the README of the host");
    for probe in PROBES {
        assert!(readme.contains(&format!("| {} |", probe.about)), "{}", probe.about);
    }
}
