//! Removing the breaker as the pages say: what is its own is deleted in two steps, and in between the operator takes
//! the fallback's route away.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tests::pages::Page;
use tests::steering::OWN_HEADERS;

use crate::kubernetes::objects::Objects;

/// What is left of a sample after each of the two steps.
pub(crate) fn steps(page: &str, file: &str) -> Result<[Objects; 2]> {
    let page = Page::read(page)?;
    let kind = format!("sh remove {file}");
    let commands: Vec<_> = page.blocks_of(&kind).flat_map(str::lines).collect();
    let (last, first) = commands.split_last().context("no commands")?;
    let mut between = Objects::load(file)?;
    first.iter().try_for_each(|command| delete(&mut between, command))?;
    let mut after = between.clone();
    take_the_fallbacks_route_away(&mut after)?;
    delete(&mut after, last)?;
    Ok([between, after])
}

/// Does what a command says: each object that it names has to be there.
fn delete(objects: &mut Objects, command: &str) -> Result<()> {
    let words: Vec<_> = command.split(' ').collect();
    let ["kubectl", "-n", namespace, "delete", named @ ..] = words.as_slice() else {
        bail!("no such command is known here: {command}");
    };
    for named in named {
        let (resource, name) = named.split_once('/').with_context(|| (*named).to_owned())?;
        let before = objects.0.len();
        objects.0.retain(|object| !is(object, namespace, resource, name));
        ensure!(objects.0.len() + 1 == before, "{named}: {before} -> {}", objects.0.len());
    }
    Ok(())
}

/// Whether `kubectl` finds this object under a resource's name in the singular, or in the plural with its group.
fn is(object: &Value, namespace: &str, resource: &str, name: &str) -> bool {
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    let group = object["apiVersion"].as_str().unwrap_or_default().split('/').next();
    let found = resource == kind || resource == format!("{kind}s.{}", group.unwrap_or_default());
    found && object["metadata"]["name"] == name && object["metadata"]["namespace"] == namespace
}

fn take_the_fallbacks_route_away(objects: &mut Objects) -> Result<()> {
    let mut taken = 0;
    for object in &mut objects.0 {
        for field in ["http", "rules"] {
            let routes = object["spec"].get_mut(field).and_then(Value::as_array_mut);
            let Some(routes) = routes else { continue };
            let before = routes.len();
            routes.retain(|route| !route.to_string().contains(OWN_HEADERS[0]));
            taken += before - routes.len();
        }
    }
    ensure!(taken == 1, "{taken} routes of a fallback");
    Ok(())
}
