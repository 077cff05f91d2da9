//! What the pages on operations and troubleshooting list is what there is, and does what they say.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result, ensure};
use envoy_harness::repo_root;
use serde_json::json;
use tests::pages::Page;
use tests::{Edge, PAYMENT};

/// What stands in backticks at the beginning of the rows of a page's section, up to a brace.
fn listed(page: &Page, heading: &str) -> Result<BTreeSet<String>> {
    let (_, section) =
        page.text().split_once(&format!("\n## {heading}\n")).context("no section")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    Ok(rows.filter_map(|row| Some(row.split(['`', '{']).next()?.to_owned())).collect())
}

fn sources() -> io::Result<Vec<PathBuf>> {
    let mut folders = vec![repo_root().join("plugin/filter/src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

#[test]
fn every_event_that_is_logged_is_on_the_page() -> Result<()> {
    let mut logged = BTreeSet::new();
    for path in sources()? {
        let text = fs::read_to_string(path)?;
        logged.extend(text.split("event=").skip(1).map(|rest| {
            let is_name = |c: &char| c.is_ascii_lowercase() || *c == '_';
            rest.chars().take_while(is_name).collect::<String>()
        }));
    }
    ensure!(logged.len() > 5, "{logged:?}");
    assert_eq!(listed(&Page::read("docs/operations.md")?, "Log")?, logged);
    Ok(())
}

#[tokio::test]
async fn every_metric_is_on_the_page() -> Result<()> {
    let plugin = json!({ "services": [{ "name": PAYMENT }] });
    let edge = Edge::start(plugin, 1).await?;
    let stats = edge.envoy.stats().await?;
    let names = stats.matching("edge_breaker_").map(|(name, _)| name);
    // Labels stand before the name. Envoy has others of its own, about the plugin `edge-breaker`.
    let names = names.filter(|name| name.starts_with("wasmcustom."));
    let names = names.filter_map(|name| name.split_once("edge_breaker_"));
    let mut there: BTreeSet<_> = names.map(|(_, name)| format!("edge_breaker_{name}")).collect();
    ensure!(there.remove("edge_breaker_record_version"), "{there:?}");
    let mut listed = listed(&Page::read("docs/operations.md")?, "Metrics")?;
    listed.retain(|name| name.starts_with("edge_breaker_"));
    assert_eq!(listed, there);
    Ok(())
}

#[test]
fn every_field_of_the_configuration_is_on_its_page() -> Result<()> {
    let page = Page::read("docs/configuration.md")?;
    let schema = fs::read_to_string(repo_root().join("envoy/edge-breaker.schema.json"))?;
    let schema: serde_json::Value = serde_json::from_str(&schema)?;
    let objects = schema["$defs"].as_object().context("no objects")?;
    let properties = objects.values().chain([&schema]).map(|object| &object["properties"]);
    let fields: BTreeSet<_> =
        properties.filter_map(|it| it.as_object()).flat_map(|it| it.keys()).collect();
    ensure!(fields.len() > 50, "{fields:?}");
    let absent = |field: &&&String| {
        !["`", ".", "{ \""].iter().any(|before| page.text().contains(&format!("{before}{field}")))
    };
    assert_eq!(fields.iter().filter(absent).collect::<Vec<_>>(), Vec::<&&String>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_for_an_emergency_do_what_the_page_says() -> Result<()> {
    let page = Page::read("docs/troubleshooting.md")?;
    let block = page.blocks_of("sh").find(|it| it.contains("send()")).context("no commands")?;
    let (function, commands) = block.split_once('\n').context("no commands")?;
    let edge = Edge::start(json!({ "services": [{ "name": PAYMENT }] }), 1).await?;
    let admin = edge.url("/circuit-breaker");
    let mut states = Vec::new();
    for command in commands.lines() {
        let script = format!("{function}\n{command}");
        let done = Command::new("sh").args(["-c", &script]).env("admin", &admin).output()?;
        ensure!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
        states.push(edge.breaker(PAYMENT).await?.state);
    }
    assert_eq!(states, ["DISABLED", "FORCED_OPEN", "CLOSED", "CLOSED"]);
    Ok(())
}
