//! A picture of a replay: what failed, what was diverted, and the states below.

mod adaptive;
mod shapes;

use std::collections::BTreeSet;

use self::shapes::{LEFT, RIGHT, line, text};
use super::report::{Report, is_seen_to_fail};
use crate::trace::Call;

const WIDTH: f64 = 900.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 240.0;
const BAND: f64 = 18.0;
const BUCKETS: usize = 100;

const LINES: [(&str, &str); 3] = [
    ("#c0392b", "failed in the trace, %"),
    ("#e67e22", "failed for clients, %"),
    ("#2980b9", "diverted, %"),
];

/// Draws the replay as an SVG picture.
pub(super) fn svg(calls: &[Call], report: &Report) -> String {
    let services: BTreeSet<&str> =
        report.transitions.iter().map(|change| change.service.as_str()).collect();
    let last_call = calls.last().map_or(0.0, |call| call.at.as_secs_f64());
    let last_change = report.transitions.last().map_or(0.0, |change| change.time);
    let span = last_call.max(last_change).max(1e-3);
    let x = |time: f64| LEFT + (RIGHT - LEFT) * time / span;
    let bands = f64::from(u32::try_from(services.len()).unwrap_or(u32::MAX));
    let panels = BOTTOM + 60.0 + bands * (BAND + 8.0);
    let height = panels + adaptive::height(&report.knowledge);

    let mut svg = String::new();
    let mut put = |element: &str| {
        svg.push_str(element);
        svg.push('\n');
    };
    put(&format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">"
    ));
    put(&format!("<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>"));
    for percent in [0.0, 50.0, 100.0] {
        let y = y_of(percent);
        put(&format!("<path d=\"M{LEFT} {y}H{RIGHT}\" stroke=\"#ddd\"/>"));
        put(&text(10.0, y + 4.0, &format!("{percent}%")));
    }
    for (index, ((colour, title), points)) in
        LINES.iter().zip(curves(calls, report, span)).enumerate()
    {
        let at = LEFT + 220.0 * f64::from(u32::try_from(index).unwrap_or_default());
        put(&format!("<path d=\"M{at} 20h20\" stroke=\"{colour}\" stroke-width=\"3\"/>"));
        put(&text(at + 26.0, 24.0, title));
        let points = points.iter().map(|(time, percent)| (x(*time), y_of(*percent)));
        put(&line(points, colour));
    }
    for quarter in 0..=4 {
        let time = span * f64::from(quarter) / 4.0;
        put(&text(x(time) - 10.0, BOTTOM + 18.0, &format!("{time:.1}s")));
    }
    let mut top = BOTTOM + 34.0;
    for service in services {
        let mut from = (0.0, "CLOSED");
        let changes = report.transitions.iter().filter(|change| change.service == service);
        let changes = changes.map(|change| (change.time, change.to.as_str()));
        for (time, to) in changes.chain([(span, "")]) {
            let (start, width) = (x(from.0), x(time) - x(from.0));
            put(&format!(
                "<rect x=\"{start:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAND}\" \
                 fill=\"{}\"><title>{service} {} from {:.3}s</title></rect>",
                colour_of(from.1),
                from.1,
                from.0
            ));
            from = (time, to);
        }
        put(&text(LEFT + 4.0, top + 13.0, service));
        top += BAND + 8.0;
    }
    adaptive::draw(&report.knowledge, panels, x, &mut put);
    put("</svg>");
    svg
}

fn y_of(percent: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * percent / 100.0
}

fn colour_of(state: &str) -> &'static str {
    match state {
        "CLOSED" => "#abebc6",
        "OPEN" => "#f1948a",
        _ => "#f9e79f",
    }
}

/// For each line its points, one for each stretch of time in which there were calls.
fn curves(calls: &[Call], report: &Report, span: f64) -> [Vec<(f64, f64)>; 3] {
    let mut buckets = vec![[0_u32; 4]; BUCKETS];
    let stretch = span / f64::from(u32::try_from(BUCKETS).unwrap_or(u32::MAX));
    for (call, fate) in calls.iter().zip(&report.fates) {
        let at = call.at.as_secs_f64();
        let ends = (1..BUCKETS).scan(0.0, |end, _| {
            *end += stretch;
            Some(*end)
        });
        let index = ends.take_while(|end| *end <= at).count();
        let Some([all, failed, seen, diverted]) = buckets.get_mut(index) else {
            continue;
        };
        *all += 1;
        *failed += u32::from(call.ended.is_failure());
        *seen += u32::from(is_seen_to_fail(call, *fate));
        *diverted += u32::from(fate.is_diverted());
    }
    let mut middle = -stretch / 2.0;
    let mut curves: [Vec<(f64, f64)>; 3] = Default::default();
    for [all, counts @ ..] in buckets {
        middle += stretch;
        if all > 0 {
            for (curve, count) in curves.iter_mut().zip(counts) {
                curve.push((middle, 100.0 * f64::from(count) / f64::from(all)));
            }
        }
    }
    curves
}
