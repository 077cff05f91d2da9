//! Replays calls through the module, with a clock that jumps from one event to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use host_test_proxy_wasm::{
    Call as Callout, CallAnswer, Event, Headers, LogLevel, Part, Plugin, Process, StreamId, Worker,
};

use super::knowledge::Knowledge;
use super::transitions::Transitions;
use crate::module::Loaded;
use crate::trace::{Call, Ended};

const CLUSTER: &str = "x-circuit-breaker-cluster";

/// The module's own counts, behind their labels: of what it diverted, by the label of the reason, and of
/// calls that have ended.
const NOT_PERMITTED: &str = "edge_breaker_not_permitted_total";
const REASON_LABEL: &str = "cb_reason=.=";
const CALLS: &str = "edge_breaker_calls_total";

/// After the last call the breaker gets so much time to come back.
const AFTERWARDS: Duration = Duration::from_secs(60);

/// What came of the calls.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    /// What became of each call.
    pub(super) fates: Vec<Fate>,
    pub(super) transitions: Transitions,
    /// What the adaptive rule knew.
    pub(super) knowledge: Knowledge,
    /// How many calls the module says it diverted, by its reasons.
    pub(super) diverted_by_reason: BTreeMap<String, u64>,
    /// How many calls that were not diverted the module says it has counted.
    pub(super) counted: u64,
    pub(super) health_checks: u64,
    pub(super) failed_checks: u64,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fate {
    /// It went to the service.
    #[default]
    Admitted,
    /// It failed there, and was answered in the service's stead.
    Replayed,
    /// It did not go to the service.
    Diverted,
    /// Nor was there anybody else to answer it.
    TurnedAway,
}

impl Fate {
    /// Whether it was kept from the service.
    pub(super) const fn is_diverted(self) -> bool {
        matches!(self, Self::Diverted | Self::TurnedAway)
    }
}

/// What is still to happen.
enum Due {
    Arrives(usize),
    Answered { call: usize, worker: usize, stream: StreamId },
    Checked { worker: usize, callout: Callout, answer: CallAnswer },
}

struct Replay<'c> {
    process: Process,
    workers: Vec<Worker>,
    calls: &'c [Call],
    /// By time, and by the order in which they were put there.
    due: BTreeMap<(Duration, u64), Due>,
    order: u64,
    start: Duration,
    replayed: Replayed,
}

/// Replays all calls.
///
/// # Errors
///
/// If the module cannot be started, or traps.
pub(super) fn run(
    module: &Loaded,
    configuration: &[u8],
    workers: u16,
    calls: &[Call],
) -> anyhow::Result<Replayed> {
    let process = Process::new();
    // What happens is in the module's own list.
    process.set_log_level(LogLevel::Critical);
    let start = || Worker::start(&process, &module.module, Plugin::default(), configuration);
    let workers = (0..workers).map(|_| start()).collect::<Result<Vec<_>, _>>()?;
    let mut replay = Replay {
        start: process.monotonic(),
        process,
        workers,
        calls,
        due: BTreeMap::new(),
        order: 0,
        replayed: Replayed {
            fates: vec![Fate::default(); calls.len()],
            knowledge: Knowledge::of(configuration, calls),
            ..Replayed::default()
        },
    };
    for (index, call) in calls.iter().enumerate() {
        replay.put(call.at, Due::Arrives(index));
    }
    replay.run()?;
    let mut replayed = replay.replayed;
    for (name, (_, count)) in replay.process.metrics() {
        let reason = name.split(";.;").find_map(|label| label.strip_prefix(REASON_LABEL));
        if let Some(reason) = reason.filter(|_| count > 0 && name.ends_with(NOT_PERMITTED)) {
            *replayed.diverted_by_reason.entry(reason.to_owned()).or_default() += count;
        }
        replayed.counted += if name.ends_with(CALLS) { count } else { 0 };
    }
    Ok(replayed)
}

