//! From a file to a scenario: strict, so that a slip of the pen is no expectation that holds.

mod answer;
mod check;
mod error;
mod wire;

use std::path::Path;
use std::time::Duration;

use serde_saphyr::Spanned;

use crate::event::{Event, Request, Store, Thread};
use crate::format::{Clock, Need, Scenario, Step};

pub use error::FormatError;

impl Scenario {
    /// Reads a scenario from a file.
    ///
    /// # Errors
    /// When it cannot be read, or is not a scenario: file, line, and what would be right.
    pub fn load(file: &Path) -> Result<Self, FormatError> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            FormatError::new(file, 0, format!("cannot be read: {error}"), "give a text file")
        })?;
        Self::parse(file, &text)
    }

    /// Reads a scenario from text; the file is for messages.
    ///
    /// # Errors
    /// See [`load`](Self::load).
    pub fn parse(file: &Path, text: &str) -> Result<Self, FormatError> {
        let wire: wire::Scenario =
            serde_saphyr::from_str(text).map_err(|error| FormatError::from_yaml(file, &error))?;
        let at_top = |problem: &str, remedy: &str| FormatError::new(file, 1, problem, remedy);
        let service = match wire.service {
            Some(service) => service,
            None => crate::format::service_names(&wire.config)
                .next()
                .ok_or_else(|| {
                    let remedy = "write services: [{name: ...}] under config";
                    at_top("the configuration names no service", remedy)
                })?
                .to_owned(),
        };
        let mut steps = Vec::with_capacity(wire.steps.len());
        for step in wire.steps {
            steps.push(step_of(file, step, &service)?);
        }
        let scenario = Self {
            file: file.to_owned(),
            title: wire.title,
            semantics: wire.semantics.into_iter().collect(),
            needs: wire.needs.into_iter().collect(),
            workers: wire.workers.unwrap_or(1),
            service,
            config: wire.config,
            steps,
        };
        check::scenario(&scenario)?;
        Ok(scenario)
    }

    /// What its steps need of a host.
    pub(crate) fn needs_of_steps(&self) -> impl Iterator<Item = (u64, Need)> {
        self.steps.iter().filter_map(|step| Some((step.line, step.event.need()?)))
    }
}

fn step_of(file: &Path, step: Spanned<wire::Step>, service: &str) -> Result<Step, FormatError> {
    let line = step.referenced.line();
    let refuse = |problem: &str, remedy: &str| Err(FormatError::new(file, line, problem, remedy));
    let step = step.value;
    let clock = match (step.at, step.after) {
        (None, None) => Clock::Now,
        (Some(at), None) => Clock::At(at.0),
        (None, Some(after)) => Clock::After(after.0),
        (Some(_), Some(_)) => return refuse("both at and after", "give one of them"),
    };
    let mut events = Vec::new();
    if let Some(wire) = step.request {
        let name = wire.name.clone();
        events.push(Event::Request { name, request: request_of(wire, service) });
    }
    if let Some(wire) = step.call {
        let (times, answer) = (wire.times.unwrap_or(1), wire.answer.0.clone());
        let time = |span: &Option<wire::Span>| span.as_ref().map_or(Duration::ZERO, |it| it.0);
        let (every, takes) = (time(&wire.every), time(&wire.takes));
        let request = request_of(wire.into(), service);
        events.push(Event::Call { times, every, takes, request, answer });
    }
    if let Some(wire) = step.answer {
        match wire.answer() {
            Ok((to, answer)) => events.push(Event::Answer { to, answer }),
            Err((problem, remedy)) => return refuse(&problem, &remedy),
        }
    }
    if let Some(wire::More { to, bytes }) = step.more {
        events.push(Event::Answer { to, answer: crate::Answer::More(bytes) });
    }
    if let Some(to) = step.complete {
        events.push(Event::Answer { to, answer: crate::Answer::RequestEnd });
    }
    if let Some(to) = step.finish {
        events.push(Event::Answer { to, answer: crate::Answer::End });
    }
    if let Some(to) = step.abort {
        events.push(Event::Answer { to, answer: crate::Answer::ClientGone });
    }
    if let Some(wire::Upstream { name, answers }) = step.cluster {
        events.push(Event::Upstream { cluster: name, answers: answers.0 });
    }
    if let Some(wire::Release { cluster, answer }) = step.release {
        events.push(Event::Release { cluster, answer: answer.0 });
    }
    events.extend(step.configure.map(Event::Configure));
    events.extend(step.crash.map(|worker| Event::Crash { worker }));
    events.extend(step.tick.map(|place| {
        Event::Tick(match place {
            wire::Thread::Worker(worker) => Thread::Worker(worker),
            wire::Thread::Main => Thread::Main,
        })
    }));
    events.extend(step.wall_clock.map(|wire::WallClock { forward, back }| {
        let nanos = |span: Option<wire::Span>| {
            span.map_or(0, |span| i64::try_from(span.0.as_nanos()).unwrap_or(i64::MAX))
        };
        Event::WallClock { nanos: nanos(forward).saturating_sub(nanos(back)) }
    }));
    events.extend(step.lost_races.map(Event::LostRaces));
    events.extend(step.store.map(|store| {
        Event::Store(match store {
            wire::Store::Well => Store::Well,
            wire::Store::Unreadable => Store::Unreadable,
            wire::Store::Unwritable => Store::Unwritable,
            wire::Store::Garbage => Store::Garbage(service.to_owned()),
            wire::Store::Newer => Store::Newer(service.to_owned()),
        })
    }));
    let mut events = events.into_iter();
    let event = events.next().unwrap_or(Event::Wait);
    if events.next().is_some() {
        return refuse("two things happen in one step", "write a step for each");
    }
    if event == Event::Wait && clock == Clock::Now && step.expect.is_none() {
        return refuse("a step in which nothing happens", "give at, after, an event or expect");
    }
    Ok(Step { line, clock, event, expect: step.expect.unwrap_or_default() })
}

fn request_of(wire: wire::Request, service: &str) -> Request {
    let default = Request::get(&wire.host.unwrap_or_else(|| service.to_owned()));
    Request {
        worker: wire.worker,
        method: wire.method.unwrap_or(default.method),
        host: default.host,
        path: wire.path.unwrap_or(default.path),
        headers: wire.headers,
        body: wire.body.unwrap_or_default(),
        incomplete: wire.incomplete,
        cluster: wire.cluster,
        route: wire.route,
        peer: wire.peer,
    }
}
