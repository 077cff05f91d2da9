//! The report as a table for people.

use std::fmt::{Display, Formatter, Result};

use crate::report::{Report, Row};
use crate::statistics::Estimate;

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let machine = &self.machine;
        writeln!(
            out,
            "Envoy {} on {}: proxies on CPU {}, client and upstream on CPU {}; load before {}\n\
             {} starts, {} rounds each, {} requests to each proxy per round, over {} connections\n",
            machine.envoy,
            machine.processor,
            machine.proxies_on_cpu,
            machine.client_on_cpu,
            machine.load,
            self.starts,
            self.rounds_per_start,
            self.requests_per_burst,
            self.connections,
        )?;
        line(
            out,
            ["ns of CPU time per request", "all", "added", "", "middle half", "x empty", ""],
        )?;
        for row in &self.rows {
            write_row(out, row)?;
        }
        writeln!(
            out,
            "\nadded: to the plain route, the median of the differences round by round.\n\
             [ ]: where the median, or the ratio of two, lies in 95 of 100 cases.\n\
             two lines of Lua: one header read in each direction.\n\
             the calls alone: what the closed path asks of the proxy, and no code besides.\n\n\
             between proxy and module, per request:"
        )?;
        for row in &self.rows {
            if let Some(crossings) = &row.crossings {
                writeln!(out, "{}: {crossings}", row.name)?;
            }
        }
        Ok(())
    }
}

fn write_row(out: &mut Formatter<'_>, row: &Row) -> Result {
    let all = format!("{:.0}", row.per_request);
    let (mut added, mut interval, mut half) = <(String, String, String)>::default();
    if let Some(cost) = row.added {
        (added, interval) = texts(cost.median, 0);
        half = format!("{:.0} .. {:.0}", cost.quartiles[0], cost.quartiles[1]);
    }
    let (ratio, ratio_interval) = row.ratio.map(|ratio| texts(ratio, 2)).unwrap_or_default();
    line(out, [&row.name, &all, &added, &interval, &half, &ratio, &ratio_interval])
}

fn texts(estimate: Estimate, decimals: usize) -> (String, String) {
    let Estimate { value, low, high } = estimate;
    (format!("{value:.decimals$}"), format!("[{low:.decimals$}, {high:.decimals$}]"))
}

fn line(out: &mut Formatter<'_>, cells: [&str; 7]) -> Result {
    let [name, all, added, interval, half, ratio, ratio_interval] = cells;
    let text =
        format!("{name:<27}{all:>8}{added:>9} {interval:<17}{half:>17}{ratio:>9} {ratio_interval}");
    writeln!(out, "{}", text.trim_end())
}
