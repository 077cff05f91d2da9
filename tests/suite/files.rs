//! Finds the scenarios, and runs each on all hosts that can.

use std::path::{Path, PathBuf};

use anyhow::Result;
use envoy_harness::repo_root;
use hosts::{HOSTS, HostKind};
use libtest_mimic::{Failed, Trial};
use scenario::{Report, Scenario};

/// Where the scenarios are.
pub(crate) fn directory() -> PathBuf {
    repo_root().join("tests/scenarios")
}

/// All scenarios, by name.
pub(crate) fn all() -> Result<Vec<Scenario>> {
    paths()?.iter().map(|path| load(path)).collect()
}

/// The scenario of this name.
pub(crate) fn named(name: &str) -> Result<Scenario> {
    load(&directory().join(format!("{name}.yaml")))
}

/// Reads a scenario; messages name its file as seen from the repository.
pub(crate) fn load(path: &Path) -> Result<Scenario> {
    let text = std::fs::read_to_string(path)?;
    let file = path.strip_prefix(repo_root()).unwrap_or(path);
    Ok(Scenario::parse(file, &text)?)
}

fn paths() -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory())? {
        let path = entry?.path();
        if path.file_name().is_none_or(|name| name != "README.md") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// A test for each scenario and host, and one for each file that is no scenario or that no host runs.
pub(crate) fn trials() -> Vec<Trial> {
    let paths = match paths() {
        Ok(paths) => paths,
        Err(error) => return vec![failing("the scenarios are found", format!("{error:#}"))],
    };
    paths.iter().flat_map(|path| trials_of(path)).collect()
}

/// What is run for one file.
pub(crate) fn trials_of(path: &Path) -> Vec<Trial> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if let Err(problem) = check_name(path, &name) {
        return vec![failing(&name, problem)];
    }
    let scenario = match load(path) {
        Ok(scenario) => scenario,
        Err(error) => return vec![failing(&name, error.to_string())],
    };
    trials_on(HOSTS, &name, &scenario)
}

/// What is run for a scenario on these hosts: those that cannot run it are listed with why.
pub(crate) fn trials_on(hosts: &'static [HostKind], name: &str, scenario: &Scenario) -> Vec<Trial> {
    let excuses: Vec<_> = hosts.iter().map(|host| host.excuse(scenario)).collect();
    if excuses.iter().all(Option::is_some) {
        let excuses: Vec<_> = excuses.into_iter().flatten().collect();
        return vec![failing(name, format!("no host runs it: {}", excuses.join("; ")))];
    }
    let of_host = |(host, excuse): (&'static HostKind, Option<String>)| match excuse {
        None => {
            let scenario = scenario.clone();
            Trial::test(format!("{name}::{}", host.name), move || passes(host, &scenario))
        }
        Some(excuse) => Trial::test(format!("{name}::{} ({excuse})", host.name), || Ok(()))
            .with_ignored_flag(true),
    };
    hosts.iter().zip(excuses).map(of_host).collect()
}

fn passes(host: &HostKind, scenario: &Scenario) -> Result<(), Failed> {
    let report = host.play(scenario).map_err(|error| format!("{error:#}"))?;
    for kind in &report.unseen {
        eprintln!("{}: {} shows no {kind}", scenario.file.display(), host.name);
    }
    verdict(&report)
}

/// Fails with all mismatches and the timeline.
pub(crate) fn verdict(report: &Report) -> Result<(), Failed> {
    if report.mismatches.is_empty() {
        return Ok(());
    }
    let mismatches: Vec<_> = report.mismatches.iter().map(ToString::to_string).collect();
    Err(format!("{}\n\ntimeline:\n{}", mismatches.join("\n"), report.text()).into())
}

fn check_name(path: &Path, name: &str) -> Result<(), String> {
    let kebab = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_sentence = name.bytes().all(kebab) && name.split('-').count() >= 3;
    if path.extension().is_none_or(|extension| extension != "yaml") || !is_sentence {
        let remedy = "name it with a sentence, as in three-failures-trip-the-breaker.yaml";
        return Err(format!("{}:0: not the name of a scenario: {remedy}", path.display()));
    }
    Ok(())
}

fn failing(name: &str, problem: String) -> Trial {
    Trial::test(name.to_owned(), move || Err(problem.into()))
}
