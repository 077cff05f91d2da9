//! `docs/component.md`, taken at its word: its examples run, and are what it says they are.

use std::fs::{self, File};
use std::path::Path;

#[allow(dead_code, reason = "its `main` looks for the component where an operator has it")]
#[path = "../../examples/guard.rs"]
mod example;

const PAGE: &str = include_str!("../../../../docs/component.md");
const WENT: [&str; 4] =
    ["to the service", "to the service", "to the service", "to payment-fallback"];

#[test]
fn the_example_in_rust_goes_as_the_page_says() {
    let went = example::run(&artifacts::component().unwrap()).unwrap();
    assert_eq!(went, WENT);
}

#[test]
fn the_example_in_javascript_goes_from_an_empty_folder_as_the_page_says() {
    let printed = run_in_an_empty_folder("JavaScript", "node/guard.mjs");
    assert!(printed.ends_with(&(WENT.join("\n") + "\n")), "{printed}");
}

#[test]
fn the_example_in_python_goes_from_an_empty_folder_as_the_page_says() {
    let printed = run_in_an_empty_folder("Python", "python/guard.py");
    assert!(printed.ends_with(&(WENT.join("\n") + "\n")), "{printed}");
}

/// Runs the commands below a heading, with the component and an example beside it. What they install is
/// kept for the next time, as long as they are the same.
fn run_in_an_empty_folder(language: &str, example: &str) -> String {
    let commands = commands_below(&format!("## In {language}\n"));
    let installing = commands.iter().rposition(|line| line.contains(" install ")).unwrap();
    let (install, rest) = commands.split_at(installing + 1);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = here.join("../../target/docs");
    fs::create_dir_all(&target).unwrap();
    let lock = File::create(target.join(format!("{language}.lock"))).unwrap();
    lock.lock().unwrap();

    let folder = target.join(language);
    let installed = target.join(format!("{language}.installed"));
    let install = install.join("\n");
    if fs::read_to_string(&installed).ok().as_ref() != Some(&install) {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        run(&folder, &install);
        fs::write(installed, &install).unwrap();
    }
    for file in [artifacts::component().unwrap(), here.join(example)] {
        fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
    }
    run(&folder, &rest.join("\n"))
}

fn run(folder: &Path, lines: &str) -> String {
    let output =
        host_test_component::node::shell(lines).unwrap().current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{lines}\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn commands_below(heading: &str) -> Vec<&'static str> {
    let (_, below) = PAGE.split_once(heading).unwrap();
    let (_, block) = below.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0.lines().collect()
}

#[test]
fn the_examples_on_the_page_are_the_ones_that_run() {
    for (language, file) in [
        ("rust", include_str!("../../examples/guard.rs")),
        ("js", include_str!("../../node/guard.mjs")),
        ("python", include_str!("../../python/guard.py")),
    ] {
        assert!(PAGE.contains(&format!("```{language}\n{file}```\n")), "{language}");
    }
}

#[test]
fn every_exported_function_is_on_the_page() {
    let world = include_str!("../../../../wit/breaker.wit");
    let functions: Vec<_> = world.lines().filter_map(|line| line.split_once(": func(")).collect();
    assert_eq!(functions.len(), 12);
    for (name, _) in functions {
        assert!(PAGE.contains(&format!("| `{}` |", name.trim())), "{name}");
    }
}

#[test]
fn the_names_on_the_page_have_the_worlds_version() {
    let world = include_str!("../../../../wit/world.wit");
    let (_, package) = world.split_once("package ").unwrap();
    let (package, version) = package.split_once(';').unwrap().0.split_once('@').unwrap();
    for interface in ["store", "breaker"] {
        assert!(PAGE.contains(&format!("`{package}/{interface}@{version}`")), "{interface}");
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
