//! A host with some workers, in few words.

use std::sync::LazyLock;
use std::time::Duration;

use host_test_component::types::{
    Admission, CallId, Configured, Ending, Errand, Origin, RequestHead, RequestVerdict,
    ResponseHead, ResponseVerdict, ServiceStatus, State,
};
use host_test_component::{Artefact, Guard, Shared, field};
use serde_json::{Value, json};

pub(crate) const SERVICE: &str = "payment-service";

pub(crate) static ARTEFACT: LazyLock<Artefact> = LazyLock::new(|| {
    let load = || Artefact::load(&artifacts::component()?);
    load().unwrap_or_else(|error| panic!("{error:#}"))
});

/// One service that all requests belong to, with further fields.
pub(crate) fn config(fields: &Value) -> String {
    let mut service = json!({"name": SERVICE});
    for (field, value) in fields.as_object().unwrap() {
        service[field] = value.clone();
    }
    json!({"expose_state": "always", "services": [service]}).to_string()
}

pub(crate) fn instance(shared: &Shared) -> Guard {
    Guard::new(&ARTEFACT, shared).unwrap()
}

/// A request without a body.
pub(crate) fn get(path: &str) -> RequestHead {
    RequestHead {
        fields: vec![
            field(":method", "GET"),
            field(":authority", "payments.example.com"),
            field(":path", path),
        ],
        cluster: None,
        route: None,
        end_of_stream: true,
    }
}

/// The head of an answer, by the service and with a body to come.
pub(crate) fn head(status: u16) -> ResponseHead {
    head_by(Origin::Service, status)
}

pub(crate) fn head_by(origin: Origin, status: u16) -> ResponseHead {
    ResponseHead { status, fields: Vec::new(), origin, cluster: None, end_of_stream: false }
}

pub(crate) fn ending(origin: Origin) -> Ending {
    Ending { origin, trailers: Vec::new() }
}

pub(crate) struct World {
    pub(crate) shared: Shared,
    pub(crate) workers: Vec<Guard>,
    pub(crate) configured: Configured,
}

impl World {
    /// Some workers, and one service with these fields.
    pub(crate) fn new(workers: usize, fields: &Value) -> Self {
        let shared = Shared::new();
        let mut workers: Vec<_> = (0..workers).map(|_| instance(&shared)).collect();
        let config = config(fields);
        let mut configured = None;
        for worker in &mut workers {
            configured = Some(worker.configure(&config).unwrap().unwrap());
        }
        Self { shared, workers, configured: configured.unwrap() }
    }

    pub(crate) fn one(fields: &Value) -> Self {
        Self::new(1, fields)
    }

    pub(crate) fn request(&mut self, worker: usize) -> Admission {
        self.workers[worker].request(&get("/charge")).unwrap()
    }

    /// A call that goes to the service.
    pub(crate) fn admitted(&mut self, worker: usize) -> CallId {
        let admission = self.request(worker);
        assert_eq!(admission.verdict, RequestVerdict::Pass);
        admission.call.unwrap()
    }

    pub(crate) fn respond(&mut self, worker: usize, call: CallId, status: u16) -> ResponseVerdict {
        self.workers[worker].respond(call, &head(status)).unwrap()
    }

    pub(crate) fn finish(&mut self, worker: usize, call: CallId, origin: Origin) {
        self.workers[worker].finish(call, &ending(origin)).unwrap();
    }

    /// The service answers with this status, and to the end.
    pub(crate) fn settle(&mut self, worker: usize, call: CallId, status: u16) {
        self.respond(worker, call, status);
        self.finish(worker, call, Origin::Service);
    }

    /// One call, from its request to the end of its answer.
    pub(crate) fn call(&mut self, worker: usize, status: u16) {
        let call = self.admitted(worker);
        self.settle(worker, call, status);
    }

    pub(crate) fn trip(&mut self) {
        for _ in 0..3 {
            self.call(0, 503);
        }
        assert_eq!(self.state(), State::Open);
    }

    /// Trips the service, which has no health check, and lets its wait pass.
    pub(crate) fn await_trials(&mut self) {
        self.trip();
        // Thirty seconds, and a fifth for jitter.
        self.shared.advance(Duration::from_secs(36));
    }

    /// The health checks that all workers want to make now.
    pub(crate) fn tick_all(&mut self) -> Vec<(usize, Errand)> {
        let ticks = self.workers.iter_mut().enumerate();
        ticks.flat_map(|(n, w)| w.tick().unwrap().into_iter().map(move |c| (n, c))).collect()
    }

    // === What came of it

    /// What the first worker tells of the one service.
    pub(crate) fn status(&mut self) -> ServiceStatus {
        self.workers[0].status().unwrap().unwrap().remove(0)
    }

    pub(crate) fn state(&mut self) -> State {
        self.status().state
    }

    pub(crate) fn failures(&mut self) -> u32 {
        self.status().failure_count
    }

    /// A metric of the one service, by labels and name. It has to be one of those that were told.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let name = format!("cb_service=.={SERVICE};.;{name}");
        self.shared.metric(&name).unwrap_or_else(|| panic!("there is no metric {name}"))
    }

    pub(crate) fn calls_counted(&self, outcome: &str) -> u64 {
        self.metric(&format!("cb_outcome=.={outcome};.;edge_breaker_calls_total"))
    }

    /// The transitions that were logged since this was last asked for.
    pub(crate) fn transitions(&self) -> Vec<String> {
        let log = self.shared.take_log().into_iter().map(|(_, line)| line);
        log.filter(|line| line.contains("event=transition")).collect()
    }
}
