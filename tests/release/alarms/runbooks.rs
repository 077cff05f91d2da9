//! `docs/alarms.md`: a section for each alarm, and links that lead somewhere.

use std::fs;

use anyhow::{Context, Result, ensure};
use envoy_harness::{parse_yaml, repo_root};

const PAGE: &str = "docs/alarms.md";

pub(crate) fn page() -> Result<String> {
    Ok(fs::read_to_string(repo_root().join(PAGE))?)
}

/// The metrics that the page names, as it writes them.
pub(crate) fn metrics() -> Result<Vec<String>> {
    let page = page()?;
    let is_metric =
        |span: &&str| span.starts_with("edge_breaker_") || span.starts_with("envoy_cluster_");
    // Every second piece is code; one that was cut short has no metric's name before a brace.
    let spans = page.split('`').skip(1).step_by(2).filter(is_metric);
    Ok(spans.filter(|span| !span.starts_with("envoy_cluster_name")).map(str::to_owned).collect())
}

/// Name, severity and runbook of each alarm.
fn alarms() -> Result<Vec<[String; 3]>> {
    let text = fs::read_to_string(repo_root().join("envoy/prometheus/alerts.yaml"))?;
    let rules = parse_yaml(&text)?;
    let groups = rules["groups"].as_array().context("no groups")?;
    let rules = groups.iter().filter_map(|group| group["rules"].as_array()).flatten();
    let paths = ["/alert", "/labels/severity", "/annotations/runbook_url"];
    rules
        .map(|rule| {
            let texts = paths.map(|path| rule.pointer(path).and_then(|text| text.as_str()));
            ensure!(texts.iter().all(Option::is_some), "something is missing: {rule}");
            Ok(texts.map(|text| text.unwrap_or_default().to_owned()))
        })
        .collect()
}

/// The name that a heading has in a link.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    heading.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

fn anchors(text: &str) -> Vec<String> {
    text.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}

#[test]
fn every_alarm_has_its_section_and_says_where_it_is() -> Result<()> {
    let (page, alarms) = (page()?, alarms()?);
    let sections: Vec<_> = page.split("\n## ").skip(2).collect();
    let headings: Vec<_> = sections.iter().filter_map(|section| section.lines().next()).collect();
    let names: Vec<_> = alarms.iter().map(|[name, ..]| name.as_str()).collect();
    assert_eq!(headings, names);
    for ([name, severity, runbook], section) in alarms.iter().zip(sections) {
        assert_eq!(*runbook, format!("{PAGE}#{}", anchor(name)));
        let row = format!("| [{name}](#{}) | {severity} | ", anchor(name));
        ensure!(page.contains(&row), "{name} is not in the table as {severity}");
        for part in ["**Means**: ", "**Affected**: ", "```sh\ncurl", "**Silence**: "] {
            ensure!(section.contains(part), "{name}: no {part}");
        }
        ensure!(section.contains("**Do**: ") || section.contains("| do |"), "{name}: what to do?");
    }
    Ok(())
}

#[test]
fn every_link_of_the_runbooks_leads_somewhere() -> Result<()> {
    let page = page()?;
    for rest in page.split("](").skip(1) {
        let target = rest.split(')').next().unwrap_or_default();
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let text = match file {
            "" => page.clone(),
            file => {
                fs::read_to_string(repo_root().join("docs").join(file)).context(file.to_owned())?
            }
        };
        ensure!(anchor.is_empty() || anchors(&text).iter().any(|has| has == anchor), "{target}");
    }
    Ok(())
}
