//! What the adaptive rule went by, below the picture: a panel for each service that has it.

use rules::AdaptiveReport;

use crate::plot::{LEFT, Plot};
use crate::simulate::knowledge::{Knowledge, Seen};

const HEIGHT: f64 = 150.0;
const LEGEND: f64 = 24.0;
const MOST: f64 = 100.0;

/// A line: its colour, what it shows, and by what it is drawn, in percent.
type Line = (&'static str, &'static str, fn(&AdaptiveReport) -> f64);

const LINES: [Line; 4] = [
    ("#7f8c8d", "usual, %", |it| of_thousandths(it.base)),
    ("#c0392b", "bad now, %", |it| of_thousandths(it.now)),
    ("#8e44ad", "evidence, % of what it takes", |it| {
        MOST * f64::from(it.evidence) / f64::from(it.bar.max(1))
    }),
    ("#2980b9", "to be diverted, %", |it| of_thousandths(it.diverts)),
];

/// How high all panels are.
pub(super) fn height(knowledge: &Knowledge) -> f64 {
    HEIGHT * f64::from(u32::try_from(shown(knowledge).count()).unwrap_or_default())
}

/// Draws the panels, from `top` on.
pub(super) fn draw(knowledge: &Knowledge, top: f64, plot: &mut Plot) {
    let mut top = top;
    for seen in shown(knowledge) {
        plot.panel([top + LEGEND, top + HEIGHT - LEGEND]);
        plot.text(LEFT, top + 14.0, seen.service());
        let mut at = LEFT;
        for (colour, title, value) in LINES {
            at += 170.0;
            let curve = seen.reports.iter().map(|(time, it)| (*time, value(it).min(MOST)));
            plot.curve([at, top + 10.0], colour, title, &curve.collect());
        }
        top += HEIGHT;
    }
}

fn shown(knowledge: &Knowledge) -> impl Iterator<Item = &Seen> {
    knowledge.seen.iter().filter(|seen| !seen.reports.is_empty())
}

fn of_thousandths(thousandths: u32) -> f64 {
    f64::from(thousandths) / 1_000.0
}
