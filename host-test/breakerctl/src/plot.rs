//! Pictures of shares over time: an SVG with a scale, lines and what stands around them.

use std::fmt::Write as _;

pub(crate) const LEFT: f64 = 50.0;
const RIGHT: f64 = 880.0;
const WIDTH: f64 = 900.0;

/// Into so many stretches of time a picture is divided.
const STRETCHES: usize = 200;

/// A share, in percent, for each stretch of time that has any calls: when its middle is, and how much.
pub(crate) type Curve = Vec<(f64, f64)>;

/// A picture that is being drawn.
pub(crate) struct Plot {
    svg: String,
    /// In seconds.
    span: f64,
    top: f64,
    bottom: f64,
}

impl Plot {
    /// An empty one of a time in seconds, so high, with room for curves from top to bottom.
    pub(crate) fn new(span: f64, height: f64, [top, bottom]: [f64; 2]) -> Self {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
        );
        Self { svg, span, top, bottom }
    }

    /// Where a time is, in seconds.
    pub(crate) fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * seconds / self.span
    }

    fn y(&self, percent: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * percent / 100.0
    }

    /// The scales: percent at the left, seconds below.
    pub(crate) fn scales(&mut self) {
        self.percents(&[0.0, 50.0, 100.0]);
        for quarter in 0..=4 {
            let time = self.span * f64::from(quarter) / 4.0;
            self.text(self.x(time) - 16.0, self.bottom + 18.0, &format!("{time:.1}s"));
        }
    }

    /// Another room for curves, from top to bottom, with a scale of percent at the left.
    pub(crate) fn panel(&mut self, [top, bottom]: [f64; 2]) {
        (self.top, self.bottom) = (top, bottom);
        self.percents(&[0.0, 100.0]);
    }

    fn percents(&mut self, marks: &[f64]) {
        for percent in marks {
            let y = self.y(*percent);
            self.put(&format!("<path d=\"M{LEFT} {y}H{RIGHT}\" stroke=\"#ddd\"/>"));
            self.text(10.0, y + 4.0, &format!("{percent}%"));
        }
    }

    /// A stretch of time as an area, as high as it says, with what it is.
    pub(crate) fn area(
        &mut self,
        [from, until]: [f64; 2],
        [top, bottom]: [f64; 2],
        colour: &str,
        what: &str,
    ) {
        let (x, width) = (self.x(from), (self.x(until) - self.x(from)).max(1.0));
        self.put(&format!(
            "<rect x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{}\" \
             fill=\"{colour}\"><title>{what}</title></rect>",
            bottom - top
        ));
    }

    /// A curve, with its title beside a piece of it at a place of its own.
    pub(crate) fn curve(&mut self, [x, y]: [f64; 2], colour: &str, title: &str, curve: &Curve) {
        self.put(&format!("<path d=\"M{x} {y}h20\" stroke=\"{colour}\" stroke-width=\"3\"/>"));
        self.text(x + 26.0, y + 4.0, title);
        let points = curve.iter().fold(String::new(), |mut all, (time, percent)| {
            let _ = write!(all, "{:.1},{:.1} ", self.x(*time), self.y(*percent));
            all
        });
        self.put(&format!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        ));
    }

    /// A text. Names of services and rules are of letters and a few signs, none of them special here.
    pub(crate) fn text(&mut self, x: f64, y: f64, text: &str) {
        self.put(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"));
    }

    /// The picture.
    pub(crate) fn finish(mut self) -> String {
        self.put("</svg>");
        self.svg
    }

    fn put(&mut self, element: &str) {
        self.svg.push_str(element);
        self.svg.push('\n');
    }
}

/// The share of the calls of which something is so, for each of several things: calls by their time in
/// seconds, within the span.
pub(crate) fn shares<const N: usize>(
    span: f64,
    calls: impl IntoIterator<Item = (f64, [bool; N])>,
) -> [Curve; N] {
    let mut stretches = [(0_u32, [0_u32; N]); STRETCHES];
    for (at, is_so) in calls {
        // A cast from a float saturates.
        let index = (at / span * STRETCHES as f64) as usize;
        let Some((all, counts)) = stretches.get_mut(index.min(STRETCHES - 1)) else { continue };
        *all += 1;
        for (count, is_so) in counts.iter_mut().zip(is_so) {
            *count += u32::from(is_so);
        }
    }
    let filled = stretches.iter().enumerate().filter(|(_, (all, _))| *all > 0);
    let mut curves = [const { Curve::new() }; N];
    for (index, (all, counts)) in filled {
        let middle = (index as f64 + 0.5) * span / STRETCHES as f64;
        for (curve, count) in curves.iter_mut().zip(counts) {
            curve.push((middle, 100.0 * f64::from(*count) / f64::from(*all)));
        }
    }
    curves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_the_calls_of_its_stretch_and_a_stretch_without_calls_has_none() {
        let calls = [(0.0, [true]), (0.1, [false]), (100.0, [true]), (200.0, [false])];
        let [curve] = shares(200.0, calls);
        assert_eq!(curve, [(0.5, 50.0), (100.5, 100.0), (199.5, 0.0)]);
    }

    #[test]
    fn a_time_and_a_share_are_where_the_scales_have_them() {
        let mut plot = Plot::new(10.0, 300.0, [80.0, 270.0]);
        plot.scales();
        plot.curve([LEFT, 20.0], "red", "half", &vec![(5.0, 50.0)]);
        let svg = plot.finish();
        assert!(svg.contains("<path d=\"M50 175H880\" stroke=\"#ddd\"/>"), "{svg}");
        assert!(svg.contains("points=\"465.0,175.0 \""), "{svg}");
    }
}
