//! What the page on security promises is held by tests that exist, and what it lists is what the
//! sample allows.

use std::fs;

use anyhow::{Context, Result, ensure};
use envoy_harness::{parse_yaml, repo_root};
use serde_json::Value;
use tests::pages::Page;
use tests::rights::rights;

/// A promise is an item of a list; below it are items that name a file, and tests in it.
#[test]
fn every_promise_is_held_by_tests_that_exist() -> Result<()> {
    let page = Page::read("docs/security.md")?;
    let (_, section) = page.text().split_once("\n## What is promised").context("no promises")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let promises: Vec<_> = section.split("\n* ").skip(1).collect();
    for promise in &promises {
        let (text, held) =
            promise.split_once("\n  * ").with_context(|| format!("no test proves: {promise}"))?;
        ensure!(text.ends_with('.'), "no sentence: {text}");
        for file in held.split("\n  * ") {
            let mut named = file.split('`').skip(1).step_by(2);
            let path = named.next().context("no file")?;
            let source = fs::read_to_string(repo_root().join(path)).context(path.to_owned())?;
            let mut tests = usize::from(path.ends_with(".yaml"));
            for test in named {
                ensure!(source.contains(&format!("fn {test}(")), "{path} has no test {test}");
                tests += 1;
            }
            ensure!(tests > 0, "{path}: no test is named");
        }
    }
    ensure!(promises.len() > 10, "only {} promises", promises.len());
    Ok(())
}

/// Every plugin of the sample, since they share a VM: the first would decide for all.
#[test]
fn the_sample_allows_what_the_page_lists_and_no_more() -> Result<()> {
    let mut listed: Vec<String> = rights()?.into_iter().map(|right| right.name).collect();
    listed.sort_unstable();
    let sample = parse_yaml(&fs::read_to_string(repo_root().join("envoy/recipe.yaml"))?)?;
    let mut plugins = Vec::new();
    collect(&sample, &mut plugins);
    assert_eq!(plugins.len(), 2);
    for plugin in plugins {
        let allowed = &plugin["capability_restriction_config"]["allowed_capabilities"];
        let allowed = allowed.as_object().context("nothing is withheld")?;
        let mut names: Vec<_> = allowed.keys().cloned().collect();
        names.sort_unstable();
        assert_eq!(names, listed);
    }
    Ok(())
}

fn collect<'a>(value: &'a Value, plugins: &mut Vec<&'a Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, plugins)),
        Value::Object(members) if members.contains_key("vm_config") => plugins.push(value),
        Value::Object(members) => members.values().for_each(|member| collect(member, plugins)),
        _ => {}
    }
}
