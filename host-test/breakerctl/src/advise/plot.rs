//! A picture: what was bad in the log, what rules divert, and the outages behind it.

use super::calls::Sample;
use super::candidates::Kind;
use super::verdict::{Advice, Tried};
use crate::plot::{LEFT, Plot, shares};

const HEIGHT: f64 = 300.0;
const TOP: f64 = 80.0;
const BOTTOM: f64 = 270.0;

/// Draws it as an SVG picture.
pub(super) fn svg(calls: &[Sample], advice: &Advice) -> String {
    let span = advice.span.max(1e-3);
    let mut plot = Plot::new(span, HEIGHT, [TOP, BOTTOM]);
    for outage in &advice.outages {
        plot.area([outage.from, outage.until], [TOP, BOTTOM], "#fdedec", "an outage");
    }
    plot.scales();
    let share = |is_so: &dyn Fn(usize) -> bool| {
        let calls = calls.iter().enumerate();
        let [curve] =
            shares(span, calls.map(|(index, call)| (call.at as f64 / 1e9, [is_so(index)])));
        curve
    };
    let bad = share(&|index| calls[index].bad);
    let mut lines = vec![("#c0392b", "bad in the log, %".to_owned(), bad)];
    for (colour, tried) in [
        ("#2980b9", advice.best()),
        ("#8e44ad", advice.first(|it| matches!(it.kind, Kind::Fixed(_)) && !it.is_nervous())),
        ("#27ae60", advice.first(|it| matches!(it.kind, Kind::Adaptive))),
        ("#95a5a6", advice.first(|it| matches!(it.kind, Kind::Default(_)))),
    ] {
        let is_new = |it: &&Tried| !lines.iter().any(|(_, title, _)| title.starts_with(&it.name));
        if let Some(tried) = tried.filter(is_new) {
            let diverted = share(&|index| tried.played.diverted[index]);
            lines.push((colour, format!("{}: diverted, %", tried.name), diverted));
        }
    }
    for (index, (colour, title, curve)) in lines.iter().enumerate() {
        plot.curve([LEFT, 15.0 * (index + 1) as f64], colour, title, curve);
    }
    plot.finish()
}
