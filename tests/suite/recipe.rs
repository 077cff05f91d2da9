//! The recipe's trace of twelve requests is a scenario.

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use scenario::{Answer, CalloutAnswer, Event, Scenario};
use services::trace::{Row, Seen, TRACE};

use crate::files::named;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("the_recipes_trace_is_a_scenario", trace)]
}

fn trace() -> Result<()> {
    for name in [
        "the-recipes-twelve-requests-get-its-answers",
        "four-workers-give-the-recipes-twelve-requests-its-answers",
    ] {
        let rows = rows(&named(name)?);
        let expected: Vec<_> = TRACE
            .iter()
            .map(|Row { service, health, seen }| {
                let Seen { answered_by, state, failures, .. } = seen;
                format!("{service} {health} {answered_by} {state} {failures}")
            })
            .collect();
        ensure!(rows == expected, "{name}: {rows:#?}");
    }
    Ok(())
}

/// What a scenario says of its calls, in the words of the table.
fn rows(scenario: &Scenario) -> Vec<String> {
    let mut health = "healthy";
    let mut rows = Vec::new();
    for step in &scenario.steps {
        match &step.event {
            Event::Upstream { answers, .. } => {
                let is_well = *answers == CalloutAnswer::Status(200);
                health = if is_well { "healthy" } else { "sick" };
            }
            Event::Call { answer, .. } => {
                let is_up =
                    matches!(answer.as_slice(), [Answer::Whole(head)] if head.status == 200);
                let expect = &step.expect;
                let by = match expect.verdict.as_deref() {
                    Some("passed") => "downstream",
                    Some("replayed" | "diverted open") => "fallback",
                    _ => "nobody",
                };
                let service = if is_up { "up" } else { "down" };
                let state = expect.state.as_deref().unwrap_or("?");
                let failures = expect.failures.unwrap_or(99);
                rows.push(format!("{service} {health} {by} {state} {failures}"));
            }
            _ => {}
        }
    }
    rows
}
