//! Removing the breaker as the pages say: what is its own is deleted in two steps, and in between the operator takes
//! the rest of it out of the objects that stay.

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::objects::Objects;
use tests::pages::Page;
use tests::steering::OWN_HEADERS;

use crate::applied::Applied;
use crate::shell::Shell;
use crate::site::Site;

/// Removes it in the page's two steps. After each the proxy serves on, and there is no breaker.
pub(crate) async fn follow(
    page: &str,
    shell: &mut Shell,
    file: &str,
    applied: &Applied,
    site: &Site<'_>,
) -> Result<()> {
    let page = Page::read(page)?;
    let kind = format!("sh remove {file}");
    let commands: Vec<_> = page.blocks_of(&kind).flat_map(str::lines).collect();
    let [first @ .., last] = commands.as_slice() else {
        anyhow::bail!("{}: no ```{kind}", page.name)
    };
    for command in first {
        shell.run(command)?;
    }
    site.wait_until_unguarded().await?;
    for object in without_what_leads_to_it(&Objects::load(file)?)? {
        applied.add(&object)?;
    }
    shell.run(last)?;
    site.assert_serves_unguarded().await
}

/// The objects that lead to the fallback, or to the admin API, and stay: without that.
fn without_what_leads_to_it(objects: &Objects) -> Result<Vec<Value>> {
    let mut changed = Vec::new();
    for object in &objects.0 {
        let mut without = object.clone();
        for field in ["http", "rules", "listeners"] {
            let Some(items) = without["spec"].get_mut(field).and_then(Value::as_array_mut) else {
                continue;
            };
            let of_breaker = |item: &Value| {
                item.to_string().contains(OWN_HEADERS[0]) || item["name"] == "breaker-admin"
            };
            items.retain(|item| !of_breaker(item));
        }
        if without != *object {
            changed.push(without);
        }
    }
    ensure!(!changed.is_empty(), "no route of a fallback");
    Ok(changed)
}
