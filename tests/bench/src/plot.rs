//! A sheet's column as a picture: a bar for each row, and where it lies in 95 of 100 cases.

use std::fmt::Write;

use crate::sheet::Sheet;
use crate::statistics::Estimate;

const WIDTH: f64 = 900.0;
/// Where the bars begin, and how long the longest is.
const LEFT: f64 = 300.0;
const LONGEST: f64 = 480.0;
const TOP: f64 = 48.0;
const LINE: f64 = 26.0;

/// The picture as SVG; `None`: the sheet has none.
pub(crate) fn of(sheet: &Sheet) -> Option<String> {
    let column = sheet.plotted.as_deref()?;
    let values = sheet.values(column);
    let furthest = values.iter().map(|(_, it)| it.high.max(it.value)).fold(0.0, f64::max);
    if furthest <= 0.0 {
        return None;
    }
    let height = TOP + LINE * values.len() as f64 + 12.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"26\" font-size=\"15\">{}</text>\n",
        escaped(&format!("{}: {column}", sheet.title)),
    );
    for (index, (row, estimate)) in values.into_iter().enumerate() {
        let middle = TOP + LINE * index as f64 + LINE / 2.0;
        bar(&mut svg, row, estimate, LONGEST / furthest, middle);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn bar(svg: &mut String, row: &str, estimate: Estimate, scale: f64, middle: f64) {
    let at = |value: f64| LEFT + value.max(0.0) * scale;
    let Estimate { value, low, high } = estimate;
    let (baseline, width) = (middle + 4.5, at(value) - LEFT);
    let ours = if row.starts_with("ours") { "#2a6f97" } else { "#a9b4bd" };
    let (top, tall) = (middle - 8.0, 16.0);
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{baseline}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{LEFT}\" y=\"{top}\" width=\"{width:.1}\" height=\"{tall}\" fill=\"{ours}\"/>\n\
         <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"black\"/>\n\
         <text x=\"{:.1}\" y=\"{baseline}\">{}</text>\n",
        LEFT - 8.0,
        escaped(row),
        at(low),
        at(high),
        at(high.max(value)) + 8.0,
        short(value),
    );
}

/// Three digits that count.
fn short(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.decimals$}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_bar_for_each_row_as_long_as_its_value() {
        let mut sheet = Sheet::new("cost", "a < b").column("x", 1).plotted("x");
        sheet.row("ours", vec![Some(Estimate { value: 5.0, low: 4.0, high: 6.0 })]);
        sheet.row("theirs", vec![Some(Estimate::exact(10.0))]);
        sheet.row("nobody's", vec![None]);
        let svg = of(&sheet).expect("a plot");
        assert_eq!(svg.matches("<rect x=").count(), 2, "{svg}");
        assert!(svg.contains("width=\"240.0\"") && svg.contains("width=\"480.0\""), "{svg}");
        assert!(svg.contains("a &lt; b: x"), "{svg}");
    }

    #[test]
    fn a_sheet_without_numbers_has_no_plot() {
        assert_eq!(of(&Sheet::new("cost", "").column("x", 1).plotted("x")), None);
    }
}
