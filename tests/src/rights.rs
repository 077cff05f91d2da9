//! What the page on security says that the module needs.

use anyhow::{Context, Result, ensure};

use crate::pages::Page;

/// A function or callback that a proxy may withhold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// Its name.
    pub name: String,
    /// What is lost without it, in words.
    pub without: String,
}

impl Right {
    /// Whether a configuration is refused without it.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.without.starts_with("refused")
    }
}

/// All of them, in the order of the page.
///
/// # Errors
/// When the page lists none.
pub fn rights() -> Result<Vec<Right>> {
    let page = Page::read("docs/security.md")?;
    let (_, section) = page.text().split_once("\n## Capabilities").context("no such heading")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let rights = rows.map(|row| {
        let (name, rest) = row.split_once('`').context("no name")?;
        let cells: Vec<_> = rest.split('|').map(str::trim).collect();
        let without = (*cells.get(2).context("no third cell")?).to_owned();
        Ok(Right { name: name.to_owned(), without })
    });
    let rights: Vec<_> = rights.collect::<Result<_>>()?;
    ensure!(rights.len() > 20, "only {} capabilities", rights.len());
    Ok(rights)
}
