//! Breakers as a table.

use std::io::{self, Write};

use anstyle::Style;

use crate::admin::Service;
use crate::output::{BAD, BETWEEN, FAINT, GOOD};

const TITLES: [&str; 7] =
    ["SERVICE", "STATE", "FAILURES", "REASON", "RETRY AT", "LAST FAILURE", "LAST SUCCESS"];

/// The column of the state, which has the colour.
const STATE: usize = 1;

/// Writes one line for each service, below one of titles.
pub(crate) fn write(out: &mut impl Write, services: &[Service]) -> io::Result<()> {
    let rows: Vec<[String; TITLES.len()]> = services.iter().map(row).collect();
    let widths: [usize; TITLES.len()] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([TITLES[column].len()]).max().unwrap_or_default()
    });
    write_row(out, &TITLES.map(str::to_owned), &widths, |_| FAINT)?;
    for (row, service) in rows.iter().zip(services) {
        let colour = style_of(&service.state);
        write_row(out, row, &widths, |column| if column == STATE { colour } else { Style::new() })?;
    }
    Ok(())
}

/// The colour of a state: its meaning for calls.
pub(crate) fn style_of(state: &str) -> Style {
    match state {
        "CLOSED" => GOOD,
        "OPEN" | "FORCED_OPEN" => BAD,
        _ => BETWEEN,
    }
}

fn row(service: &Service) -> [String; TITLES.len()] {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        service.service_name.clone(),
        service.state.clone(),
        service.failure_count.to_string(),
        or_dash(&service.trip_reason),
        or_dash(&service.retry_at),
        or_dash(&service.last_failure_time),
        or_dash(&service.last_success_time),
    ]
}

fn write_row(
    out: &mut impl Write,
    row: &[String; TITLES.len()],
    widths: &[usize; TITLES.len()],
    style: impl Fn(usize) -> Style,
) -> io::Result<()> {
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let style = style(column);
        let space = if column + 1 == row.len() { 0 } else { width + 2 - cell.chars().count() };
        write!(out, "{style}{cell}{style:#}{:space$}", "")?;
    }
    writeln!(out)
}
