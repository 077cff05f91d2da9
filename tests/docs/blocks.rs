//! The pages, and what is in them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use envoy_harness::repo_root;

/// A page of documentation.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    text: String,
}

/// All pages: those of docs/, of the folders beside it, and of the root.
pub(crate) fn pages() -> Result<Vec<Page>> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "envoy", "tests/scenarios"] {
        for entry in fs::read_dir(repo_root().join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|it| it == "md") {
                let path = path.canonicalize()?;
                let name = path.file_name().context("no name")?.to_string_lossy().into_owned();
                pages.push(Page { name, text: fs::read_to_string(&path)?, path });
            }
        }
    }
    Ok(pages)
}

/// The one block of that kind on that page of docs/.
pub(crate) fn block(page: &str, kind: &str) -> Result<String> {
    let path = repo_root().join("docs").join(page);
    let text = fs::read_to_string(&path)?;
    let page = Page { name: page.to_owned(), path, text };
    let mut found = page.blocks().into_iter().filter(|(known, _)| *known == kind);
    let (_, text) = found.next().with_context(|| format!("{}: no ```{kind}", page.name))?;
    anyhow::ensure!(found.next().is_none(), "{}: more than one ```{kind}", page.name);
    Ok(text.to_owned())
}

impl Page {
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    /// The blocks of code: what follows the fence, and what is in them.
    pub(crate) fn blocks(&self) -> Vec<(&str, &str)> {
        let fenced: Vec<_> = self.text.split("```").collect();
        let blocks = fenced.iter().skip(1).step_by(2);
        blocks.filter_map(|block| block.split_once('\n')).collect()
    }

    fn prose(&self) -> impl Iterator<Item = &str> {
        self.text.split("```").step_by(2)
    }

    /// Where its links lead, those to elsewhere left out.
    pub(crate) fn links(&self) -> impl Iterator<Item = &str> {
        let targets = self.prose().flat_map(|text| text.split("](").skip(1));
        let targets = targets.filter_map(|rest| Some(rest.split_once(')')?.0));
        targets.filter(|target| !target.contains("://"))
    }

    /// The anchors of its headings.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = String> {
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
