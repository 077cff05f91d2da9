//! Scenarios made up from a seed, valid and with no expectations: their timelines are compared.
//!
//! They are made so that something happens in them: few services, low limits, short waits, and
//! outages that last, since independent failures would hardly ever trip a breaker.

mod config;
mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;

use crate::event::{Answer, CalloutAnswer, Event, Fault, Grpc, Head, Request, Store, Thread};
use crate::format::{Clock, Expect, Need, Scenario, Step};

pub(crate) const HEALTH: &str = "health";
pub(crate) const FALLBACK: &str = "fallback";

/// Makes up a scenario. It needs no more of a host than what is in `may_need`; the same seed and needs
/// give the same scenario.
#[must_use]
pub fn generate(seed: u64, may_need: &BTreeSet<Need>) -> Scenario {
    let mut rng = Rng::with_seed(seed);
    let workers = rng.usize(1..=4);
    let config = config::config(&mut rng, may_need);
    let services: Vec<_> = crate::format::service_names(&config).map(str::to_owned).collect();
    let mut story = Story {
        rng,
        may_need,
        workers,
        config: config.clone(),
        services,
        outage: false,
        held: false,
        sent: 0,
        pending: Vec::new(),
        passed: Duration::ZERO,
        at_once: 0,
    };
    let length = if story.may(Need::VirtualTime) { 20..=60 } else { 15..=40 };
    let length = story.rng.usize(length);
    let steps: Vec<_> = (0..length).filter_map(|_| story.step()).collect();
    let service = story.services.first().cloned().unwrap_or_default();
    Scenario {
        file: PathBuf::from(format!("seed-{seed}")),
        title: format!("The scenario of seed {seed}."),
        semantics: BTreeSet::new(),
        needs: may_need.clone(),
        workers,
        service,
        config,
        steps,
    }
}

/// What has happened so far, as far as it matters to what can happen next.
struct Story<'a> {
    rng: Rng,
    may_need: &'a BTreeSet<Need>,
    workers: usize,
    config: Value,
    services: Vec<String>,
    /// Whether most calls fail.
    outage: bool,
    /// Whether a cluster may hold callouts back.
    held: bool,
    sent: usize,
    pending: Vec<Pending>,
    passed: Duration,
    /// How much has happened since time last passed.
    at_once: usize,
}

/// A request that was sent and that no step has ended yet.
#[derive(Clone)]
struct Pending {
    name: String,
    begun: bool,
    is_grpc: bool,
}

