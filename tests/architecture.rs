//! The direction of dependencies: inward, and nothing else.
//!
//! `breaker <- {config, fleet, shared} <- filter <- proxy-wasm`; hosts and demos know the built module, never the
//! plugin's code, but for the native host, the rules that are asked natively, and how durations are written.
//! A new package has to be given its place here.

mod imports;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand, Package};

/// What a package may depend on.
struct Rule {
    package: &'static str,
    /// Packages of the workspace.
    inside: &'static [&'static str],
    /// Packages from elsewhere; `None`: any.
    outside: Option<&'static [&'static str]>,
}

const fn plugin(
    package: &'static str,
    inside: &'static [&'static str],
    outside: &'static [&'static str],
) -> Rule {
    Rule { package, inside, outside: Some(outside) }
}

const fn tool(package: &'static str, inside: &'static [&'static str]) -> Rule {
    Rule { package, inside, outside: None }
}

/// Every package of the workspace.
const RULES: &[Rule] = &[
    plugin("breaker", &[], &[]),
    plugin("shared", &["breaker"], &[]),
    plugin("fleet", &["breaker"], &["base64", "serde", "serde_json"]),
    plugin("config", &["breaker"], &["serde", "serde_json", "siphasher"]),
    plugin("filter", &["breaker", "config", "fleet", "shared"], &["lz4_flex"]),
    plugin("plugin-proxy-wasm", &["filter"], &[]),
    plugin("plugin-proxy-wasm-module", &["plugin-proxy-wasm"], &[]),
    plugin("plugin-component", &["filter"], &["wit-bindgen"]),
    plugin("plugin-dynamic-module", &["filter"], &["libc"]),
    tool("package", &["config"]),
    tool("artifacts", &[]),
    tool("host-test-proxy-wasm", &["artifacts"]),
    tool("host-test-component", &["artifacts"]),
    tool("host-test-dynamic-module", &["plugin-dynamic-module"]),
    tool("scenario", &["config"]),
    tool("world", &["artifacts", "config", "host-test-proxy-wasm"]),
    tool(
        "hosts",
        &[
            "artifacts",
            "breaker",
            "filter",
            "host-test-component",
            "host-test-dynamic-module",
            "envoy-harness",
            "scenario",
            "host-test-proxy-wasm",
        ],
    ),
    tool(
        "breakerctl",
        &[
            "artifacts",
            "config",
            "host-test-proxy-wasm",
            "hosts",
            "recipe",
            "rules",
            "services",
            "scenario",
        ],
    ),
    plugin("empty-filter", &[], &["proxy-wasm"]),
    tool("services", &[]),
    tool("envoy-harness", &["artifacts"]),
    tool("recipe", &["services"]),
    tool("demo", &["envoy-harness", "recipe", "services"]),
    tool("bench", &["artifacts", "envoy-harness", "tests"]),
    tool("breakers", &["breaker", "shared"]),
    tool("rules", &["breaker", "config", "filter"]),
    tool("decisions", &["breaker", "rules"]),
    tool("tests-model", &["breaker", "shared"]),
    // Nothing with a WebAssembly engine in it: see `make test`.
    tool("tests-envoy", &["envoy-harness", "package", "services", "tests"]),
    tool("tests-dynamic-module", &["artifacts", "envoy-harness", "services", "tests"]),
    tool(
        "tests",
        &[
            "artifacts",
            "breaker",
            "filter",
            "host-test-component",
            "envoy-harness",
            "hosts",
            "package",
            "services",
            "scenario",
            "world",
            "host-test-proxy-wasm",
        ],
    ),
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
    for package in packages {
        let name = package.name.as_str();
        let rule = RULES.iter().find(|rule| rule.package == name).unwrap_or_else(|| {
            panic!("{name} has no rule: say in tests/architecture.rs what it may depend on")
        });
        for dependency in &package.dependencies {
            let needed = dependency.name.as_str();
            let of_workspace = members.contains(needed);
            // Tests and build scripts end up in no module.
            if dependency.kind != DependencyKind::Normal && !of_workspace {
                continue;
            }
            let allowed = match rule.outside {
                _ if of_workspace => rule.inside.contains(&needed),
                Some(outside) => outside.contains(&needed),
                None => true,
            };
            assert!(allowed, "{name} must not depend on {needed}");
        }
    }
}

#[test]
fn every_rule_is_about_a_package() {
    let (members, _) = workspace();
    let ruled: BTreeSet<_> = RULES.iter().map(|rule| rule.package.to_owned()).collect();
    assert_eq!(ruled, members);
}

#[test]
fn a_package_is_named_for_its_folder_or_the_path_to_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the root");
    let (_, packages) = workspace();
    for package in packages {
        let folder = package.manifest_path.parent().expect("a folder").as_std_path();
        let path: Vec<_> = folder.strip_prefix(&root).expect("inside").iter().collect();
        let path: Vec<_> = path.iter().map(|it| it.to_string_lossy()).collect();
        let name = package.name.as_str();
        let fits = name == path.join("-") || path.last().is_some_and(|last| last == name);
        assert!(fits, "{name} is in {}", path.join("/"));
    }
}

#[test]
fn no_files_of_a_package_import_each_other_in_a_circle() {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin");
    for package in fs::read_dir(plugin).expect("the packages of the plugin") {
        let package = package.expect("a package");
        let name = package.file_name().to_string_lossy().into_owned();
        let src = package.path().join("src");
        if src.is_dir() {
            let circle = imports::circle(&imports::of_package(&src));
            assert_eq!(circle, None, "in plugin/{name}/src, each imports the next");
        }
    }
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
