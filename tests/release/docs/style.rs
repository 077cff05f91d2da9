//! How the pages are written: their width, and words that they do without.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use envoy_harness::repo_root;
use tests::pages::{Page, pages};

const WIDTH: usize = 100;

/// Words that this project has given up, each with the one that it uses.
const OLD_WORDS: &[(&str, &str)] = &[
    ("bury", "kill"),
    ("call-out", "callout"),
    ("clients have a say in", "client-named service"),
    ("complaint", "warning"),
    ("made name", "dynamic service"),
    ("place of a bulkhead", "bulkhead permit"),
    ("place of the bulkhead", "bulkhead permit"),
    ("told apart", "distinguished"),
    ("told headers", "response annotations"),
    ("trial's place", "trial slot"),
    ("unmoved", "no-op"),
];

/// Those that code may have, since they have another meaning there, or are part of an interface.
const OLD_WORDS_OF_PAGES: &[(&str, &str)] = &[
    ("doubted", "warned of"),
    ("errand", "callout"),
    ("excused", "shadowed"),
    ("makes room", "is evicted"),
    ("names that are made", "dynamic services"),
    ("steering", "commands"),
    ("steers", "controls"),
];

/// The lines of a page's prose: no code, no tables, and no definitions of links.
fn prose(page: &Page) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    page.text().lines().enumerate().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        let definition = line.starts_with('[') && line.contains("]: ");
        !fenced && !fence && !line.starts_with('|') && !definition
    })
}

#[test]
fn the_prose_of_every_page_is_wrapped_at_100_columns() -> Result<()> {
    let mut long = Vec::new();
    for page in pages()? {
        for (number, line) in prose(&page).filter(|(_, line)| line.chars().count() > WIDTH) {
            long.push(format!("{}:{}: {line}", page.path.display(), number + 1));
        }
    }
    ensure!(long.is_empty(), "longer than {WIDTH} columns:\n{}", long.join("\n"));
    Ok(())
}

/// Code and the names of tests, in backticks, are left out.
#[test]
fn no_page_uses_a_word_that_was_given_up() -> Result<()> {
    let mut found = Vec::new();
    for page in pages()? {
        let prose: Vec<_> = prose(&page).map(|(_, line)| line.trim()).collect();
        let prose = prose.join(" ").to_lowercase();
        let plain: String = prose.split('`').step_by(2).collect();
        let words = OLD_WORDS.iter().chain(OLD_WORDS_OF_PAGES);
        for (old, new) in words.filter(|(old, _)| plain.contains(old)) {
            found.push(format!("{}: \"{old}\": say \"{new}\"", page.path.display()));
        }
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// Sources and interfaces: their names, comments and messages.
#[test]
fn no_code_uses_a_word_that_was_given_up() -> Result<()> {
    let (mut found, mut read) = (Vec::new(), 0);
    for path in sources()? {
        let text = std::fs::read_to_string(&path)?.to_lowercase();
        // A comment's words may be on two lines.
        let words: Vec<_> = text.split_whitespace().filter(|it| !it.starts_with("//")).collect();
        let text = words.join(" ");
        for (old, new) in OLD_WORDS {
            if text.contains(old) || text.contains(&old.replace([' ', '-'], "_")) {
                found.push(format!("{}: \"{old}\": say \"{new}\"", path.display()));
            }
        }
        read += 1;
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    ensure!(read > 400, "only {read} files");
    Ok(())
}

/// All sources but this file, which has the words.
fn sources() -> Result<Vec<PathBuf>> {
    let this = Path::new(file!()).file_name();
    let mut folders: Vec<_> =
        ["plugin", "wit", "host-test", "envoy", "tests"].map(|it| repo_root().join(it)).into();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let extension = path.extension().and_then(|it| it.to_str());
            match extension {
                _ if path.is_dir() => folders.push(path),
                Some("rs" | "wit") if path.file_name() != this => sources.push(path),
                _ => {}
            }
        }
    }
    Ok(sources)
}

#[test]
fn no_word_stands_in_the_glossary_twice() -> Result<()> {
    let page = Page::read("docs/glossary.md")?;
    let rows = page.text().lines().filter_map(|line| line.strip_prefix("| **"));
    let mut words: Vec<_> = rows.filter_map(|row| Some(row.split_once("**")?.0)).collect();
    ensure!(words.len() > 30, "only {} words", words.len());
    words.sort_unstable();
    for pair in words.windows(2) {
        ensure!(pair[0] != pair[1], "{}: twice", pair[0]);
    }
    Ok(())
}
