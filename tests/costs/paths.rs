//! The paths that a request can take, and the kinds of tick.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use crate::figures::{Callbacks, Costs, Figures};
use crate::worker::{Run, Worker};

/// Where the route leads.
pub(crate) const CLUSTER: &str = "payment";
/// The path that the filter lives by, most of the time.
pub(crate) const CLOSED: &str = "closed";

const PAYMENT: &str = "/payments/1";
/// Enough for what is made once, or grows at first, to be there.
const WARM_UP: usize = 20;
const WAIT: Duration = Duration::from_secs(30);

/// A path: what has to be done before, and what is measured.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    configuration: fn() -> Value,
    before: fn(&mut Worker),
    measured: fn(&mut Worker),
}

pub(crate) const PATHS: &[Path] = &[
    Path { name: CLOSED, configuration: recipe, before: nothing, measured: good },
    Path {
        name: "closed, with the adaptive rule",
        configuration: adaptive,
        before: learned,
        measured: good,
    },
    Path {
        name: "no service matches",
        configuration: recipe,
        before: nothing,
        measured: |worker| {
            let sent = worker.send("/catalogue");
            worker.answer(sent, 200);
        },
    },
    Path {
        name: "failed, answered by the fallback",
        configuration: recipe,
        before: nothing,
        measured: |worker| {
            let sent = worker.send(PAYMENT);
            worker.fail_and_replay(sent);
        },
    },
    Path {
        name: "failed, passed on",
        configuration: without_replay,
        before: nothing,
        measured: failed,
    },
    Path {
        name: "failed and tripped",
        configuration: without_replay,
        before: |worker| {
            failed(worker);
            failed(worker);
        },
        measured: failed,
    },
    Path {
        name: "open, diverted to a cluster",
        configuration: without_replay,
        before: tripped,
        measured: diverted,
    },
    Path {
        name: "open, answered by the filter",
        configuration: answering,
        before: tripped,
        measured: |worker| worker.replied(PAYMENT),
    },
    Path {
        name: "half-open, a trial that succeeds",
        configuration: without_replay,
        before: waited,
        measured: good,
    },
    Path {
        name: "half-open, a trial that fails",
        configuration: without_replay,
        before: waited,
        measured: failed,
    },
    Path {
        name: "half-open, no place left",
        configuration: without_replay,
        before: |worker| {
            waited(worker);
            assert!(!worker.send(PAYMENT).is_diverted(), "the trial");
            diverted(worker);
        },
        measured: diverted,
    },
    Path {
        name: "closed, with a bulkhead",
        configuration: bulkhead,
        before: nothing,
        measured: good,
    },
    Path {
        name: "a full bulkhead, diverted to a cluster",
        configuration: bulkhead,
        before: |worker| assert!(!worker.send(PAYMENT).is_diverted(), "it has the place"),
        measured: diverted,
    },
    Path { name: "tick, nothing to do", configuration: recipe, before: ticked, measured: ticked },
    Path {
        name: "half a second of ticks, nothing to do for 1,000 services",
        configuration: thousand,
        before: |worker| (0..10).for_each(|_| half_a_second(worker)),
        measured: half_a_second,
    },
    Path {
        name: "tick that makes a health check, and its answer",
        configuration: recipe,
        before: |worker| {
            for _ in 0..3 {
                let sent = worker.send(PAYMENT);
                worker.fail_and_replay(sent);
            }
            // A check that fails leaves the next to be made as this one.
            check(worker, 503);
        },
        measured: |worker| check(worker, 503),
    },
];

/// All paths, each measured on a process of its own.
pub(crate) fn measured() -> &'static Costs {
    static MEASURED: OnceLock<Costs> = OnceLock::new();
    MEASURED
        .get_or_init(|| PATHS.iter().map(|path| (path.name.to_owned(), measure(path))).collect())
}

/// So many requests on the closed path, one after the other.
pub(crate) fn closed_requests(number: usize) -> Vec<Callbacks> {
    let [mut plain, mut counting] = both(recipe);
    let requests = (0..number).map(|_| figures(&mut plain, &mut counting, good));
    requests.collect()
}

fn measure(path: &Path) -> Callbacks {
    let [mut plain, mut counting] = both(path.configuration);
    for worker in [&mut plain, &mut counting] {
        (path.before)(worker);
    }
    figures(&mut plain, &mut counting, path.measured)
}

