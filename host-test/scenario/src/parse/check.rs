//! What types cannot say: that a scenario hangs together, and that its expectations can be met at all.

use std::collections::BTreeSet;
use std::time::Duration;

use config::duration;

use super::FormatError;
use crate::event::{Answer, CalloutAnswer, Event, Thread};
use crate::format::{Clock, Expect, Need, Scenario, Step, makes_names, service_names};

const STATES: [&str; 6] =
    ["CLOSED", "OPEN", "HALF_OPEN", "FORCED_OPEN", "DISABLED", "METRICS_ONLY"];
const ROWS: std::ops::RangeInclusive<u8> = 1..=37;
const MOST_WORKERS: usize = 16;
const MOST_CALLS: u32 = 10_000;
/// As much of an answer as a host's buffers surely hold.
const MOST_BYTES: usize = 1 << 20;
/// What a scenario may take where time cannot be hurried.
const LONGEST_IN_REAL_TIME: Duration = Duration::from_secs(20);

type Wrong = (String, String);

pub(super) fn scenario(scenario: &Scenario) -> Result<(), FormatError> {
    whole(scenario).map_err(|wrong| error(scenario, 1, wrong))?;
    for (line, need) in scenario.needs_of_steps() {
        if !scenario.needs.contains(&need) {
            let name = need.name();
            let wrong = (
                format!("what happens here needs {name}"),
                format!("say so above: needs: [{name}]"),
            );
            return Err(error(scenario, line, wrong));
        }
    }
    let mut progress = Progress {
        workers: scenario.workers,
        services: scenario.services().map(str::to_owned).collect(),
        makes_names: makes_names(&scenario.config),
        ..Progress::default()
    };
    for step in &scenario.steps {
        progress.take(step).map_err(|wrong| error(scenario, step.line, wrong))?;
        if progress.now > LONGEST_IN_REAL_TIME && !scenario.needs.contains(&Need::VirtualTime) {
            let wrong = (
                format!("it takes longer than {}", duration::text(LONGEST_IN_REAL_TIME)),
                "say so above: needs: [virtual-time]; or shorten its waits".to_owned(),
            );
            return Err(error(scenario, step.line, wrong));
        }
    }
    Ok(())
}

fn error(scenario: &Scenario, line: u64, (problem, remedy): Wrong) -> FormatError {
    FormatError::new(&scenario.file, line, problem, remedy)
}

fn wrong(problem: impl Into<String>, remedy: impl Into<String>) -> Result<(), Wrong> {
    Err((problem.into(), remedy.into()))
}

fn whole(scenario: &Scenario) -> Result<(), Wrong> {
    let title = &scenario.title;
    if !title.ends_with('.') || title.split_whitespace().count() < 3 {
        return wrong(format!("title `{title}`"), "write a sentence, with a full stop");
    }
    if let Some(row) = scenario.semantics.iter().find(|row| !ROWS.contains(row)) {
        return wrong(format!("there is no row {row} of semantics"), "give 1 to 37");
    }
    if !(1..=MOST_WORKERS).contains(&scenario.workers) {
        return wrong(format!("{} workers", scenario.workers), format!("give 1 to {MOST_WORKERS}"));
    }
    if !makes_names(&scenario.config)
        && !scenario.services().any(|service| service == scenario.service)
    {
        let remedy = "name one of config.services";
        return wrong(format!("service `{}` is not configured", scenario.service), remedy);
    }
    if scenario.steps.iter().all(|step| step.expect == Expect::default()) {
        return wrong("nothing is expected", "say beside a step what is to come of it");
    }
    Ok(())
}

#[derive(Default)]
struct Progress {
    workers: usize,
    services: BTreeSet<String>,
    /// Whether there may be others.
    makes_names: bool,
    now: Duration,
    sent: BTreeSet<String>,
    over: BTreeSet<String>,
}

impl Progress {
    fn take(&mut self, step: &Step) -> Result<(), Wrong> {
        match step.clock {
            Clock::Now => {}
            Clock::After(time) => self.now += time,
            Clock::At(time) if time < self.now => {
                return wrong(
                    format!("at {time:?} when it is {:?} already", self.now),
                    "write steps in the order in which they happen",
                );
            }
            Clock::At(time) => self.now = time,
        }
        self.event(&step.event)?;
        self.expect(&step.event, &step.expect)
    }

