//! What a part of the benchmark has found: a table for people, whose cells bars and plots read.

use std::fmt::{Display, Formatter, Result};

use serde::{Deserialize, Serialize};

use crate::statistics::Estimate;

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sheet {
    /// What it is known by, in names of files too.
    pub(crate) name: String,
    /// What it shows, and its unit.
    pub(crate) title: String,
    /// The column that its plot shows.
    pub(crate) plotted: Option<String>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// What a reader has to know besides.
    notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Column {
    name: String,
    decimals: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    name: String,
    cells: Vec<Option<Estimate>>,
}

impl Sheet {
    pub(crate) fn new(name: &str, title: &str) -> Self {
        let (plotted, columns, rows, notes) = Default::default();
        Self { name: name.to_owned(), title: title.to_owned(), plotted, columns, rows, notes }
    }

    /// One more column, whose numbers are shown with so many decimals.
    pub(crate) fn column(mut self, name: impl Into<String>, decimals: usize) -> Self {
        self.columns.push(Column { name: name.into(), decimals });
        self
    }

    /// Shows this column in its plot.
    pub(crate) fn plotted(mut self, column: &str) -> Self {
        self.plotted = Some(column.to_owned());
        self
    }

    /// One more row. A cell that is left out is empty.
    pub(crate) fn row(&mut self, name: impl Into<String>, cells: Vec<Option<Estimate>>) {
        let cells = cells.into_iter().map(|cell| cell.and_then(Estimate::finite)).collect();
        self.rows.push(Row { name: name.into(), cells });
    }

    /// One more sentence below the table.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// What stands there, if anything does.
    pub(crate) fn cell(&self, row: &str, column: &str) -> Option<Estimate> {
        let column = self.columns.iter().position(|it| it.name == column)?;
        let row = self.rows.iter().find(|it| it.name == row)?;
        row.cells.get(column).copied().flatten()
    }

    /// The rows that have something in this column.
    pub(crate) fn values(&self, column: &str) -> Vec<(&str, Estimate)> {
        let value = |row| Some((row, self.cell(row, column)?));
        self.rows.iter().filter_map(|row| value(row.name.as_str())).collect()
    }
}

/// In Markdown.
impl Display for Sheet {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let names = self.columns.iter().map(|column| column.name.as_str());
        line(out, std::iter::once("").chain(names))?;
        line(out, std::iter::once("---").chain(self.columns.iter().map(|_| "---:")))?;
        for row in &self.rows {
            let cells: Vec<_> = self
                .columns
                .iter()
                .enumerate()
                .map(|(index, column)| {
                    let cell = row.cells.get(index).copied().flatten();
                    cell.map(|estimate| text(estimate, column.decimals)).unwrap_or_default()
                })
                .collect();
            line(out, std::iter::once(row.name.as_str()).chain(cells.iter().map(String::as_str)))?;
        }
        for note in &self.notes {
            writeln!(out, "\n{note}")?;
        }
        Ok(())
    }
}

fn line<'a>(out: &mut Formatter<'_>, cells: impl Iterator<Item = &'a str>) -> Result {
    for cell in cells {
        if cell.is_empty() { write!(out, "| ")? } else { write!(out, "| {cell} ")? }
    }
    writeln!(out, "|")
}

/// `12.3 [11.9, 12.8]`, or the number alone where there is no doubt.
fn text(Estimate { value, low, high }: Estimate, decimals: usize) -> String {
    if low == high {
        return format!("{value:.decimals$}");
    }
    format!("{value:.decimals$} [{low:.decimals$}, {high:.decimals$}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let mut sheet = Sheet::new("drinks", "prices").column("coffee", 1).column("tea", 0);
        let coffee = Estimate { value: 2.44, low: 2.3, high: 2.6 };
        sheet.row("here", vec![Some(coffee), Some(Estimate::exact(3.0))]);
        sheet.row("there", vec![None, Some(Estimate::exact(f64::NAN))]);
        sheet.note("In coins.");
        sheet
    }

    #[test]
    fn a_sheet_is_a_table_in_markdown_with_its_notes_below() {
        let expected = "\
| | coffee | tea |
| --- | ---: | ---: |
| here | 2.4 [2.3, 2.6] | 3 |
| there | | |

In coins.
";
        assert_eq!(sheet().to_string(), expected);
    }

    #[test]
    fn a_cell_is_found_by_its_row_and_column_and_what_is_no_number_is_not_there() {
        assert_eq!(sheet().cell("here", "tea"), Some(Estimate::exact(3.0)));
        assert_eq!(sheet().cell("there", "tea"), None);
        assert_eq!(sheet().cell("nowhere", "tea"), None);
        assert_eq!(sheet().values("coffee").len(), 1);
    }

    #[test]
    fn a_sheet_survives_being_written_and_read() {
        let text = serde_json::to_string(&sheet()).expect("JSON");
        assert_eq!(serde_json::from_str::<Sheet>(&text).expect("a sheet"), sheet());
    }
}
