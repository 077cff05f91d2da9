//! The table as people read it, in docs/performance.md and on the terminal.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::figures::{Callbacks, Costs, Figures};
use crate::paths::PATHS;

const BEGIN: &str = "<!-- costs: written by the test `costs` -->\n";
const END: &str = "<!-- end of costs -->\n";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/performance.md")
}

fn document() -> String {
    std::fs::read_to_string(path()).expect("docs/performance.md")
}

/// What is before the table, the table, and what is after it.
fn parts(document: &str) -> (&str, &str, &str) {
    let parts = document.split_once(BEGIN).and_then(|(before, rest)| {
        let (table, after) = rest.split_once(END)?;
        Some((before, table, after))
    });
    parts.expect("the markers of the table in docs/performance.md")
}

/// The table that is in the documentation.
pub(crate) fn shown() -> String {
    parts(&document()).1.to_owned()
}

/// Writes the table into the documentation.
pub(crate) fn update(costs: &Costs) {
    let document = document();
    let (before, _, after) = parts(&document);
    let table = table(costs);
    std::fs::write(path(), format!("{before}{BEGIN}{table}{END}{after}"))
        .expect("docs/performance.md can be written");
}

/// A row for each path.
pub(crate) fn table(costs: &Costs) -> String {
    let mut table = "\
| path | callbacks | host calls | reads, writes of shared data | instructions | asked for, for replies | allocated beyond |
| --- | --- | --- | --- | --- | --- | --- |
"
    .to_owned();
    for (name, callbacks) in rows(costs) {
        let sum = Figures::sum(callbacks);
        let calls: u64 = sum.host_calls.values().sum();
        let (reads, writes) = (sum.shared_reads(), sum.shared_writes());
        let Figures { calls: called, instructions, for_replies, own, .. } = sum;
        let (replies, reply_bytes) = (for_replies.number, for_replies.bytes);
        let (own, own_bytes) = (own.number, own.bytes);
        writeln!(
            table,
            "| {name} | {called} | {calls} | {reads}, {writes} | {instructions} | \
             {replies} ({reply_bytes} bytes) | {own} ({own_bytes} bytes) |"
        )
        .expect("a string takes all");
    }
    table
}

/// What the callbacks of each path are made of.
pub(crate) fn callbacks(costs: &Costs) -> String {
    let mut text = String::new();
    for (name, callbacks) in rows(costs) {
        writeln!(text, "{name}").expect("a string takes all");
        for (callback, figures) in callbacks {
            let callback = callback.trim_start_matches("proxy_");
            let Figures { instructions, for_replies, own, .. } = figures;
            write!(
                text,
                "  {callback}: {instructions} instructions, {} + {} allocations",
                for_replies.number, own.number
            )
            .expect("a string takes all");
            for (name, calls) in &figures.host_calls {
                let name = name.trim_start_matches("proxy_");
                write!(text, ", {calls} {name}").expect("a string takes all");
            }
            text.push('\n');
        }
    }
    text
}

/// In the order of the paths.
fn rows(costs: &Costs) -> impl Iterator<Item = (&str, &Callbacks)> {
    PATHS.iter().filter_map(|path| costs.get(path.name).map(|row| (path.name, row)))
}
