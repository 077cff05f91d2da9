//! The product's filter, by one worker or several that share a store, as a proxy runs it: whatever
//! rules a service has, through records, tallies and ticks.

mod proxy;

use std::collections::HashMap;

use config::{Config, ConfigError};
use filter::{AnswerHead, Effects, Exchange, Filter, Headers, RequestAction};
use serde_json::{Value, json};

use crate::rule::{Ended, Rule};
use proxy::Proxy;

/// What the filter decides about one service.
pub struct FilteredRule {
    proxy: Proxy,
    /// The last is the main thread's, which ticks, but is asked about no call.
    threads: Vec<Filter>,
    /// The calls under way, each with its worker.
    calls: HashMap<u64, (usize, Exchange)>,
    begun: u64,
    transitions: u64,
    ticks: Ticks,
}

/// The threads tick in turn, each with the period that its filter asks for.
struct Ticks {
    next: u64,
    thread: usize,
    gap: u64,
}

impl FilteredRule {
    /// The filter for a service with these settings, on so many workers, at least one.
    ///
    /// # Errors
    ///
    /// What the plugin has against them.
    pub fn new(settings: &Value, workers: usize) -> Result<Self, ConfigError> {
        let mut service = settings.clone();
        service["name"] = "service".into();
        service["match"] = json!({ "hosts": ["service"] });
        let config = json!({ "services": [service] }).to_string();
        let proxy = Proxy::default();
        let mut threads = Vec::new();
        for _ in 0..=workers.max(1) {
            let config = Config::parse(config.as_bytes())?;
            threads.push(Filter::new(config, &proxy, &mut Effects::new()));
        }
        let period = threads.iter().map(|it| it.tick_period().as_nanos() as u64).min();
        let gap = period.unwrap_or_default() / threads.len() as u64;
        let ticks = Ticks { next: proxy.now() + gap, thread: 0, gap };
        Ok(Self { proxy, threads, calls: HashMap::new(), begun: 0, transitions: 0, ticks })
    }

    /// Time has passed.
    fn until(&mut self, now: u64) {
        while self.ticks.next <= now {
            self.proxy.set(self.ticks.next);
            let mut effects = Effects::new();
            let due = self.threads[self.ticks.thread].on_tick(&self.proxy, &mut effects);
            self.note(&effects);
            assert!(due.is_empty(), "nothing is configured that calls out");
            self.ticks.next += self.ticks.gap;
            self.ticks.thread = (self.ticks.thread + 1) % self.threads.len();
        }
        self.proxy.set(now);
    }

    fn note(&mut self, effects: &Effects) {
        let is_one = |line: &str| line.contains(" event=transition ");
        let lines = effects.lines.iter().filter(|(_, line)| is_one(line));
        self.transitions += lines.count() as u64;
    }
}

impl Rule for FilteredRule {
    fn admit(&mut self, now: u64, random: u32) -> Option<u64> {
        self.until(now);
        let worker = random as usize % (self.threads.len() - 1);
        let (filter, host, mut effects) = (&self.threads[worker], &self.proxy, Effects::new());
        let head = [(":method", "GET"), (":path", "/"), (":authority", "service")];
        let mut exchange = Exchange::default();
        let headers = Headers::from_pairs(&head);
        let verdict = filter.on_request(&mut exchange, headers, true, host, &mut effects);
        let passes = verdict.action == RequestAction::Continue;
        if !passes {
            filter.on_stream_end(&mut exchange, host, &mut effects);
        }
        self.note(&effects);
        if !passes {
            return None;
        }
        self.begun += 1;
        self.calls.insert(self.begun, (worker, exchange));
        Some(self.begun)
    }

    fn settle(&mut self, call: Ended, now: u64, _random: u32) {
        self.until(now);
        let Some((worker, mut exchange)) = self.calls.remove(&call.ticket) else { return };
        let (filter, host, mut effects) = (&self.threads[worker], &self.proxy, Effects::new());
        let head = || AnswerHead::of_status(if call.ok { 200 } else { 500 });
        if filter.wants_response(&exchange) {
            filter.on_response(&mut exchange, head, true, host, &mut effects);
        }
        filter.on_answer_end(&mut exchange, host, &mut effects);
        filter.on_stream_end(&mut exchange, host, &mut effects);
        self.note(&effects);
    }

    fn transitions(&self) -> Option<u64> {
        Some(self.transitions)
    }
}