impl Replay<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        let last = self.calls.iter().map(|call| call.at + call.took).max().unwrap_or_default();
        let end = last + AFTERWARDS;
        loop {
            let tick = self.workers.iter().filter_map(Worker::next_tick).min();
            let tick = tick.map(|at| at.saturating_sub(self.start));
            let due = self.due.first_key_value().map(|((at, _), _)| *at);
            let Some(at) = [tick, due].into_iter().flatten().min().filter(|at| *at <= end) else {
                return Ok(());
            };
            self.process.advance((self.start + at).saturating_sub(self.process.monotonic()));
            if due == Some(at) {
                if let Some((_, due)) = self.due.pop_first() {
                    self.happen(at, due)?;
                }
            } else {
                for worker in 0..self.workers.len() {
                    let events = self.worker(worker)?.tick_if_due();
                    self.root_events(at, worker, events)?;
                }
            }
            self.replayed.transitions.update(at, &self.process);
            self.replayed.knowledge.update(at, &self.process);
        }
    }

    fn happen(&mut self, at: Duration, due: Due) -> anyhow::Result<()> {
        match due {
            Due::Arrives(call) => self.arrive(at, call),
            Due::Answered { call, worker, stream } => self.answer(call, worker, stream),
            Due::Checked { worker, callout, answer } => {
                let events = self.worker(worker)?.answer_call(callout.token, answer);
                self.root_events(at, worker, events)
            }
        }
    }

    /// A request comes in.
    fn arrive(&mut self, at: Duration, index: usize) -> anyhow::Result<()> {
        let call = self.calls.get(index).context("a call of the trace")?;
        let number = index % self.workers.len();
        let worker = self.worker(number)?;
        let stream = worker.open_stream();
        worker.set_property(stream, &["xds", "cluster_name"], call.cluster.as_bytes());
        let request = Headers::from_iter([
            (":method", call.method.as_str()),
            (":path", &call.path),
            (":authority", &call.host),
            (":scheme", "http"),
        ]);
        let events = worker.request_headers(stream, request, true);
        let mut took = call.took;
        for event in events {
            match event {
                Event::Request(_, Part::Headers(headers, _)) if headers.get(CLUSTER).is_some() => {
                    self.set_fate(index, Fate::Diverted);
                    took = Duration::ZERO;
                }
                Event::LocalReply(_, reply) => {
                    let is_answer = reply.status < 500;
                    let fate = if is_answer { Fate::Diverted } else { Fate::TurnedAway };
                    self.set_fate(index, fate);
                    let _ = self.worker(number)?.end_stream(stream);
                    return Ok(());
                }
                Event::VmFailed(trap) => anyhow::bail!("the module trapped: {trap}"),
                _ => {}
            }
        }
        self.put(at + took, Due::Answered { call: index, worker: number, stream });
        Ok(())
    }

    /// The service, or the fallback of a diverted call, answers.
    fn answer(&mut self, index: usize, number: usize, stream: StreamId) -> anyhow::Result<()> {
        let diverted = self.replayed.fates.get(index).is_some_and(|fate| fate.is_diverted());
        let ended = match self.calls.get(index) {
            Some(call) if !diverted => call.ended.clone(),
            _ => Ended::status(200),
        };
        let worker = self.worker(number)?;
        let mut events = Vec::new();
        if ended.is_cut() {
            tell(worker, stream, &Ended::status(ended.status));
            events.extend(worker.response_headers(stream, head(ended.status), false));
        }
        tell(worker, stream, &ended);
        // Whoever waits for an answer gets the proxy's own where there is none.
        let status = if ended.status == 0 { 503 } else { ended.status };
        if !ended.is_cut() && !ended.is_aborted() {
            events.extend(worker.response_headers(stream, head(status), true));
        }
        let mut replayed = false;
        // A failed call is sent to the fallback, which answers at once.
        while let Some(event) = events.pop() {
            match event {
                Event::Response(_, Part::Headers(headers, _)) => {
                    let got = headers.text(":status");
                    replayed |= got.is_some_and(|got| got != status.to_string());
                }
                Event::LocalReply(..) => replayed = true,
                Event::Call(callout) => {
                    let answer = CallAnswer::status(200, "");
                    events.extend(self.worker(number)?.answer_call(callout.token, answer));
                }
                Event::VmFailed(trap) => anyhow::bail!("the module trapped: {trap}"),
                _ => {}
            }
        }
        if replayed && !diverted {
            self.set_fate(index, Fate::Replayed);
        }
        let _ = self.worker(number)?.end_stream(stream);
        Ok(())
    }

    /// What comes of timers and of answered checks: more checks.
    fn root_events(
        &mut self,
        at: Duration,
        worker: usize,
        events: Vec<Event>,
    ) -> anyhow::Result<()> {
        for event in events {
            match event {
                Event::Call(callout) => {
                    let (took, answer, failed) = self.check(at, callout.timeout);
                    self.replayed.health_checks += 1;
                    self.replayed.failed_checks += u64::from(failed);
                    self.put(at + took, Due::Checked { worker, callout, answer });
                }
                Event::VmFailed(trap) => anyhow::bail!("the module trapped: {trap}"),
                _ => {}
            }
        }
        Ok(())
    }

    /// How a health check ends, by the call of the trace that is nearest in time. One whose client left
    /// says nothing.
    fn check(&self, at: Duration, timeout: Option<Duration>) -> (Duration, CallAnswer, bool) {
        let tells = |call: &&Call| !call.ended.is_aborted();
        let after = self.calls.partition_point(|call| call.at < at);
        let (before, after) = self.calls.split_at_checked(after).unwrap_or_default();
        let near = [before.iter().rev().find(tells), after.iter().find(tells)];
        let Some(call) = near.into_iter().flatten().min_by_key(|call| call.at.abs_diff(at)) else {
            return (Duration::ZERO, CallAnswer::Failed, true);
        };
        match (call.ended.answer(), timeout) {
            (_, Some(timeout)) if call.took >= timeout => {
                (timeout, CallAnswer::status(504, ""), true)
            }
            (Some(status), _) => (call.took, CallAnswer::status(status, ""), status >= 500),
            (None, _) => (call.took, CallAnswer::Failed, true),
        }
    }

    fn put(&mut self, at: Duration, due: Due) {
        self.order += 1;
        self.due.insert((at, self.order), due);
    }

    fn set_fate(&mut self, call: usize, fate: Fate) {
        if let Some(slot) = self.replayed.fates.get_mut(call) {
            *slot = fate;
        }
    }

    fn worker(&mut self, number: usize) -> anyhow::Result<&mut Worker> {
        self.workers.get_mut(number).context("a worker")
    }
}

/// How a call has ended, or is ending, as far as the proxy knows.
fn tell(worker: &mut Worker, stream: StreamId, ended: &Ended) {
    worker.set_property(stream, &["response", "code_details"], ended.details.as_bytes());
    worker.set_property(stream, &["response", "flags"], ended.flags.to_le_bytes());
    worker.set_property(stream, &["response", "code"], i64::from(ended.status).to_le_bytes());
}

fn head(status: u16) -> Headers {
    Headers::from_iter([(":status", status.to_string())])
}
