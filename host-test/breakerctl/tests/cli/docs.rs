//! The page about the tool: what it shows is what happens.

use std::fs;

use crate::support::{Ran, breakerctl, repository};

/// The blocks of code of the page: what they are of, and their text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut parts = page.split("\n```");
    parts.next();
    // What is between fences is every other part.
    parts.step_by(2).map(|part| part.split_once('\n').expect("a block of code")).collect()
}

#[test]
fn the_examples_of_the_page_print_what_it_shows() {
    let page = fs::read_to_string(repository().join("docs/breakerctl.md")).unwrap();
    let room = tempfile::tempdir().unwrap();
    let mut examples = Vec::new();
    for (title, text) in blocks(&page) {
        match title.split_once(' ') {
            Some((_, file)) => fs::write(room.path().join(file), format!("{text}\n")).unwrap(),
            None if title == "console" => examples.push(text),
            None => {}
        }
    }
    assert_eq!(examples.len(), 2);
    for example in examples {
        let (command, shown) = example.split_once('\n').unwrap_or((example, ""));
        let args = command.strip_prefix("$ breakerctl ").expect(command).split(' ');
        let mut tool = breakerctl();
        tool.args(args).current_dir(room.path());
        tool.env("EDGE_BREAKER_WASM", artifacts::proxy_wasm().unwrap());
        let ran = Ran::from(tool.output().unwrap());
        assert_eq!(ran.stdout.trim_end(), shown, "{command}: {ran:?}");
    }
}

#[test]
fn every_command_helps_with_an_example_of_itself() {
    for command in [
        "check",
        "status",
        "watch",
        "open",
        "close",
        "disable",
        "enable",
        "metrics-only",
        "reset",
        "simulate",
        "advise",
        "serve",
    ] {
        let ran = crate::support::run(&[command, "--help"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains(&format!("  breakerctl {command} ")), "{ran:?}");
        assert!(ran.stdout.contains("--json") && ran.stdout.contains("Exit status:"), "{ran:?}");
    }
    for command in ["demo", "schema", "completions", "man"] {
        let ran = crate::support::run(&[command, "--help"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains(&format!("breakerctl {command}")), "{ran:?}");
        assert!(ran.stdout.contains("Exit status:"), "{ran:?}");
    }
}
