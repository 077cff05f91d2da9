//! The tables.

use crate::bars::{Bar, Bound, Held};
use crate::figures::{Figure, Part};
use crate::run::Runs;
use crate::scenario::File;

/// A table of the rules for each scenario.
pub(crate) fn scenarios(files: &[File], runs: &[Runs<'_>]) {
    for file in files {
        println!("\n## {}", file.about);
        for name in file.scenarios.iter().map(|it| &it.name) {
            println!("\n### `{name}`\n");
            rules(runs.iter().filter(|it| it.scenario.name == *name));
        }
    }
}

fn rules<'a>(runs: impl Iterator<Item = &'a Runs<'a>>) {
    println!(
        "| rule | bad passed, % | calls | good rejected, % | after it, % | s | seen after, ms \
         | good a second | episodes a day | transitions |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for runs in runs {
        let columns = [
            (Figure::BadPassed, Part::Bad),
            (Figure::Passed, Part::Bad),
            (Figure::GoodRejected, Part::Bad),
            (Figure::GoodRejected, Part::After),
            (Figure::Lost, Part::After),
            (Figure::Seen, Part::Bad),
            (Figure::Goodput, Part::Bad),
            (Figure::Episodes, Part::Whole),
            (Figure::Transitions, Part::Bad),
        ];
        let values = columns.map(|(figure, part)| number(runs.figure(figure, part)));
        println!("| {} | {} |", runs.rule.about, values.join(" | "));
    }
}

/// A table of what the rules give and what the first of them is held to, as far as it was played.
pub(crate) fn bars(held: &Held, runs: &[Runs<'_>], few: bool) -> bool {
    let runs: Vec<_> = runs.iter().filter(|it| held.is_about(&it.scenario.name)).collect();
    let played = |bar: &Bar, rule: &str| {
        runs.iter().any(|it| bar.is_about(&it.scenario.name) && it.rule.name == rule)
    };
    let Some(first) = held.rules.first() else { return true };
    let bars: Vec<_> = held.bars.iter().filter(|bar| played(bar, first)).collect();
    if bars.is_empty() {
        return true;
    }
    let rules = held.rules.iter().filter(|rule| bars.iter().any(|bar| played(bar, rule)));
    let rules: Vec<_> = rules.copied().collect();
    let room = held.room(few);
    if room > 1.0 {
        println!("\nWith so few runs, a bar leaves {room} times as much room.");
    }
    println!("\n| scenario | figure | phases | {} | bar | |", rules.join(" | "));
    println!("| --- | --- | --- |{} --- | --- |", " ---: |".repeat(rules.len()));
    let held: Vec<_> = bars.iter().map(|it| bar(it, &runs, &rules, room)).collect();
    !held.contains(&false)
}

/// A row of it. Of several scenarios, the worst.
fn bar(bar: &Bar, runs: &[&Runs<'_>], rules: &[&str], room: f64) -> bool {
    let about = runs.iter().copied().filter(|it| bar.is_about(&it.scenario.name));
    let about: Vec<_> = about.collect();
    let of_rule = |rule: &str| {
        let runs = about.iter().filter(|it| it.rule.name == rule);
        let values = runs.map(|it| (it.figure(bar.figure, bar.part), it.scenario.name.as_str()));
        values.collect::<Vec<_>>()
    };
    let worse = |a: &Option<f64>, b: &Option<f64>| {
        let distance = |it: &Option<f64>| it.map_or(f64::INFINITY, |it| bar.distance(it));
        distance(a).total_cmp(&distance(b))
    };
    let worst = |rule: &str| {
        let worst = of_rule(rule).into_iter().map(|(value, _)| value).max_by(worse);
        worst.map_or_else(String::new, number)
    };
    let held = rules.first().is_some_and(|rule| {
        of_rule(rule).into_iter().all(|(value, name)| {
            let others = about.iter().filter(|it| it.scenario.name == name);
            let others: Vec<_> = others.copied().collect();
            bar.holds(value, &others, room)
        })
    });
    let measured: Vec<_> = rules.iter().map(|rule| worst(rule)).collect();
    let names = bar.names.join("…");
    let verdict = if held { "" } else { "missed" };
    println!(
        "| `{names}` | {} | {} | {} | {} | {verdict} |",
        bar.figure.name(),
        bar.part.name(),
        measured.join(" | "),
        bar.bound.text(),
    );
    held
}

impl Bar {
    /// How far a figure is on the bad side.
    fn distance(&self, value: f64) -> f64 {
        match self.bound {
            Bound::AtMost(_) | Bound::PartOf(..) => value,
            Bound::AtLeast(_) => -value,
            Bound::Within(least, most) => (value - (least + most) / 2.0).abs(),
        }
    }
}

impl Bound {
    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("<= {most}"),
            Self::AtLeast(least) => format!(">= {least}"),
            Self::Within(least, most) => format!("{least} to {most}"),
            Self::PartOf(rule, part) => format!("<= 1/{part} of {rule}"),
        }
    }
}

/// A number with as many digits as say something.
fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(value) if value.abs() < 10.0 => format!("{value:.2}"),
        Some(value) if value.abs() < 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}
