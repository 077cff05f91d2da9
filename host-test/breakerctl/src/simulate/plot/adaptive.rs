//! What the adaptive rule went by, below the picture: a panel for each service that has it.

use rules::AdaptiveReport;

use super::shapes::{LEFT, RIGHT, line, text};
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

/// Draws the panels, from `top` on. `x`: where a time is.
pub(super) fn draw(
    knowledge: &Knowledge,
    top: f64,
    x: impl Fn(f64) -> f64,
    put: &mut impl FnMut(&str),
) {
    let mut top = top;
    for seen in shown(knowledge) {
        let bottom = top + HEIGHT - LEGEND;
        let y = |percent: f64| bottom - (bottom - top - LEGEND) * percent.min(MOST) / MOST;
        for percent in [0.0, MOST] {
            put(&format!("<path d=\"M{LEFT} {}H{RIGHT}\" stroke=\"#ddd\"/>", y(percent)));
            put(&text(10.0, y(percent) + 4.0, &format!("{percent}%")));
        }
        let mut at = LEFT;
        put(&text(at, top + 14.0, seen.service()));
        for (colour, title, value) in LINES {
            at += 170.0;
            put(&format!(
                "<path d=\"M{at} {}h20\" stroke=\"{colour}\" stroke-width=\"3\"/>",
                top + 10.0
            ));
            put(&text(at + 26.0, top + 14.0, title));
            put(&line(seen.reports.iter().map(|(time, it)| (x(*time), y(value(it)))), colour));
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