/// Two workers that have served for a while, one of them with the copy that counts.
fn both(configuration: fn() -> Value) -> [Worker; 2] {
    [Run::Plain, Run::Counting].map(|run| {
        let mut worker = Worker::start(run, &configuration());
        for _ in 0..WARM_UP {
            good(&mut worker);
        }
        ticked(&mut worker);
        good(&mut worker);
        worker
    })
}

/// What both do alike, in figures.
fn figures(plain: &mut Worker, counting: &mut Worker, measured: fn(&mut Worker)) -> Callbacks {
    let [plain, counting] = [plain, counting].map(|worker| {
        drop(worker.take_usage());
        measured(worker);
        worker.take_usage()
    });
    let names = plain.keys().copied();
    names.map(|name| (name.to_owned(), Figures::new(&plain[name], &counting[name]))).collect()
}

/// The configuration that `make bench` measures, too.
fn recipe() -> Value {
    service(&json!({
        "open": { "wait_duration": "1s", "jitter": 0 },
        "health_check": { "cluster": CLUSTER, "path": "/health", "interval": "5s" },
        "fallback": { "cluster": "payment-fallback", "on_failure": true },
    }))
}

/// The one that is called, and others, each of which would be checked five times a second.
fn thousand() -> Value {
    let check = json!({
        "cluster": CLUSTER, "path": "/health", "interval": "200ms", "timeout": "100ms",
    });
    let mut config = service(&json!({ "health_check": check }));
    let others = (1..1_000).map(|number| {
        let hosts = [format!("s{number}.example.com")];
        json!({ "name": format!("s{number}"), "match": { "hosts": hosts }, "health_check": check })
    });
    config["services"].as_array_mut().expect("a list").extend(others);
    config
}

fn bulkhead() -> Value {
    let mut config = without_replay();
    config["services"][0]["bulkhead"] = json!({"max_concurrent_calls": 1});
    config
}

fn adaptive() -> Value {
    let mut config = without_replay();
    config["services"][0]["trip"] = json!({"adaptive": {}});
    config
}

fn without_replay() -> Value {
    service(&json!({
        "open": { "wait_duration": "30s", "jitter": 0 },
        "fallback": { "cluster": "payment-fallback", "on_failure": false },
    }))
}

fn answering() -> Value {
    let headers = json!({ "content-type": "application/json" });
    let body = r#"{"message":"try later"}"#;
    let response = json!({ "status": 503, "headers": headers, "body": body });
    service(&json!({ "fallback": { "on_failure": false, "response": response } }))
}

fn service(fields: &Value) -> Value {
    let mut service = json!({
        "name": "payment-service",
        "match": { "path_prefixes": ["/payments"] },
        "trip": { "consecutive_failures": 3 },
    });
    for (name, value) in fields.as_object().expect("fields") {
        service[name] = value.clone();
    }
    json!({ "services": [service] })
}

fn nothing(_: &mut Worker) {}

/// It is known how long calls take.
fn learned(worker: &mut Worker) {
    for _ in 0..2_100 {
        good(worker);
    }
}

/// A call that the service answers well.
fn good(worker: &mut Worker) {
    let sent = worker.send(PAYMENT);
    assert!(!sent.is_diverted());
    worker.answer(sent, 200);
}

/// A call that the service fails, and whose client is told so.
fn failed(worker: &mut Worker) {
    let sent = worker.send(PAYMENT);
    assert!(!sent.is_diverted());
    worker.answer(sent, 503);
}

fn diverted(worker: &mut Worker) {
    let sent = worker.send(PAYMENT);
    assert!(sent.is_diverted());
    worker.answer(sent, 200);
}

fn tripped(worker: &mut Worker) {
    for _ in 0..3 {
        failed(worker);
    }
}

/// Until the next call is a trial.
fn waited(worker: &mut Worker) {
    tripped(worker);
    worker.advance(WAIT);
}

fn ticked(worker: &mut Worker) {
    worker.advance(Duration::from_secs(1));
    assert!(worker.tick().is_empty(), "a call");
}

fn half_a_second(worker: &mut Worker) {
    for _ in 0..10 {
        worker.advance(Duration::from_millis(50));
        assert!(worker.tick().is_empty(), "a call");
    }
}

fn check(worker: &mut Worker, status: u16) {
    worker.advance(WAIT);
    let calls = worker.tick();
    let [call] = calls.as_slice() else { panic!("not one check: {calls:?}") };
    worker.answer_call(call, status);
}
