//! What is shown. Colour is for terminals: it is left out of anything else, and where `NO_COLOR`
//! is set.

use std::time::Duration;

use anstream::println;
use anstyle::{AnsiColor, Style};

use crate::observed::{Answerer, Observed};
use crate::recipe::{PAYMENT, Recipe};

const STRONG: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const BETWEEN: Style = AnsiColor::Yellow.on_default();

/// Prints what happens, and keeps what was not as expected.
pub(crate) struct Board {
    /// Of the scenario that is shown.
    differences: Vec<String>,
    scenario: &'static str,
    /// How many were shown, that one included.
    scenarios: usize,
    /// The scenarios that did not go as expected.
    failed: Vec<&'static str>,
}

impl Board {
    pub(crate) const fn new() -> Self {
        Self { differences: Vec::new(), scenario: "", scenarios: 0, failed: Vec::new() }
    }

    pub(crate) fn title(&self, title: &str) {
        println!("{STRONG}{title}{STRONG:#}");
    }

    /// Begins a scenario.
    pub(crate) fn scenario(&mut self, name: &'static str, what: &str) {
        self.scenario = name;
        self.scenarios += 1;
        println!("\n{STRONG}{}  {name}{STRONG:#}", self.scenarios);
        for line in what.lines() {
            println!("   {line}");
        }
    }

    /// One more line on the scenario.
    pub(crate) fn note(&self, text: &str) {
        println!("   {text}");
    }

    /// The head of the table of requests.
    pub(crate) fn head(&self) {
        println!(
            "{FAINT}   #  {:<24} {:<7} {:<15} {:>8}  {:>13}  {:>8}{FAINT:#}",
            "answered by", "status", "breaker", "failures", "service calls", "took"
        );
    }

    /// A request.
    pub(crate) fn row(&self, number: usize, seen: &Observed) {
        let answered = match seen.answered_by {
            Answerer::Service => GOOD,
            Answerer::FallbackAtOnce | Answerer::FallbackAfterFailure => BETWEEN,
            Answerer::Other => BAD,
        };
        let (before, after) = (&seen.before.state, &seen.after.state);
        let path = if before == after { after.clone() } else { format!("{before} -> {after}") };
        let state = colour_of(after);
        println!(
            "   {number}  {answered}{:<24}{answered:#} {:<7} {state}{path:<15}{state:#} \
             {:>8}  {:>13}  {:>8}",
            seen.answered_by,
            seen.status,
            seen.after.failure_count,
            seen.service_calls,
            milliseconds(seen.took),
        );
    }

    /// Keeps what was not as expected, if anything.
    pub(crate) fn check(&mut self, differences: impl IntoIterator<Item = String>) {
        self.differences.extend(differences);
    }

    /// Ends a scenario.
    pub(crate) fn verdict(&mut self) {
        if self.differences.is_empty() {
            println!("   {GOOD}as the recipe says{GOOD:#}");
        } else {
            self.failed.push(self.scenario);
        }
        for difference in self.differences.drain(..) {
            println!("   {BAD}not as the recipe says: {difference}{BAD:#}");
        }
    }

    /// Ends all: whether everything went as expected.
    pub(crate) fn close(&self) -> bool {
        if self.failed.is_empty() {
            println!("\n{GOOD}All {} scenarios went as the recipe says.{GOOD:#}", self.scenarios);
        } else {
            let failed = self.failed.join(", ");
            println!("\n{BAD}Not as the recipe says: {failed}{BAD:#}");
        }
        self.failed.is_empty()
    }

    /// Says what is left running, and what can be done with it.
    pub(crate) fn invite(&self, recipe: &Recipe<'_>) {
        let (payment, breaker) = (recipe.payment_url(), recipe.breaker_url());
        println!("\n{STRONG}Left running until Ctrl-C{STRONG:#}");
        println!("   payments   {payment}");
        println!("   page       {}", recipe.page_url());
        println!("   breaker    {breaker}");
        if let Some(metrics) = &recipe.proxy.metrics_url {
            println!("   metrics    {metrics}");
        }
        println!("   service    {}", recipe.control_url());
        println!("\n{STRONG}To try{STRONG:#}");
        println!("   curl -i {payment} -d '{PAYMENT}'");
        println!("   curl -s {breaker}");
        println!("   curl -X PUT {} -d '{{\"failure_rate\": 0.9}}'", recipe.control_url());
    }
}

fn colour_of(state: &str) -> Style {
    match state {
        "CLOSED" => GOOD,
        "OPEN" => BAD,
        _ => BETWEEN,
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}
