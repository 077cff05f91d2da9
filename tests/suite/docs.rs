//! The page about the format shows a scenario that exists.

use anyhow::{Context, Result, ensure};
use envoy_harness::repo_root;
use libtest_mimic::Trial;
use scenario::{Fault, Need};

use crate::files::directory;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("the_example_of_the_docs_is_one_of_the_scenarios", example),
        trial("the_docs_name_all_faults_and_needs", names),
    ]
}

fn page() -> Result<String> {
    Ok(std::fs::read_to_string(repo_root().join("docs/scenarios.md"))?)
}

fn example() -> Result<()> {
    let page = page()?;
    let (before, rest) = page.split_once("```yaml scenario\n").context("no example")?;
    let (example, _) = rest.split_once("```").context("the example has no end")?;
    let name = before.rsplit('`').nth(1).context("the example's file is not named before it")?;
    let file = std::fs::read_to_string(directory().join(name)).with_context(|| name.to_owned())?;
    ensure!(example == file, "{name} and its copy in docs/scenarios.md differ");
    Ok(())
}

fn names() -> Result<()> {
    let page = page()?;
    let faults = Fault::ALL.map(|(name, _)| name);
    for name in faults.into_iter().chain(Need::ALL.map(Need::name)) {
        ensure!(page.contains(&format!("`{name}`")), "{name} is not in docs/scenarios.md");
    }
    Ok(())
}
