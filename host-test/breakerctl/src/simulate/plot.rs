//! A picture of a replay: what failed, what was diverted, and the states below.

mod adaptive;

use std::collections::BTreeSet;

use super::report::{Report, is_seen_to_fail};
use crate::plot::{LEFT, Plot, shares};
use crate::trace::Call;

const TOP: f64 = 40.0;
const BOTTOM: f64 = 240.0;
const BAND: f64 = 18.0;

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
    let panels = BOTTOM + 60.0 + services.len() as f64 * (BAND + 8.0);
    let height = panels + adaptive::height(&report.knowledge);

    let mut plot = Plot::new(span, height, [TOP, BOTTOM]);
    plot.scales();
    let fates = calls.iter().zip(&report.fates).map(|(call, fate)| {
        let seen = [call.ended.is_failure(), is_seen_to_fail(call, *fate), fate.is_diverted()];
        (call.at.as_secs_f64(), seen)
    });
    for (index, ((colour, title), curve)) in LINES.iter().zip(shares(span, fates)).enumerate() {
        plot.curve([LEFT + 220.0 * index as f64, 20.0], colour, title, &curve);
    }
    let mut top = BOTTOM + 34.0;
    for service in services {
        let mut from = (0.0, "CLOSED");
        let changes = report.transitions.iter().filter(|change| change.service == service);
        let changes = changes.map(|change| (change.time, change.to.as_str()));
        for (time, to) in changes.chain([(span, "")]) {
            let what = format!("{service} {} from {:.3}s", from.1, from.0);
            plot.area([from.0, time], [top, top + BAND], colour_of(from.1), &what);
            from = (time, to);
        }
        plot.text(LEFT + 4.0, top + 13.0, service);
        top += BAND + 8.0;
    }
    adaptive::draw(&report.knowledge, panels, &mut plot);
    plot.finish()
}

fn colour_of(state: &str) -> &'static str {
    match state {
        "CLOSED" => "#abebc6",
        "OPEN" => "#f1948a",
        _ => "#f9e79f",
    }
}
