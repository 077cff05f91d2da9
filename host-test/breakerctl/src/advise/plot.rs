//! A picture: what was bad in the log, what rules divert, and the outages behind it.

use std::fmt::Write as _;

use super::calls::Sample;
use super::candidates::Kind;
use super::verdict::{Advice, Tried};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 880.0;
const TOP: f64 = 80.0;
const BOTTOM: f64 = 270.0;
const BUCKETS: usize = 200;

/// Draws it as an SVG picture.
pub(super) fn svg(calls: &[Sample], advice: &Advice) -> String {
    let span = advice.span.max(1e-3);
    let x = |seconds: f64| LEFT + (RIGHT - LEFT) * seconds / span;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let mut put = |element: String| {
        svg.push_str(&element);
        svg.push('\n');
    };
    for outage in &advice.outages {
        let (from, width) = (x(outage.from), (x(outage.until) - x(outage.from)).max(1.0));
        put(format!(
            "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{}\" \
             fill=\"#fdedec\"/>",
            BOTTOM - TOP
        ));
    }
    for percent in [0.0, 50.0, 100.0] {
        let y = y_of(percent);
        put(format!("<path d=\"M{LEFT} {y}H{RIGHT}\" stroke=\"#ddd\"/>"));
        put(text(10.0, y + 4.0, &format!("{percent}%")));
    }
    for quarter in 0..=4 {
        let time = span * f64::from(quarter) / 4.0;
        put(text(x(time) - 20.0, BOTTOM + 18.0, &format!("{time:.1}s")));
    }
    let bad = curve(calls, span, |index| calls[index].bad);
    let mut lines = vec![("#c0392b", "bad in the log, %".to_owned(), bad)];
    for (colour, tried) in [
        ("#2980b9", advice.best()),
        ("#8e44ad", advice.first(|it| matches!(it.kind, Kind::Fixed(_)) && !it.is_nervous())),
        ("#27ae60", advice.first(|it| matches!(it.kind, Kind::Adaptive))),
        ("#95a5a6", advice.first(|it| matches!(it.kind, Kind::Default(_)))),
    ] {
        let is_new = |it: &&Tried| !lines.iter().any(|(_, title, _)| title.starts_with(&it.name));
        if let Some(tried) = tried.filter(is_new) {
            let diverted = curve(calls, span, |index| tried.played.diverted[index]);
            lines.push((colour, format!("{}: diverted, %", tried.name), diverted));
        }
    }
    for (index, (colour, title, points)) in lines.iter().enumerate() {
        let y = 15.0 * (index + 1) as f64;
        put(format!("<path d=\"M{LEFT} {y}h20\" stroke=\"{colour}\" stroke-width=\"3\"/>"));
        put(text(LEFT + 26.0, y + 4.0, title));
        let points = points.iter().fold(String::new(), |mut all, (time, percent)| {
            let _ = write!(all, "{:.1},{:.1} ", x(*time), y_of(*percent));
            all
        });
        put(format!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" \
             stroke-width=\"1.5\"/>"
        ));
    }
    svg.push_str("</svg>\n");
    svg
}

fn y_of(percent: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * percent / 100.0
}

/// A text. Names of rules have no sign that is special here.
fn text(x: f64, y: f64, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>")
}

/// The share of the calls of which something is so, for each stretch of time that has any.
fn curve(calls: &[Sample], span: f64, is_so: impl Fn(usize) -> bool) -> Vec<(f64, f64)> {
    let mut buckets = [(0_u32, 0_u32); BUCKETS];
    for (index, call) in calls.iter().enumerate() {
        let at = call.at as f64 / 1e9 / span * BUCKETS as f64;
        let (all, so) = &mut buckets[(at as usize).min(BUCKETS - 1)];
        *all += 1;
        *so += u32::from(is_so(index));
    }
    let filled = buckets.iter().enumerate().filter(|(_, (all, _))| *all > 0);
    let point = |(index, (all, so)): (usize, &(u32, u32))| {
        let middle = (index as f64 + 0.5) * span / BUCKETS as f64;
        (middle, 100.0 * f64::from(*so) / f64::from(*all))
    };
    filled.map(point).collect()
}
