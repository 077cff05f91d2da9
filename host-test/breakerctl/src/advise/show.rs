//! The advice, in words and as data.

use std::io::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::candidates::Kind;
use super::outages::{Outage, Usual};
use super::verdict::{Advice, Tried, Why};
use crate::output::{BAD, FAINT, GOOD};

/// Rules that are shown beside those that always are, and outages.
const SHOWN: usize = 6;

/// The advice as data.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    calls: usize,
    left_out: usize,
    seconds: f64,
    bad: usize,
    usual: Usual,
    outages: &'a [Outage],
    rules: Vec<Rule<'a>>,
    best: Option<&'a str>,
    configuration: Option<&'a Value>,
    summary: String,
}

#[derive(Serialize)]
struct Rule<'a> {
    name: &'a str,
    settings: &'a Value,
    times: usize,
    bad_let_through: usize,
    bad_diverted: usize,
    good_diverted: usize,
    worth: f64,
    /// Seconds.
    by_chance_once_in: Option<f64>,
}

impl<'a> Report<'a> {
    pub(super) fn new(advice: &'a Advice, configuration: Option<&'a Value>) -> Self {
        let rule = |it: &'a Tried| Rule {
            name: &it.name,
            settings: &it.settings,
            times: it.played.times,
            bad_let_through: it.let_through,
            bad_diverted: it.played.bad_diverted,
            good_diverted: it.played.good_diverted,
            worth: it.worth,
            by_chance_once_in: it.by_chance.filter(|it| it.is_finite()),
        };
        Self {
            calls: advice.calls,
            left_out: advice.silent,
            seconds: advice.span,
            bad: advice.bad,
            usual: advice.usual,
            outages: &advice.outages,
            rules: advice.tried.iter().map(rule).collect(),
            best: advice.best().map(|it| it.name.as_str()),
            configuration,
            summary: sentences(advice).join(" "),
        }
    }
}

/// Prints it for people.
pub(super) fn print(advice: &Advice, configuration: Option<&Value>) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let Advice { calls, silent, usual, outages, .. } = advice;
    writeln!(
        out,
        "calls      {calls} in {}, {} a second; usually {} of them are bad",
        time(advice.span),
        short(usual.rate),
        percent(usual.bad, usual.calls)
    )?;
    if *silent > 0 {
        writeln!(out, "left out   {silent} that say nothing of the service")?;
    }
    writeln!(out, "outages    {}", outages.len())?;
    for Outage { from, until, calls, bad, .. } in outages.iter().take(SHOWN) {
        let share = percent(*bad, *calls);
        let lasted = time(until - from);
        writeln!(out, "           at {} s for {lasted}: {share} of {calls} calls", short(*from))?;
    }
    if outages.len() > SHOWN {
        writeln!(out, "           and {} more", outages.len() - SHOWN)?;
    }
    if !advice.outages.is_empty() {
        table(&mut out, advice)?;
    }
    writeln!(out)?;
    match advice.best() {
        Some(best) => writeln!(out, "{GOOD}best{GOOD:#}       {}", best.name)?,
        None => writeln!(out, "{BAD}no advice{BAD:#}")?,
    }
    for sentence in sentences(advice) {
        writeln!(out, "  {sentence}")?;
    }
    if let Some(configuration) = configuration {
        writeln!(out, "\n{}", serde_json::to_string_pretty(configuration)?)?;
    }
    Ok(())
}

/// The best rules, and those that everybody asks for.
fn table(out: &mut impl std::io::Write, advice: &Advice) -> anyhow::Result<()> {
    let is_asked_for = |it: &Tried| !matches!(it.kind, Kind::Fixed(_));
    let of = |it: &Tried| [it.played.times, it.let_through, it.played.good_diverted];
    writeln!(
        out,
        "\n{FAINT}DIVERTS  BAD LET THROUGH  GOOD DIVERTED  BY CHANCE         RULE{FAINT:#}"
    )?;
    let mut seen = Vec::new();
    for (index, it) in advice.tried.iter().enumerate() {
        // One of those that do the same is enough.
        let is_new = !seen.contains(&of(it)) && seen.len() < SHOWN;
        if is_new {
            seen.push(of(it));
        }
        if is_new || is_asked_for(it) || Some(index) == advice.best {
            row(
                out,
                of(it),
                &it.by_chance.map_or_else(|| "learned".to_owned(), once_in),
                &it.name,
            )?;
        }
    }
    row(out, [0, advice.bad_of_outages, 0], "", "no breaker")
}

fn row(
    out: &mut impl std::io::Write,
    [times, let_through, good]: [usize; 3],
    by_chance: &str,
    name: &str,
) -> anyhow::Result<()> {
    let times = format!("{times} x");
    writeln!(out, "{times:>7}  {let_through:>15}  {good:>13}  {by_chance:16}  {name}")?;
    Ok(())
}

