//! The recipe's twelve steps, under wasmtime and in Node: each as the recipe says, and both alike.
//!
//! `node/trace.mjs` does what [`Driver`] does, word by word. Neither knows the other, and the
//! timelines have every time, answer, header, health check, log line and metric in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use host_test_component::types::{
    Answer, Field, Level, Origin, Reason, RequestVerdict, ResponseVerdict, ServiceStatus, State,
    UnixTime,
};
use host_test_component::{Guard, Shared, field};
use serde_json::{Value, json};

use crate::node;
use crate::world::{ending, get, head, instance};

const PATH: &str = "/payment-service/charge";
const BODY: &str = r#"{"amount":100.0}"#;

fn trace_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("trace/recipe.json")
}

fn trace() -> Value {
    serde_json::from_str(&std::fs::read_to_string(trace_file()).unwrap()).unwrap()
}

#[test]
fn the_trace_goes_as_the_recipe_says_with_any_number_of_workers() {
    let trace = trace();
    for workers in [1, 2, 5] {
        let report = Driver::new(&trace, workers).run();
        let timeline = report["timeline"].as_array().unwrap();
        let answers = timeline.iter().filter(|event| event["event"] == "answer");
        let seen: Vec<_> = answers
            .map(|event| {
                let payment = &event["services"][0];
                let state = &event["told"]["x-circuit-breaker-state"];
                assert_eq!(*state, payment["state"], "the answer tells the state: {event}");
                json!([
                    event["answer"]["by"],
                    event["calls"],
                    payment["state"],
                    payment["failure_count"]
                ])
            })
            .collect();
        let rows = trace["rows"].as_array().unwrap();
        let expected: Vec<_> =
            rows.iter().map(|row| json!([row[2], row[3], row[4], row[5]])).collect();
        assert_eq!(seen, expected, "{workers} workers");
        assert_eq!(expected.len(), 12);
    }
}

#[test]
fn node_gives_the_same_timeline_as_wasmtime() {
    let trace = trace();
    for workers in [1, 2] {
        let report = Driver::new(&trace, workers).run();
        let file = trace_file();
        let arguments = [file.to_str().unwrap(), &workers.to_string()];
        let printed = node::run_on_component("trace.mjs", &arguments);
        let other: Value = serde_json::from_str(&printed).unwrap();
        let (ours, theirs) = (report["timeline"].as_array(), other["timeline"].as_array());
        for (index, (ours, theirs)) in ours.unwrap().iter().zip(theirs.unwrap()).enumerate() {
            assert_eq!(theirs, ours, "event {index}, {workers} workers");
        }
        assert_eq!(other, report);
    }
}

struct Driver<'a> {
    trace: &'a Value,
    shared: Shared,
    workers: Vec<Guard>,
    period: Duration,
    timeline: Vec<Value>,
}

/// What became of one request.
struct Done {
    answer: Value,
    calls: u64,
    told: BTreeMap<String, String>,
}

impl<'a> Driver<'a> {
    fn new(trace: &'a Value, workers: usize) -> Self {
        let shared = Shared::new();
        let workers = (0..workers).map(|_| instance(&shared)).collect();
        let mut driver = Self { trace, shared, workers, period: Duration::ZERO, timeline: vec![] };
        for index in 0..driver.workers.len() {
            let config = trace["config"].to_string();
            let configured = driver.workers[index].configure(&config).unwrap().unwrap();
            driver.period = Duration::from_nanos(configured.tick_period);
            driver.say_log();
        }
        driver
    }

    fn run(mut self) -> Value {
        let pause = Duration::from_millis(self.trace["pause_ms"].as_u64().unwrap());
        for (index, row) in self.trace["rows"].as_array().unwrap().iter().enumerate() {
            let (service, health) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
            self.pass(pause, health);
            let worker = index % self.workers.len();
            let Done { answer, calls, told } = self.call(worker, service, health);
            let status = self.workers[worker].status().unwrap().unwrap();
            let services: Vec<_> = status.iter().map(shown).collect();
            self.say(json!({
                "event": "answer", "row": index + 1, "worker": worker, "answer": answer,
                "calls": calls, "told": told, "services": services
            }));
        }
        json!({"timeline": self.timeline, "metrics": self.shared.metrics()})
    }

