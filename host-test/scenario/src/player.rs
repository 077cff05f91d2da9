//! Runs a scenario on a host, and compares.

mod compare;
mod line;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::event::{Answer, Event};
use crate::format::{Clock, Scenario, Step};
use crate::host::{CallId, Configured, Host, Late, Received, Sent, Status};
use crate::metric;
use crate::report::Report;

/// Runs a scenario on a host that has been given nothing yet.
///
/// # Errors
/// When the host fails, or refuses the scenario's first configuration.
pub fn play(scenario: &Scenario, host: &mut dyn Host) -> Result<Report> {
    let mut player = Player {
        host,
        scenario,
        now: Duration::ZERO,
        calls: Vec::new(),
        report: Report::default(),
    };
    if let Configured::Refused(why) = player.host.configure(&scenario.config)? {
        bail!("{}: its configuration is refused: {why}", scenario.file.display());
    }
    player.host.log()?;
    player.host.callouts()?;
    for (index, step) in scenario.steps.iter().enumerate() {
        let number = index.saturating_add(1);
        player
            .step(number, step)
            .with_context(|| format!("{}:{}: step {number}", scenario.file.display(), step.line))?;
    }
    let metrics = player.host.metrics()?;
    player.report.metrics = metrics.map(|metrics| {
        let named =
            metrics.iter().filter_map(|(name, value)| Some((metric::readable(name)?, *value)));
        named.filter(|(name, _)| !name.starts_with("record_version")).collect()
    });
    Ok(player.report)
}

struct Player<'a> {
    host: &'a mut dyn Host,
    scenario: &'a Scenario,
    now: Duration,
    calls: Vec<Call>,
    report: Report,
}

/// A request that was sent.
struct Call {
    /// Its name; empty for those that are answered in the same step.
    name: String,
    worker: usize,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It is at its service, which may answer.
    AtService,
    /// Its service has answered, and its client waits for a callout.
    Held,
    /// Nothing more happens to it.
    Over,
}

/// What came of one thing that happened.
struct Outcome {
    /// The verdict, if there is one.
    verdict: Option<String>,
    received: Option<Received>,
    /// Why a configuration was refused.
    message: Option<String>,
}

impl Outcome {
    const NONE: Self = Self { verdict: None, received: None, message: None };

    fn of(received: Option<Received>) -> Self {
        let verdict = received.as_ref().map_or_else(|| "waiting".to_owned(), Received::verdict);
        Self { verdict: Some(verdict), received, message: None }
    }

    fn verdict(verdict: &str) -> Self {
        Self { verdict: Some(verdict.to_owned()), ..Self::NONE }
    }
}

