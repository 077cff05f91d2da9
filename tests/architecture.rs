//! The direction of dependencies: inward, and nothing else.
//!
//! `breaker <- filter <- proxy-wasm`; hosts and demos know the built module, never the plugin's
//! code. A new package has to be given its place here.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand, Package};

/// Every package of the workspace, and what it may depend on: packages of the workspace in the
/// second place; in the third, packages from elsewhere, where there is a limit to them.
const PLACES: &[(&str, &[&str], Option<&[&str]>)] = &[
    ("breaker", &[], Some(&[])),
    (
        "breaker-filter",
        &["breaker"],
        Some(&["httpdate", "humantime", "serde", "serde_json", "serde_path_to_error"]),
    ),
    ("breaker-proxy-wasm", &["breaker-filter"], Some(&["proxy-wasm"])),
    ("module-trim", &[], None),
    ("empty-filter", &[], Some(&["proxy-wasm"])),
    ("recipe-services", &[], None),
    ("envoy-harness", &[], None),
    ("recipe-demo", &["envoy-harness", "recipe-services"], None),
    ("edge-breaker-bench", &["envoy-harness"], None),
    ("edge-breaker-tests", &["envoy-harness", "recipe-services"], None),
];

fn workspace() -> (BTreeSet<String>, Vec<Package>) {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata");
    let names = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    (names, metadata.packages)
}

#[test]
fn dependencies_point_inward() {
    let (members, packages) = workspace();
    let places: BTreeMap<_, _> =
        PLACES.iter().map(|(name, inside, outside)| (*name, (*inside, *outside))).collect();
    for package in packages {
        let name = package.name.as_str();
        let (inside, outside) = places.get(name).unwrap_or_else(|| {
            panic!("{name} has no place: say in tests/architecture.rs what it may depend on")
        });
        for dependency in &package.dependencies {
            let needed = dependency.name.as_str();
            let of_workspace = members.contains(needed);
            if dependency.kind == DependencyKind::Development && !of_workspace {
                continue;
            }
            let allowed = match outside {
                _ if of_workspace => inside.contains(&needed),
                Some(outside) => outside.contains(&needed),
                None => true,
            };
            assert!(allowed, "{name} must not depend on {needed}");
        }
    }
}

#[test]
fn every_place_is_taken() {
    let (members, _) = workspace();
    let places: BTreeSet<_> = PLACES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(places, members);
}

#[test]
fn the_module_is_no_library_beside() {
    // A `cdylib` that is an `rlib` as well silently loses link-time optimisation.
    let (_, packages) = workspace();
    for package in packages {
        for target in &package.targets {
            let kinds: Vec<_> = target.kind.iter().map(ToString::to_string).collect();
            if kinds.iter().any(|kind| kind == "cdylib") {
                assert_eq!(kinds, ["cdylib"], "{}", package.name);
            }
        }
    }
}