    fn event(&mut self, event: &Event) -> Result<(), Wrong> {
        match event {
            Event::Request { name, request } => {
                self.worker(request.worker)?;
                if name.is_empty() || !self.sent.insert(name.clone()) {
                    return wrong(
                        format!("another request is called `{name}`"),
                        "give each a name of its own",
                    );
                }
            }
            Event::Call { request, times, every, .. } => {
                self.worker(request.worker)?;
                if !(1..=MOST_CALLS).contains(times) {
                    return wrong(format!("times: {times}"), format!("give 1 to {MOST_CALLS}"));
                }
                // Calls that are diverted take no time.
                self.now = self.now.saturating_add(every.saturating_mul(*times));
            }
            Event::Answer { to, answer } => {
                if !self.sent.contains(to) {
                    let remedy = "name a request of a step before";
                    return wrong(format!("no request is called `{to}`"), remedy);
                }
                let is_over = self.over.contains(to);
                if is_over && *answer != Answer::ClientGone {
                    let remedy = "have one thing end it";
                    return wrong(format!("`{to}` has ended before"), remedy);
                }
                if let Answer::More(bytes) = answer
                    && !(1..=MOST_BYTES).contains(bytes)
                {
                    return wrong(format!("bytes: {bytes}"), format!("give 1 to {MOST_BYTES}"));
                }
                if !answer.goes_on() {
                    self.over.insert(to.clone());
                }
            }
            Event::Release { answer: CalloutAnswer::Held, .. } => {
                return wrong("release with held", "give a status, or refused");
            }
            Event::Crash { worker } | Event::Tick(Thread::Worker(worker)) => {
                self.worker(*worker)?
            }
            Event::Configure(config) => {
                self.services.extend(service_names(config).map(str::to_owned));
                self.makes_names |= makes_names(config);
            }
            Event::WallClock { nanos: 0 } => {
                return wrong("a wall clock that stays", "give forward or back");
            }
            _ => {}
        }
        Ok(())
    }

    fn worker(&self, worker: usize) -> Result<(), Wrong> {
        if worker < self.workers {
            return Ok(());
        }
        let last = self.workers.saturating_sub(1);
        wrong(
            format!("there is no worker {worker}"),
            format!("give 0 to {last}, or more workers: above"),
        )
    }

    fn expect(&self, event: &Event, expect: &Expect) -> Result<(), Wrong> {
        let known: &[&str] = match event {
            Event::Request { .. } => &[
                "forwarded",
                "diverted open",
                "diverted half_open",
                "diverted ramp",
                "diverted forced_open",
                "diverted adaptive",
                "diverted bulkhead",
                "replied",
                "passed",
            ],
            Event::Call { .. } => &[
                "passed",
                "replayed",
                "replied",
                "diverted open",
                "diverted half_open",
                "diverted ramp",
                "diverted forced_open",
                "diverted adaptive",
                "diverted bulkhead",
                "cut",
                "nothing",
            ],
            Event::Answer { .. } | Event::Release { .. } | Event::Wait => {
                &["passed", "replayed", "replied", "cut", "nothing", "waiting"]
            }
            Event::Configure(_) => &["accepted", "refused"],
            _ => &[],
        };
        if let Some(verdict) = &expect.verdict
            && !known.contains(&verdict.as_str())
        {
            let remedy = if known.is_empty() {
                "leave it out: nobody gets an answer here".to_owned()
            } else {
                format!("expected one of {}", known.join(", "))
            };
            return wrong(format!("verdict `{verdict}`"), remedy);
        }
        if let Some(state) = &expect.state
            && !STATES.contains(&state.as_str())
        {
            let remedy = format!("expected one of {}", STATES.join(", "));
            return wrong(format!("state `{state}`"), remedy);
        }
        if let Some(service) = &expect.service
            && !self.makes_names
            && !self.services.contains(service)
        {
            let remedy = "name one of config.services";
            return wrong(format!("service `{service}` is not configured"), remedy);
        }
        if let Some(name) = expect.headers.keys().find(|name| **name != name.to_lowercase()) {
            return wrong(format!("header `{name}`"), "write it in lower case");
        }
        if expect.message.is_some() && !matches!(event, Event::Configure(_)) {
            return wrong("message beside another event than configure", "leave it out");
        }
        let answered = known.contains(&"passed");
        let of_answer =
            expect.status.is_some() || expect.retry_after.is_some() || !expect.headers.is_empty();
        if of_answer && !answered {
            let remedy = "leave status, headers and retry_after out: nobody gets an answer here";
            return wrong("expectations of an answer", remedy);
        }
        Ok(())
    }
}
