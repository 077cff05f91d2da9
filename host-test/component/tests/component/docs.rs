//! `docs/component.md`, taken at its word: its examples run, and are what it says they are.

use std::path::Path;

use crate::node;

#[allow(dead_code, reason = "its `main` looks for the component where an operator has it")]
#[path = "../../examples/guard.rs"]
mod example;

const PAGE: &str = include_str!("../../../../docs/component.md");
const WENT: [&str; 4] =
    ["to the service", "to the service", "to the service", "to payment-fallback"];

#[test]
fn the_example_in_rust_goes_as_the_page_says() {
    let component = "../../target/wasm/edge_breaker_component.wasm";
    let went = example::run(&Path::new(env!("CARGO_MANIFEST_DIR")).join(component)).unwrap();
    assert_eq!(went, WENT);
}

#[test]
fn the_example_in_javascript_goes_as_the_page_says() {
    let printed = node::run_on_component("example.mjs", &[]);
    assert_eq!(printed.lines().collect::<Vec<_>>(), WENT);
}

#[test]
fn the_examples_on_the_page_are_the_ones_that_run() {
    for (language, file) in [
        ("rust", include_str!("../../examples/guard.rs")),
        ("js", include_str!("../../node/example.mjs")),
    ] {
        assert!(PAGE.contains(&format!("```{language}\n{file}```\n")), "{language}");
    }
}

#[test]
fn every_exported_function_is_on_the_page() {
    let world = include_str!("../../../../wit/breaker.wit");
    let functions: Vec<_> = world.lines().filter_map(|line| line.split_once(": func(")).collect();
    assert_eq!(functions.len(), 11);
    for (name, _) in functions {
        assert!(PAGE.contains(&format!("| `{}` |", name.trim())), "{name}");
    }
}

#[test]
fn every_page_that_it_points_to_is_there() {
    let prose: String = PAGE.split("```").step_by(2).collect();
    for rest in prose.split("](").skip(1) {
        let target = rest.split([')', '#']).next().unwrap();
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        assert!(docs.join(target).exists(), "{target}");
    }
}
