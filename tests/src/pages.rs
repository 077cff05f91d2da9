//! The pages of documentation, and what is in them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use envoy_harness::{parse_yaml_documents, repo_root};
use serde_json::Value;

/// A page of documentation.
#[derive(Debug)]
pub struct Page {
    /// Its file's name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    text: String,
}

/// All pages: those of docs/, of folders that have one, and of the root.
///
/// # Errors
/// When one cannot be read.
pub fn pages() -> Result<Vec<Page>> {
    let mut pages = Vec::new();
    for folder in [
        "",
        "docs",
        "envoy",
        "host-test/proxy-wasm",
        "tests/scenarios",
        "tests/decisions/scenarios",
        "tests/decisions/settings",
    ] {
        for entry in fs::read_dir(repo_root().join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|it| it == "md") {
                pages.push(Page::read(&path)?);
            }
        }
    }
    Ok(pages)
}

impl Page {
    /// The page at a path from the root of the repository.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = repo_root().join(path);
        let path = path.canonicalize().with_context(|| path.display().to_string())?;
        let name = path.file_name().context("no name")?.to_string_lossy().into_owned();
        Ok(Self { name, text: fs::read_to_string(&path)?, path })
    }

    /// What is in the blocks of one kind.
    pub fn blocks_of(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.blocks().into_iter().filter(move |(known, _)| *known == kind).map(|(_, text)| text)
    }

    /// What is in the one block of that kind.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn block(&self, kind: &str) -> Result<&str> {
        let mut found = self.blocks_of(kind);
        let text = found.next().with_context(|| format!("{}: no ```{kind}", self.name))?;
        ensure!(found.next().is_none(), "{}: more than one ```{kind}", self.name);
        Ok(text)
    }

    /// The documents in its blocks of YAML.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn documents(&self) -> Result<Vec<Value>> {
        let mut documents = Vec::new();
        for block in self.blocks_of("yaml") {
            let read = parse_yaml_documents(block);
            documents.extend(read.with_context(|| format!("{}\n{block}", self.name))?);
        }
        Ok(documents)
    }

    /// What it has set in Istio for all proxies, by the field's name.
    ///
    /// # Errors
    /// When it has not.
    pub fn for_all_proxies(&self, field: &str) -> Result<Value> {
        let documents = self.documents()?;
        let mut fields = documents.iter().map(|it| &it["meshConfig"]["defaultConfig"][field]);
        let found = fields.find(|value| !value.is_null());
        Ok(found.with_context(|| format!("{}: no {field}", self.name))?.clone())
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The folder that it is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// The blocks of code: what follows the fence, and what is in them.
    #[must_use]
    pub fn blocks(&self) -> Vec<(&str, &str)> {
        let fenced: Vec<_> = self.text.split("```").collect();
        let blocks = fenced.iter().skip(1).step_by(2);
        blocks.filter_map(|block| block.split_once('\n')).collect()
    }

    fn prose(&self) -> impl Iterator<Item = &str> {
        self.text.split("```").step_by(2)
    }

    /// Where its links lead, those to elsewhere left out.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        let targets = self.prose().flat_map(|text| text.split("](").skip(1));
        let targets = targets.filter_map(|rest| Some(rest.split_once(')')?.0));
        targets.filter(|target| !target.contains("://"))
    }

    /// The anchors of its headings.
    pub fn anchors(&self) -> impl Iterator<Item = String> {
        let lines = self.prose().flat_map(str::lines);
        let headings =
            lines.filter_map(|line| Some(line.strip_prefix('#')?.trim_matches(['#', ' '])));
        headings.map(|heading| {
            let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
            let kept: String = heading.to_lowercase().chars().filter(kept).collect();
            kept.replace(' ', "-")
        })
    }
}
