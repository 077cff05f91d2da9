//! Every row of the table of known mistakes is held by a scenario, or said to wait.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use crate::files::{all, directory};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("every_row_of_semantics_is_held_or_said_to_wait", rows)]
}

fn rows() -> Result<()> {
    let readme = std::fs::read_to_string(directory().join("README.md"))?;
    let rows: BTreeSet<u8> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" |")?.0.parse().ok())
        .collect();
    ensure!(rows.len() > 24, "the table has {} rows", rows.len());
    let waiting = readme.split_once("## What waits").context("no list of what waits")?.1;
    let waiting: BTreeSet<u8> = waiting
        .lines()
        .filter_map(|line| line.strip_prefix("* Row ")?.split_once(": needs")?.0.parse().ok())
        .collect();
    let held: BTreeSet<u8> = all()?.into_iter().flat_map(|scenario| scenario.semantics).collect();
    let both: Vec<_> = held.intersection(&waiting).collect();
    ensure!(both.is_empty(), "rows that are held, and said to wait as a whole: {both:?}");
    let neither: Vec<_> =
        rows.iter().filter(|row| !held.contains(row) && !waiting.contains(row)).collect();
    ensure!(neither.is_empty(), "rows that are neither held nor said to wait: {neither:?}");
    Ok(())
}