impl Story<'_> {
    fn may(&self, need: Need) -> bool {
        self.may_need.contains(&need)
    }

    /// The next step; `None`: nothing happens, in real time when enough of it has passed.
    fn step(&mut self) -> Option<Step> {
        const LONGEST_IN_REAL_TIME: Duration = Duration::from_secs(8);
        if !self.may(Need::VirtualTime) && self.passed >= LONGEST_IN_REAL_TIME {
            return None;
        }
        let event = match self.rng.u32(0..100) {
            0..35 => self.call(),
            35..50 => self.request(),
            50..68 => self.answer()?,
            68..80 => Event::Wait,
            80..84 => {
                self.outage = !self.outage;
                Event::Wait
            }
            84..91 => self.cluster(),
            91..94 => self.configure()?,
            _ => self.disturbance()?,
        };
        let time = self.time(event == Event::Wait);
        let clock = if time.is_zero() { Clock::Now } else { Clock::After(time) };
        if event == Event::Wait && time.is_zero() {
            return None;
        }
        self.passed = self.passed.saturating_add(time);
        self.at_once = if time.is_zero() { self.at_once.saturating_add(1) } else { 1 };
        Some(Step { line: 0, clock, event, expect: Expect::default() })
    }

    /// Time that passes before the step. In real time, where a step may be a bit late, it passes in
    /// units that are long against that, and not too much happens at once.
    fn time(&mut self, at_rest: bool) -> Duration {
        const MOST_AT_ONCE_IN_REAL_TIME: usize = 4;
        if !self.may(Need::VirtualTime) && self.at_once >= MOST_AT_ONCE_IN_REAL_TIME {
            return Duration::from_millis(config::UNIT_IN_REAL_TIME);
        }
        if !at_rest && self.rng.u8(0..4) > 0 {
            return Duration::ZERO;
        }
        if !self.may(Need::VirtualTime) {
            return Duration::from_millis(self.rng.u64(1..=2) * config::UNIT_IN_REAL_TIME);
        }
        let millis = match self.rng.u8(0..4) {
            0 => self.rng.u64(1..100),
            1 => self.rng.u64(100..2_000),
            2 => self.rng.u64(2_000..10_000),
            _ => self.rng.u64(1..=8) * 1_000,
        };
        Duration::from_millis(millis)
    }

    fn request_of(&mut self) -> Request {
        let service = self.rng.usize(0..self.services.len().max(1));
        let host = self.services.get(service).map_or("", String::as_str);
        let mut request = Request::get(host);
        request.worker = self.rng.usize(0..self.workers);
        match self.rng.u8(0..8) {
            0 => {
                "POST".clone_into(&mut request.method);
                let body = self.rng.usize(1..=64);
                request.body = "x".repeat(body);
            }
            1 => {
                "POST".clone_into(&mut request.method);
                let grpc = ("content-type".to_owned(), "application/grpc".to_owned());
                request.headers = BTreeMap::from([grpc]);
            }
            2 => "stranger.example".clone_into(&mut request.host),
            3 => "/special/offer".clone_into(&mut request.path),
            _ => {}
        }
        request
    }

    fn call(&mut self) -> Event {
        let request = self.request_of();
        let answer = self.answer_of(request.is_grpc());
        let answer = match self.rng.u8(0..12) {
            0 => vec![Answer::ClientGone],
            1 => vec![
                Answer::Begin(Head { status: 200, ..Head::default() }),
                if self.outage { Answer::Fault(Fault::Reset) } else { Answer::End },
            ],
            _ => vec![answer],
        };
        let times = if self.held { 1 } else { self.rng.u32(1..=3) };
        let (every, takes) = (Duration::ZERO, Duration::ZERO);
        Event::Call { times, every, takes, request, answer }
    }

    /// A request that stays for a while. Not one that is left alone: in a proxy it keeps the
    /// configuration that it came with at work, and a component never hears of it again.
    fn request(&mut self) -> Event {
        let mut request = self.request_of();
        if !self.services.contains(&request.host) {
            request.host = self.services.first().cloned().unwrap_or_default();
        }
        let name = format!("r{}", self.sent);
        self.sent = self.sent.saturating_add(1);
        let is_grpc = request.is_grpc();
        self.pending.push(Pending { name: name.clone(), begun: false, is_grpc });
        Event::Request { name, request }
    }

    fn answer(&mut self) -> Option<Event> {
        if self.pending.is_empty() {
            return None;
        }
        let index = self.rng.usize(0..self.pending.len());
        let Pending { name, begun, is_grpc } = self.pending.get(index)?.clone();
        let answer = match (self.rng.u8(0..8), begun) {
            (0, _) => Answer::ClientGone,
            (1, false) => {
                self.pending.get_mut(index)?.begun = true;
                let answer = Answer::Begin(Head { status: 200, ..Head::default() });
                return Some(Event::Answer { to: name, answer });
            }
            (_, true) => {
                if self.outage {
                    Answer::Fault(Fault::Reset)
                } else {
                    Answer::End
                }
            }
            (_, false) => self.answer_of(is_grpc),
        };
        self.pending.remove(index);
        Some(Event::Answer { to: name, answer })
    }

    /// What a service answers: mostly badly in an outage, mostly well otherwise. Where time cannot be
    /// moved it turns no trial away: the pause of a second after that would end when a step comes.
    fn answer_of(&mut self, is_grpc: bool) -> Answer {
        let fails = self.rng.u8(0..10) < if self.outage { 9 } else { 1 };
        let may_decline = self.may(Need::VirtualTime);
        if is_grpc && self.rng.bool() {
            let good: &[_] = if may_decline { &[0, 0, 5, 8] } else { &[0, 0, 5] };
            let code = if fails { 14 } else { *pick(&mut self.rng, good) };
            let grpc = match self.rng.u8(0..3) {
                0 => Grpc::Head(code),
                1 if fails => Grpc::Missing,
                _ => Grpc::Trailers(code),
            };
            return Answer::Whole(Head::in_grpc(grpc));
        }
        if fails && self.may(Need::ProxyFaults) && self.rng.bool() {
            let (_, fault) = *pick(&mut self.rng, &Fault::ALL);
            return Answer::Fault(fault);
        }
        if fails && self.rng.u8(0..5) == 0 {
            return Answer::Fault(Fault::Reset);
        }
        let statuses: &[_] = match (fails, may_decline) {
            (true, _) => &[500, 502, 503, 504],
            (false, true) => &[200, 200, 200, 200, 204, 404, 429],
            (false, false) => &[200, 200, 200, 200, 204, 404],
        };
        let status = *pick(&mut self.rng, statuses);
        let mut head = Head { status, ..Head::default() };
        if status == 503 && self.rng.u8(0..4) == 0 && self.may(Need::VirtualTime) {
            let seconds = self.rng.u8(1..=90).to_string();
            head.headers.insert("retry-after".to_owned(), seconds);
        }
        Answer::Whole(head)
    }

    fn cluster(&mut self) -> Event {
        let is_health = self.rng.bool();
        let cluster = if is_health { HEALTH } else { FALLBACK }.to_owned();
        let answers = match self.rng.u8(0..6) {
            0 => CalloutAnswer::Refused,
            1 => CalloutAnswer::Status(500),
            2 if self.may(Need::VirtualTime) => CalloutAnswer::Held,
            _ => CalloutAnswer::Status(200),
        };
        self.held |= answers == CalloutAnswer::Held;
        Event::Upstream { cluster, answers }
    }

    /// Another configuration of the same services. Not while health checks may be under way: what
    /// becomes of those is for the host to say.
    fn configure(&mut self) -> Option<Event> {
        if self.held {
            return None;
        }
        self.config = config::again(&mut self.rng, self.may_need, &self.config);
        Some(Event::Configure(self.config.clone()))
    }

    fn disturbance(&mut self) -> Option<Event> {
        let event = match self.rng.u8(0..8) {
            0 => Event::Crash { worker: self.rng.usize(0..self.workers) },
            1 => Event::LostRaces(*pick(&mut self.rng, &[1, 2, 5, 63, 64, 70])),
            2 => Event::LostRaces(0),
            3 => Event::WallClock { nanos: self.rng.i64(-100..100) * 60_000_000_000 + 1 },
            4 => {
                let worker = self.rng.usize(0..=self.workers);
                let is_main = worker == self.workers;
                Event::Tick(if is_main { Thread::Main } else { Thread::Worker(worker) })
            }
            5 => {
                let stores = [Store::Well, Store::Well, Store::Unreadable, Store::Unwritable];
                Event::Store(pick(&mut self.rng, &stores).clone())
            }
            6 => Event::Store(Store::Garbage(pick(&mut self.rng, &self.services).clone())),
            _ => Event::Store(Store::Newer(pick(&mut self.rng, &self.services).clone())),
        };
        event.need().is_none_or(|need| self.may(need)).then_some(event)
    }
}

/// One of several, of which there is at least one.
pub(crate) fn pick<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(0..of.len())]
}