    /// Lets time pass, with a tick of each worker as often as it asks for, and its health checks.
    fn pass(&mut self, time: Duration, health: &str) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(self.period);
            self.shared.advance(step);
            left -= step;
            for worker in 0..self.workers.len() {
                let checks = self.workers[worker].tick().unwrap();
                self.say_log();
                for check in checks {
                    let status = if health == "healthy" { 200 } else { 503 };
                    let path = &texts(&check.callout.fields)[":path"];
                    self.say(json!({
                        "event": "check", "worker": worker, "cluster": check.callout.cluster,
                        "path": path, "status": status
                    }));
                    self.workers[worker].reported(check.id, Some(status)).unwrap();
                    self.say_log();
                }
            }
        }
    }

    /// One request, from its headers to the end of its answer.
    fn call(&mut self, worker: usize, service: &str, health: &str) -> Done {
        let mut request = get(PATH);
        request.fields[0] = field(":method", "POST");
        request.fields[1] = field(":authority", "edge");
        request.end_of_stream = false;
        let admission = self.workers[worker].request(&request).unwrap();
        self.say_log();
        let number = admission.call.unwrap();
        let (first, second) = BODY.split_at(8);
        self.workers[worker].request_body(number, first.as_bytes(), false).unwrap();
        self.workers[worker].request_body(number, second.as_bytes(), true).unwrap();

        let (mut calls, mut status) = (0, 200);
        let mut answer = match admission.verdict {
            RequestVerdict::Pass => {
                calls = 1;
                if service == "down" {
                    for wait in self.trace["retry_waits_ms"].as_array().unwrap() {
                        self.pass(Duration::from_millis(wait.as_u64().unwrap()), health);
                        calls += 1;
                    }
                    status = 503;
                }
                json!({"by": "downstream", "status": status, "body": "from the service"})
            }
            RequestVerdict::Divert(diversion) => {
                let state = &texts(&diversion.fields)["x-circuit-breaker-state"];
                json!({"by": "fallback", "status": 200, "body": format!("from the fallback, {state}")})
            }
            RequestVerdict::Reply(reply) => panic!("not in this trace: {reply:?}"),
        };

        let mut verdict = self.workers[worker].respond(number, &head(status)).unwrap();
        self.say_log();
        if let ResponseVerdict::Ask(callout) = &verdict {
            let asked = texts(&callout.fields);
            let (method, state) = (&asked[":method"], &asked["x-circuit-breaker-state"]);
            let body = String::from_utf8(callout.body.clone()).unwrap();
            let from = format!("from the {}, {state}, for {method} {body}", callout.cluster);
            let fallback = Answer { status: 200, fields: Vec::new(), body: from.into_bytes() };
            verdict = self.workers[worker].replayed(number, Some(&fallback)).unwrap();
            self.say_log();
        }
        let told = match verdict {
            ResponseVerdict::Pass(told) => texts(&told),
            ResponseVerdict::Reply(reply) => {
                let body = String::from_utf8(reply.body).unwrap();
                answer = json!({"by": "fallback", "status": reply.status, "body": body});
                texts(&reply.fields)
            }
            ResponseVerdict::Ask(callout) => panic!("asked twice: {callout:?}"),
        };
        self.workers[worker].finish(number, &ending(Origin::Service)).unwrap();
        self.say_log();
        Done { answer, calls, told }
    }

    fn say(&mut self, mut event: Value) {
        event["at_ms"] = json!(self.shared.elapsed().as_millis());
        self.timeline.push(event);
    }

    fn say_log(&mut self) {
        for (level, text) in self.shared.take_log() {
            let level = match level {
                Level::Info => "info",
                Level::Warn => "warn",
            };
            self.say(json!({"event": "log", "level": level, "text": text}));
        }
    }
}

/// A breaker with names as in the admin API, and times as they are.
fn shown(status: &ServiceStatus) -> Value {
    let state = match status.state {
        State::Closed => "CLOSED",
        State::Open => "OPEN",
        State::HalfOpen => "HALF_OPEN",
        State::ForcedOpen => "FORCED_OPEN",
        State::Disabled => "DISABLED",
        State::MetricsOnly => "METRICS_ONLY",
    };
    let reason = status.trip_reason.map(|reason| match reason {
        Reason::ConsecutiveFailures => "consecutive_failures",
        Reason::FailureRate => "failure_rate",
        Reason::SlowCallRate => "slow_call_rate",
        Reason::HealthCheck => "health_check",
        Reason::TrialFailed => "trial_failed",
        Reason::TrialsSucceeded => "trials_succeeded",
        Reason::WaitElapsed => "wait_elapsed",
        Reason::Operator => "operator",
        Reason::Adaptive => "adaptive",
        Reason::RetryAfter => "retry_after",
        Reason::Fleet => "fleet",
    });
    let time = |at: Option<UnixTime>| at.map(|at| at.to_string());
    json!({
        "service_name": status.service_name, "state": state, "failure_count": status.failure_count,
        "generation": status.generation, "trip_reason": reason,
        "last_failure": time(status.last_failure), "last_success": time(status.last_success),
        "opened_at": time(status.opened_at), "retry_at": time(status.retry_at)
    })
}

fn texts(fields: &[Field]) -> BTreeMap<String, String> {
    let text = |field: &Field| String::from_utf8(field.value.clone()).unwrap();
    fields.iter().map(|field| (field.name.clone(), text(field))).collect()
}
