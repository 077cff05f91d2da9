//! What a picture is made of.

/// Where all lines begin and end.
pub(super) const LEFT: f64 = 50.0;
pub(super) const RIGHT: f64 = 880.0;

/// A line through these points.
pub(super) fn line(points: impl Iterator<Item = (f64, f64)>, colour: &str) -> String {
    let points: Vec<_> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let points = points.join(" ");
    format!(
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
    )
}

/// A text. Names of services are of letters and a few signs, none of them special here.
pub(super) fn text(x: f64, y: f64, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>")
}