impl Player<'_> {
    fn step(&mut self, number: usize, step: &Step) -> Result<()> {
        let late = self.advance(step.clock)?;
        let outcomes = match &step.event {
            Event::Wait => {
                let outcomes = self.late(late, "wait")?;
                if outcomes.is_empty() {
                    self.line("wait", &Outcome::NONE)?;
                }
                outcomes
            }
            event => {
                self.late(late, "wait")?;
                self.event(event)?
            }
        };
        let mut states = self.states()?;
        let service = step.expect.service.as_ref().unwrap_or(&self.scenario.service);
        if step.expect.is_about_a_breaker() && !states.contains_key(service) {
            // Its name is made of what is known of a request, so that it is there by now.
            states.insert(service.clone(), self.host.status(service)?);
        }
        let mut seen = compare::Seen {
            outcomes: &outcomes,
            states: &states,
            metrics: None,
            log: self.host.log()?,
            callouts: self.host.callouts()?,
        };
        if !step.expect.metrics.is_empty() {
            seen.metrics = self.host.metrics()?;
        }
        compare::step(self.scenario, number, step, &seen, &mut self.report);
        Ok(())
    }

    fn advance(&mut self, clock: Clock) -> Result<Vec<Late>> {
        let by = match clock {
            Clock::Now => Duration::ZERO,
            Clock::After(time) => time,
            Clock::At(time) => time.saturating_sub(self.now),
        };
        self.now = self.now.saturating_add(by);
        if by.is_zero() { Ok(Vec::new()) } else { self.host.advance(by) }
    }

    fn event(&mut self, event: &Event) -> Result<Vec<Outcome>> {
        let label = line::event(event);
        let outcome = match event {
            Event::Request { name, request } => {
                let (_, sent) = self.send(name, request)?;
                match sent {
                    Sent::Forwarded => Outcome::verdict("forwarded"),
                    Sent::Answered(received) => Outcome::of(Some(received)),
                }
            }
            Event::Call { times, every, takes, request, answer } => {
                let mut outcomes = Vec::new();
                for _ in 0..*times {
                    self.wait(*every)?;
                    let (call, sent) = self.send("", request)?;
                    let received = match sent {
                        Sent::Answered(received) => Some(received),
                        Sent::Forwarded => {
                            self.wait(*takes)?;
                            self.play_answer(call, answer)?
                        }
                    };
                    let outcome = Outcome::of(received);
                    self.line(&label, &outcome)?;
                    outcomes.push(outcome);
                }
                return Ok(outcomes);
            }
            Event::Answer { to, answer } => {
                let found = self.calls.iter().position(|call| {
                    call.name == *to
                        && (call.phase == Phase::AtService
                            || call.phase == Phase::Held && *answer == Answer::ClientGone)
                });
                match found {
                    None => Outcome::NONE,
                    Some(call) => {
                        let received = self.play_answer(call, std::slice::from_ref(answer))?;
                        Outcome::of(received)
                    }
                }
            }
            Event::Upstream { cluster, answers } => {
                self.host.upstream(cluster, *answers)?;
                Outcome::NONE
            }
            Event::Release { cluster, answer } => {
                let late = self.host.release(cluster, *answer)?;
                let outcomes = self.late(late, &label)?;
                if outcomes.is_empty() {
                    self.line(&label, &Outcome::NONE)?;
                }
                return Ok(outcomes);
            }
            Event::Configure(config) => match self.host.configure(config)? {
                Configured::Accepted => Outcome::verdict("accepted"),
                Configured::Refused(message) => {
                    Outcome { message: Some(message), ..Outcome::verdict("refused") }
                }
            },
            event => {
                self.host.disturb(event)?;
                if let Event::Crash { worker } = event {
                    let lost = self.calls.iter_mut().filter(|call| call.worker == *worker);
                    lost.for_each(|call| call.phase = Phase::Over);
                }
                Outcome::NONE
            }
        };
        self.line(&label, &outcome)?;
        Ok(vec![outcome])
    }

    /// Time passes within a step.
    fn wait(&mut self, time: Duration) -> Result<()> {
        let late = self.advance(Clock::After(time))?;
        self.late(late, "wait").map(drop)
    }

    fn send(&mut self, name: &str, request: &crate::Request) -> Result<(CallId, Sent)> {
        let call = self.calls.len();
        let sent = self.host.request(call, request)?;
        let phase = if sent == Sent::Forwarded { Phase::AtService } else { Phase::Over };
        self.calls.push(Call { name: name.to_owned(), worker: request.worker, phase });
        Ok((call, sent))
    }

    fn play_answer(&mut self, call: CallId, answers: &[Answer]) -> Result<Option<Received>> {
        let mut received = None;
        for answer in answers {
            received = self.host.answer(call, answer)?;
            let phase = match (&received, answer) {
                (Some(_), _) => Phase::Over,
                (None, answer) if answer.goes_on() => Phase::AtService,
                (None, _) => Phase::Held,
            };
            if let Some(call) = self.calls.get_mut(call) {
                call.phase = phase;
            }
            if phase != Phase::AtService {
                break;
            }
        }
        Ok(received)
    }

    /// Writes down what clients got in the meantime.
    fn late(&mut self, late: Vec<Late>, label: &str) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for Late { call, received } in late {
            let mut name = format!("call {call}");
            if let Some(call) = self.calls.get_mut(call) {
                call.phase = Phase::Over;
                if !call.name.is_empty() {
                    name.clone_from(&call.name);
                }
            }
            let outcome = Outcome::of(Some(received));
            self.line(&format!("{label}: {name}"), &outcome)?;
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    fn line(&mut self, label: &str, outcome: &Outcome) -> Result<()> {
        let states = self.states()?;
        let line = line::line(
            self.now,
            label,
            outcome.verdict.as_deref(),
            outcome.received.as_ref(),
            &states,
        );
        self.report.timeline.push(line);
        Ok(())
    }

    fn states(&mut self) -> Result<BTreeMap<String, Status>> {
        let mut states = BTreeMap::new();
        for service in self.scenario.services() {
            states.insert(service.to_owned(), self.host.status(service)?);
        }
        Ok(states)
    }
}
