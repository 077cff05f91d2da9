//! What promtool says of the files.

use std::process::Command;

use anyhow::Result;
use artifacts::run;
use envoy_harness::repo_root;

use crate::alarms::install::promtool;

fn say(arguments: &[&str]) -> Result<()> {
    run(Command::new(promtool()).args(arguments).current_dir(repo_root())).map(drop)
}

#[test]
#[ignore = "make test-deep: takes Prometheus"]
fn the_rules_and_the_scrape_configuration_are_valid() -> Result<()> {
    say(&["check", "rules", "envoy/prometheus/alerts.yaml"])?;
    say(&["check", "config", "envoy/prometheus/prometheus.yaml"])
}

#[test]
#[ignore = "make test-deep: takes Prometheus"]
fn each_alarm_fires_when_it_should_and_only_then_and_clears() -> Result<()> {
    say(&["test", "rules", "envoy/prometheus/alerts_test.yaml"])
}
