//! The pages, taken at their word: what is written in them parses, leads somewhere, and works.

mod envoy;
mod events;
mod operations;
mod security;
mod style;

use anyhow::{Context, Result, ensure};
use envoy_harness::{parse_yaml, parse_yaml_documents, repo_root};
use tests::pages::{Page, pages};

#[test]
fn every_block_of_yaml_and_json_parses() -> Result<()> {
    let mut parsed = 0;
    for page in pages()? {
        for (kind, text) in page.blocks() {
            let language = kind.split(' ').next().unwrap_or_default();
            let whole = match language {
                "yaml" => parse_yaml_documents(text).map(drop),
                "json" => {
                    serde_json::from_str::<serde_json::Value>(text).map(drop).map_err(Into::into)
                }
                _ => continue,
            };
            whole.with_context(|| format!("{}: ```{kind}\n{text}", page.name))?;
            parsed += 1;
        }
    }
    ensure!(parsed > 35, "only {parsed} blocks");
    Ok(())
}

/// What is copied from there parses, too; that it works is shown where it is run.
#[test]
fn every_file_of_yaml_and_json_to_copy_from_parses() -> Result<()> {
    let mut folders = vec![repo_root().join("envoy")];
    let mut parsed = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let read = || std::fs::read_to_string(&path);
            match path.extension().and_then(|it| it.to_str()) {
                Some("yaml") => drop(
                    parse_yaml_documents(&read()?).with_context(|| path.display().to_string())?,
                ),
                Some("json") => drop(serde_json::from_str::<serde_json::Value>(&read()?)?),
                _ => continue,
            }
            parsed += 1;
        }
    }
    ensure!(parsed >= 9, "only {parsed} files");
    Ok(())
}

#[test]
fn every_link_leads_to_a_page_and_a_heading() -> Result<()> {
    let pages = pages()?;
    for page in &pages {
        for link in page.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page,
                file => {
                    let path = page.folder().join(file);
                    ensure!(path.exists(), "{}: {link}: no such file", page.name);
                    let path = path.canonicalize()?;
                    match pages.iter().find(|other| other.path == path) {
                        Some(other) => other,
                        None => continue,
                    }
                }
            };
            ensure!(
                anchor.is_empty() || target.anchors().any(|known| known == anchor),
                "{}: {link}: no such heading",
                page.name
            );
        }
    }
    Ok(())
}

/// The target group checks what the listener for it lets through.
#[test]
fn the_target_group_checks_the_path_that_is_let_through() -> Result<()> {
    let page = Page::read("docs/operations.md")?;
    let group = parse_yaml(page.block("yaml target-group")?)?;
    let filters = page.block("yaml health-filters")?;
    let path = group["Properties"]["HealthCheckPath"].as_str().context("no path")?;
    ensure!(filters.contains(&format!("exact: {path} ")), "{path}");
    Ok(())
}
