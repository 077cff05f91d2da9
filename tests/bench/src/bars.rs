//! What the numbers have to reach. A bar is held if the middle of the figure is at or below it.

use std::fmt::{Display, Formatter};

use crate::sheet::Sheet;
use crate::statistics::Estimate;

/// One of them: a cell, and the most that it may hold.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    what: String,
    sheet: &'static str,
    row: String,
    column: String,
    at_most: f64,
}

/// What became of a bar.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    bar: Bar,
    /// `None`: it was not measured.
    figure: Option<Estimate>,
}

impl Bar {
    pub(crate) fn new(
        what: impl Into<String>,
        sheet: &'static str,
        row: &str,
        column: impl Into<String>,
        at_most: f64,
    ) -> Self {
        Self { what: what.into(), sheet, row: row.to_owned(), column: column.into(), at_most }
    }

    /// What it is about, if that is in this sheet.
    pub(crate) fn figure(&self, sheet: &Sheet) -> Option<Estimate> {
        (sheet.name == self.sheet).then(|| sheet.cell(&self.row, &self.column))?
    }

    /// The row that it is about.
    pub(crate) fn row(&self) -> &str {
        &self.row
    }

    /// How it fares with these sheets.
    pub(crate) fn judge(self, sheets: &[Sheet]) -> Verdict {
        let figure = sheets.iter().find_map(|sheet| self.figure(sheet));
        Verdict { bar: self, figure }
    }
}

impl Verdict {
    pub(crate) const fn is_measured(&self) -> bool {
        self.figure.is_some()
    }

    /// Whether it was measured and found too high.
    pub(crate) fn is_missed(&self) -> bool {
        self.figure.is_some_and(|figure| figure.value > self.bar.at_most)
    }
}

impl Display for Verdict {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        let Bar { what, at_most, .. } = &self.bar;
        let Some(Estimate { value, low, high }) = self.figure else {
            return write!(out, "not measured: {what} (at most {at_most})");
        };
        let verdict = if self.is_missed() { "MISSED" } else { "held" };
        write!(out, "{verdict}: {what}: {value:.2} [{low:.2}, {high:.2}], at most {at_most}")
    }
}

/// Those of all parts.
pub(crate) fn bars() -> Vec<Bar> {
    [crate::cpu::bars(), crate::outage::bars(), crate::core::bars(), crate::memory::bars()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(value: f64) -> Verdict {
        let mut sheet = Sheet::new("cost", "").column("x empty", 2);
        sheet.row("ours", vec![Some(Estimate { value, low: 0.1, high: 9.0 })]);
        Bar::new("ours", "cost", "ours", "x empty", 1.5).judge(&[sheet])
    }

    #[test]
    fn a_bar_is_held_if_the_middle_is_at_or_below_it() {
        assert!(!judged(1.5).is_missed());
        assert!(judged(1.51).is_missed());
        assert!(judged(1.51).to_string().starts_with("MISSED"));
    }

    #[test]
    fn a_bar_that_was_not_measured_is_neither_held_nor_missed() {
        let verdict = Bar::new("ours", "cost", "ours", "x empty", 1.5).judge(&[]);
        assert!(!verdict.is_missed());
        assert!(verdict.to_string().starts_with("not measured"), "{verdict}");
    }
}
