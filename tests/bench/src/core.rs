//! The core: what a decision takes in a process, against other crates.
//!
//! `breakers` measures it with criterion; this makes sheets of what that has found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use envoy_harness::repo_root;
use serde::Deserialize;
use serde_json::Value;

use crate::Run;
use crate::args::Word;
use crate::bars::Bar;
use crate::sheet::Sheet;
use crate::statistics::Estimate;

const OURS: &str = "ours";
const RATIO: &str = "ours x the fastest of the three crates";
const CRATES: [&str; 3] = ["failsafe", "recloser", "tower-resilience-circuitbreaker"];

/// By sheet: the policy as the benchmark names it, and in words.
const POLICIES: [(&str, &str, &str); 3] = [
    ("core-consecutive", "consecutive", "3 failures in a row open"),
    ("core-calls", "calls", "90 % of the last 100 calls failed"),
    ("core-time", "time", "90 % of the calls of the last second failed"),
];
const PATHS: [(&str, &str); 3] =
    [("good", "good"), ("diverted", "open"), ("failing", "every second one fails")];
const THREADS: [u32; 2] = [1, 4];

/// Measures all policies.
pub(crate) async fn measure(run: &Run<'_>) -> Result<()> {
    for (name, policy, words) in POLICIES {
        run.sheet(name, async {
            let times = benchmark(policy, run.args.says(Word::Quick))?;
            Ok((sheet(name, words, policy, &times), Value::Null))
        })
        .await?;
    }
    Ok(())
}

pub(crate) fn sheets() -> Vec<&'static str> {
    POLICIES.map(|(sheet, _, _)| sheet).into()
}

pub(crate) fn bars() -> Vec<Bar> {
    let mut bars = Vec::new();
    for (sheet, _, words) in POLICIES {
        for (path, threads) in PATHS.iter().flat_map(|(_, path)| THREADS.map(|it| (*path, it))) {
            let column = column(path, threads);
            let what = format!("core, {words}; {column}: x the fastest of the three crates");
            bars.push(Bar::new(what, sheet, RATIO, column, 1.0));
        }
    }
    bars
}

fn column(path: &str, threads: u32) -> String {
    format!("{path}, {threads} {}", if threads == 1 { "thread" } else { "threads" })
}

/// What criterion has measured: nanoseconds per call.
#[derive(Clone, Debug, PartialEq)]
struct Time {
    group: String,
    breaker: String,
    time: Estimate,
}

fn benchmark(policy: &str, quick: bool) -> Result<Vec<Time>> {
    let home = repo_root().join("target/bench/criterion").join(policy);
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["bench", "--quiet", "-p", "breakers", "--bench", "core", "--"]);
    cargo.arg(format!("^{policy} ")).current_dir(repo_root());
    if quick {
        cargo.args(["--sample-size", "10", "--warm-up-time", "0.05", "--measurement-time", "0.1"]);
    }
    let status = cargo.env("CRITERION_HOME", &home).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{cargo:?}: {status}");
    let mut times = Vec::new();
    collect(&home, &mut times)?;
    Ok(times)
}

/// Each benchmark has a folder with what it is, and what came of it.
fn collect(folder: &Path, times: &mut Vec<Time>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if !path.is_dir() {
            continue;
        }
        if path.ends_with("new") {
            times.push(read(&path)?);
        } else {
            collect(&path, times)?;
        }
    }
    Ok(())
}

fn read(folder: &Path) -> Result<Time> {
    #[derive(Deserialize)]
    struct Benchmark {
        group_id: String,
        function_id: String,
    }
    #[derive(Deserialize)]
    struct Estimates {
        median: Median,
    }
    #[derive(Deserialize)]
    struct Median {
        point_estimate: f64,
        confidence_interval: Interval,
    }
    #[derive(Deserialize)]
    struct Interval {
        lower_bound: f64,
        upper_bound: f64,
    }
    fn json<T: for<'a> Deserialize<'a>>(path: PathBuf) -> Result<T> {
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    }
    let Benchmark { group_id, function_id } = json(folder.join("benchmark.json"))?;
    let Median { point_estimate, confidence_interval } =
        json::<Estimates>(folder.join("estimates.json"))?.median;
    let Interval { lower_bound, upper_bound } = confidence_interval;
    let time = Estimate { value: point_estimate, low: lower_bound, high: upper_bound };
    Ok(Time { group: group_id, breaker: function_id, time })
}