/// What there is to say.
fn sentences(advice: &Advice) -> Vec<String> {
    let mut said = Vec::new();
    let default = advice.first(|it| matches!(it.kind, Kind::Default(_)));
    let adaptive = advice.first(|it| matches!(it.kind, Kind::Adaptive));
    let nervous = |it: &Tried| {
        format!(
            "At these errors and this traffic, chance alone opens \"{}\" {}.",
            it.name,
            once_in(it.by_chance.unwrap_or(f64::INFINITY))
        )
    };
    let Some(best) = advice.best() else {
        match advice.none {
            Some(Why::TooFew) => said.push(format!(
                "{} calls are too few to go by: give a log of some thousand, with an outage in it.",
                advice.calls
            )),
            Some(Why::Nothing) => {
                said.push(
                    "Nothing happened here that a breaker could have helped with: give a log with \
                     an outage in it."
                        .to_owned(),
                );
                said.extend(default.filter(|it| it.is_nervous()).map(nervous));
            }
            _ => {
                let least = advice.first(|it| !it.is_nervous() && it.played.times > 0);
                said.push(
                    "No rule would have helped: while the service was bad, most calls were good, \
                     and a breaker diverts these too."
                        .to_owned(),
                );
                said.extend(least.map(|it| {
                    format!(
                        "\"{}\" does least harm: it diverts {} good calls and {} bad ones.",
                        it.name, it.played.good_diverted, it.played.bad_diverted
                    )
                }));
                said.push(
                    "If fewer calls make the service better, as when it is overloaded, no log \
                     shows that: try the adaptive rule with \"mode\": \"metrics_only\"."
                        .to_owned(),
                );
            }
        }
        return said;
    };
    let did = |it: &Tried| {
        format!(
            "lets {} of {} bad calls of the outages through, and diverts {} good ones",
            it.let_through, advice.bad_of_outages, it.played.good_diverted
        )
    };
    said.push(format!(
        "It {} ({} of all good calls).",
        did(best),
        percent(best.played.good_diverted, advice.calls - advice.bad)
    ));
    if let Some(default) = default.filter(|it| it.name != best.name) {
        said.push(format!("\"{}\" {}.", default.name, did(default)));
        if default.is_nervous() {
            said.push(nervous(default));
        }
    }
    let is_adaptive = matches!(best.kind, Kind::Adaptive);
    if let Some(adaptive) = adaptive.filter(|_| !is_adaptive) {
        let alike = if advice.are_alike(adaptive, best) {
            ": nearly as much, and it has no number that comes from this one log"
        } else {
            ""
        };
        said.push(format!("The adaptive rule {}{alike}.", did(adaptive)));
    }
    let fixed = advice.first(|it| !matches!(it.kind, Kind::Adaptive) && !it.is_nervous());
    if let Some(fixed) = fixed.filter(|it| is_adaptive && it.name != best.name) {
        said.push(format!("The best rule of fixed numbers, \"{}\", {}.", fixed.name, did(fixed)));
    }
    let better = advice.first(|it| it.is_nervous() && it.worth > best.worth);
    let better = better.filter(|it| !advice.are_alike(it, best));
    if let Some(better) = better {
        said.push(format!(
            "\"{}\" {}, but chance alone opens it {}.",
            better.name,
            did(better),
            once_in(better.by_chance.unwrap_or(f64::INFINITY))
        ));
    }
    said
}

fn percent(part: usize, all: usize) -> String {
    let percent = 100.0 * part as f64 / all.max(1) as f64;
    if percent > 0.0 && percent < 0.1 {
        "< 0.1 %".to_owned()
    } else {
        format!("{} %", short(percent))
    }
}

/// With as many digits as say something.
fn short(number: f64) -> String {
    let text = if number < 10.0 { format!("{number:.1}") } else { format!("{number:.0}") };
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// Seconds, as people say them.
fn time(seconds: f64) -> String {
    if seconds < 10.0 { format!("{} s", short(seconds)) } else { about(seconds) }
}

/// How often something happens.
fn once_in(seconds: f64) -> String {
    const NEVER: f64 = 100.0 * 365.0 * 86_400.0;
    if seconds >= NEVER { "never".to_owned() } else { format!("once in {}", about(seconds)) }
}

/// Seconds in the largest unit of which there are two.
fn about(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] =
        [(365.0 * 86_400.0, "years"), (86_400.0, "days"), (3_600.0, "h"), (60.0, "min")];
    let (unit, name) =
        UNITS.into_iter().find(|(unit, _)| seconds >= 2.0 * unit).unwrap_or((1.0, "s"));
    format!("{} {name}", (seconds / unit).round())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_are_as_short_as_people_say_them() {
        let said = [0.4, 59.0, 660.0, 7200.0, 2.5e6, 1e9].map(about);
        assert_eq!(said, ["0 s", "59 s", "11 min", "2 h", "29 days", "32 years"]);
        assert_eq!([once_in(1e4), once_in(1e11)], ["once in 3 h", "never"]);
        assert_eq!([percent(0, 0), percent(1, 9000), percent(1, 3)], ["0 %", "< 0.1 %", "33 %"]);
    }
}
