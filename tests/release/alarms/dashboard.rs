//! The dashboard: its queries, and what makes it fit to be imported and understood.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use envoy_harness::repo_root;
use serde_json::{Value, json};

/// What Grafana puts in the place of its variables, where all is chosen.
const VARIABLES: &[(&str, &str)] =
    &[("$service", ".*"), ("$instance", ".*"), ("$__rate_interval", "5m")];

fn dashboard() -> Result<Value> {
    let text = fs::read_to_string(repo_root().join("envoy/grafana/dashboard.json"))?;
    Ok(serde_json::from_str(&text)?)
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().into_iter().flatten().collect()
}

fn filled(query: &Value) -> Result<String> {
    let mut query = query.as_str().context("a query is missing")?.to_owned();
    for (variable, value) in VARIABLES {
        query = query.replace(variable, value);
    }
    ensure!(!query.contains('$'), "a variable that is not there: {query}");
    Ok(query)
}

/// The queries of the panels and of the annotations.
pub(crate) fn queries() -> Result<Vec<String>> {
    let dashboard = dashboard()?;
    let annotations = dashboard["annotations"]["list"].as_array().into_iter().flatten();
    let targets = panels(&dashboard).into_iter().filter_map(|panel| panel["targets"].as_array());
    targets.flatten().chain(annotations).map(|target| filled(&target["expr"])).collect()
}

/// What the variables are chosen from: the series, and the label.
pub(crate) fn variables() -> Result<Vec<(String, String)>> {
    let dashboard = dashboard()?;
    let list = dashboard["templating"]["list"].as_array().context("no variables")?;
    let queries = list.iter().filter(|variable| variable["type"] == "query");
    queries
        .map(|variable| {
            let query = filled(&variable["query"]["query"])?;
            let inside =
                query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (selector, label) =
                inside.and_then(|inside| inside.rsplit_once(", ")).context("no label_values")?;
            Ok((selector.to_owned(), label.to_owned()))
        })
        .collect()
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() -> Result<()> {
    let dashboard = dashboard()?;
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().context("a panel without a title")?;
        if panel["type"] != "row" {
            let description = panel["description"].as_str().unwrap_or_default();
            ensure!(description.ends_with('.'), "{title}: no description");
            ensure!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title}: no unit");
        }
    }
    Ok(())
}

#[test]
fn every_query_goes_to_the_data_source_that_is_chosen() -> Result<()> {
    let dashboard = dashboard()?;
    let chosen = json!({ "type": "prometheus", "uid": "${datasource}" });
    let lists = ["/templating/list", "/annotations/list"].map(|path| dashboard.pointer(path));
    let lists = lists.into_iter().flatten().filter_map(Value::as_array).flatten();
    let targets = panels(&dashboard).into_iter().filter_map(|panel| panel["targets"].as_array());
    let panels = panels(&dashboard).into_iter().filter(|panel| panel["type"] != "row");
    for asks in
        lists.chain(targets.flatten()).chain(panels).filter(|asks| asks["type"] != "datasource")
    {
        assert_eq!(asks["datasource"], chosen, "{asks}");
    }
    let first = &dashboard["templating"]["list"][0];
    assert_eq!((&first["name"], &first["type"]), (&json!("datasource"), &json!("datasource")));
    Ok(())
}

#[test]
fn the_panels_lie_beside_each_other() -> Result<()> {
    let dashboard = dashboard()?;
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        ensure!(ids.insert(panel["id"].as_u64()), "two panels with one id: {panel}");
        let side = |name: &str| panel["gridPos"][name].as_u64().context("no place");
        let (left, top, width, height) = (side("x")?, side("y")?, side("w")?, side("h")?);
        ensure!(left + width <= 24, "beyond the edge: {panel}");
        for place in (left..left + width).flat_map(|x| (top..top + height).map(move |y| (x, y))) {
            ensure!(taken.insert(place), "two panels in one place: {panel}");
        }
    }
    Ok(())
}

#[test]
fn states_are_shown_by_the_names_that_their_numbers_have() -> Result<()> {
    let states = ["closed", "open", "half-open", "forced open", "disabled", "metrics only"];
    let page = fs::read_to_string(repo_root().join("docs/operations.md"))?;
    let numbered: Vec<_> =
        states.iter().enumerate().map(|(number, state)| format!("{number} {state}")).collect();
    ensure!(page.contains(&numbered.join(", ")), "docs/operations.md numbers the states otherwise");
    let dashboard = dashboard()?;
    let panels = panels(&dashboard);
    let timeline = panels.iter().find(|panel| panel["type"] == "state-timeline");
    let mappings = &timeline.context("no states")?["fieldConfig"]["defaults"]["mappings"];
    let [mapping] = &mappings.as_array().context("no mappings")?[..] else { panic!("{mappings}") };
    let shown = mapping["options"].as_object().context("no options")?;
    assert_eq!(shown.len(), states.len());
    for (number, state) in states.iter().enumerate() {
        assert_eq!(shown[&number.to_string()]["text"], *state);
    }
    Ok(())
}