fn sheet(name: &str, words: &str, policy: &str, times: &[Time]) -> Sheet {
    let title = format!("Nanoseconds per call, in a process: {words}");
    let columns: Vec<_> = PATHS
        .iter()
        .flat_map(|(path, shown)| {
            THREADS.map(|threads| (format!("{policy} {path} {threads}"), column(shown, threads)))
        })
        .collect();
    let mut sheet = Sheet::new(name, &title).plotted(&column("good", 1));
    for (_, shown) in &columns {
        sheet = sheet.column(shown, 1);
    }
    let find = |group: &str, breaker: &str| {
        let time = times.iter().find(|it| it.group == group && it.breaker == breaker)?;
        Some(time.time)
    };
    let mut breakers: Vec<&str> = times.iter().map(|it| it.breaker.as_str()).collect();
    breakers.sort_by_key(|name| (*name != OURS, *name));
    breakers.dedup();
    for breaker in breakers {
        sheet.row(breaker, columns.iter().map(|(group, _)| find(group, breaker)).collect());
    }
    let ratio = |group: &str| {
        let fastest = CRATES.iter().filter_map(|it| find(group, it));
        let fastest = fastest.min_by(|one, other| one.value.total_cmp(&other.value))?;
        let ours = find(group, OURS)?;
        Some(Estimate {
            value: ours.value / fastest.value,
            low: ours.low / fastest.high,
            high: ours.high / fastest.low,
        })
    };
    sheet.row(RATIO, columns.iter().map(|(group, _)| ratio(group)).collect());
    sheet.note(
        "Four threads: the time of all calls together, by their number. Ours goes through the store \
         and the gauge that the workers of a proxy share. `reliakit-circuit` has neither a lock nor \
         a clock, no window over time, no limit of trials under way, and counts late results; it is \
         shown with a lock and a clock added, and alone.",
    );
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(breaker: &str, nanos: f64) -> Vec<Time> {
        let groups = PATHS
            .iter()
            .flat_map(|(path, _)| THREADS.map(|threads| format!("consecutive {path} {threads}")));
        let time =
            |group| Time { group, breaker: breaker.to_owned(), time: Estimate::exact(nanos) };
        groups.map(time).collect()
    }

    #[test]
    fn ours_is_held_against_the_fastest_of_the_three_crates_and_not_against_others() {
        let times = [time(OURS, 5.0), time("failsafe", 20.0), time(CRATES[2], 50.0)].concat();
        let times = [times, time("reliakit-circuit alone", 1.0)].concat();
        let sheet = sheet("core-consecutive", "", "consecutive", &times);
        let cell = sheet.cell(RATIO, &column("good", 4));
        assert_eq!(cell, Some(Estimate::exact(0.25)));
        let judged: Vec<_> =
            bars().into_iter().take(6).map(|bar| bar.judge(std::slice::from_ref(&sheet))).collect();
        assert!(judged.iter().all(|it| it.to_string().starts_with("held")), "{judged:?}");
    }

    #[test]
    fn a_time_is_read_from_what_criterion_writes() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let new = folder.path().join("a_b/ours/new");
        fs::create_dir_all(&new)?;
        fs::write(
            new.join("benchmark.json"),
            r#"{"group_id":"a b","function_id":"ours","full_id":"a b/ours"}"#,
        )?;
        fs::write(
            new.join("estimates.json"),
            r#"{"median":{"confidence_interval":{"confidence_level":0.95,"lower_bound":1.0,
                "upper_bound":3.0},"point_estimate":2.0,"standard_error":0.1}}"#,
        )?;
        let mut times = Vec::new();
        collect(folder.path(), &mut times)?;
        let time = Estimate { value: 2.0, low: 1.0, high: 3.0 };
        assert_eq!(times, [Time { group: "a b".into(), breaker: "ours".into(), time }]);
        Ok(())
    }
}
