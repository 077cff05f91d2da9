//! One worker on its thread: it takes its steps, and tells the world what came of them.

use std::sync::Arc;

use host_test_proxy_wasm::{Call, CallAnswer, CallToken, Event, Headers, Part, StreamId, Worker};

use crate::rules::Rules;
use crate::scheduler::Scheduler;
use crate::service::{Answer, VIA_UPSTREAM};
use crate::trace::Doing;
use crate::world::{CheckAnswer, Step};

const STEERING: &str = "x-circuit-breaker-cluster";

/// Runs a worker until the world is over.
pub(crate) fn run(scheduler: &Arc<Scheduler>, number: usize, mut worker: Worker) {
    let hook = Arc::clone(scheduler);
    worker.trap_hostcalls(move |name| hook.hostcall(number, name));
    let mut runner = Runner { scheduler, number, worker };
    while let Some(step) = scheduler.next(number) {
        runner.take(step);
    }
}

struct Runner<'a> {
    scheduler: &'a Arc<Scheduler>,
    number: usize,
    worker: Worker,
}

/// What became of a request.
enum Way {
    Service,
    Fallback,
    Answered,
    NoVm,
}

impl Runner<'_> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Request(id, service, whole) => self.request(id, service, whole),
            Step::Complete(id, stream) => self.complete(id, stream),
            Step::Head(id, stream, answer) => self.head(id, stream, answer),
            Step::End(id, stream, answer) => self.end(id, stream, answer),
            Step::Tick => self.tick(),
            Step::Check(token, answer) => self.check(token, answer),
            Step::Configure(configuration) => self.configure(&configuration),
            Step::Kill => {
                let events = self.worker.kill();
                self.killed(events);
            }
        }
    }

    /// Runs a callback. `None`: its VM has died in the middle of it, and that is all there is to
    /// say.
    fn callback(
        &mut self,
        doing: Doing,
        run: impl FnOnce(&mut Worker) -> Vec<Event>,
    ) -> Option<Vec<Event>> {
        self.scheduler.world().begin(self.number, doing);
        let events = run(&mut self.worker);
        let mut world = self.scheduler.world();
        if world.returned(self.number).is_break() {
            drop(world);
            self.killed(events);
            return None;
        }
        if let Some(trap) = events.iter().find_map(|event| match event {
            Event::VmFailed(trap) => Some(trap),
            _ => None,
        }) {
            world.hold::<()>(Err(format!("the module trapped: {trap}")));
        }
        Some(events)
    }

    /// The VM is dead: so are its streams, once they are answered or cut off.
    fn killed(&mut self, events: Vec<Event>) {
        for event in events {
            if let Event::LocalReply(stream, _) | Event::Reset(stream) = event {
                self.worker.end_stream(stream);
            }
        }
        self.scheduler.world().killed(self.number);
    }

    fn request(&mut self, id: u64, service: &str, whole: bool) {
        let headers = Headers::from_iter([
            (":method", if whole { "GET" } else { "POST" }),
            (":path", &format!("/{service}/of/{id}")),
            (":authority", "services.example.com"),
            (":scheme", "http"),
        ]);
        let mut opened = None;
        let events = self.callback(Doing::Request(id), |worker| {
            let stream = worker.open_stream();
            opened = Some(stream);
            worker.request_headers(stream, headers, whole)
        });
        let (Some(stream), Some(events)) = (opened, events) else {
            return;
        };
        let next_tick = self.worker.next_tick();
        let way = way_of(&events);
        let mut world = self.scheduler.world();
        if self.worker.is_running() {
            world.alive(self.number, next_tick);
        }
        match way {
            Way::Service => return world.admitted(self.number, id, stream, whole),
            Way::NoVm if self.worker.is_running() => {
                world.hold::<()>(Err(format!("there is a VM, and yet: {events:?}")));
            }
            Way::NoVm => world.refused(self.number, id),
            Way::Fallback | Way::Answered => world.diverted(self.number, id),
        }
        drop(world);
        let fallback = matches!(way, Way::Fallback);
        let events = self.callback(Doing::Diverted(id), |worker| {
            let mut events = Vec::new();
            if fallback {
                worker.set_property(stream, &["xds", "cluster_name"], Rules::FALLBACK);
                set_response(worker, stream, (VIA_UPSTREAM, 0));
                let headers = Headers::from_iter([(":status", "200")]);
                events.extend(worker.response_headers(stream, headers, true));
            }
            events.extend(worker.end_stream(stream));
            events
        });
        if events.is_some() {
            self.scheduler.world().ended(self.number);
        }
    }

    fn complete(&mut self, id: u64, stream: StreamId) {
        let events = self
            .callback(Doing::Complete(id), |worker| worker.request_body(stream, "all of it", true));
        if events.is_some() {
            self.scheduler.world().completed(self.number, id);
        }
    }

    fn head(&mut self, id: u64, stream: StreamId, answer: Answer) {
        let status = answer.status().unwrap_or("200");
        let events = self.callback(Doing::Head(id, answer), |worker| {
            set_response(worker, stream, answer.response_at_head());
            let mut headers = Headers::from_iter([(":status", status)]);
            if answer.response_at_head().0 == VIA_UPSTREAM {
                // How long it took is for the filter's own clock, which jumps in this world.
                headers.add("x-envoy-upstream-service-time", "unknown");
            }
            if let Some(seconds) = answer.retry_after() {
                headers.add("retry-after", seconds);
            }
            worker.response_headers(stream, headers, !answer.is_in_parts())
        });
        if events.is_none() {
            return;
        }
        self.scheduler.world().head_passed(self.number, id);
        if !answer.is_in_parts() {
            self.end(id, stream, answer);
        }
    }

    fn end(&mut self, id: u64, stream: StreamId, answer: Answer) {
        let events = self.callback(Doing::End(id, answer), |worker| {
            let mut events = Vec::new();
            if answer == Answer::GoodInParts {
                events.extend(worker.response_body(stream, "done", true));
            }
            if answer.status().is_none() || answer.is_in_parts() {
                set_response(worker, stream, answer.response_at_end());
            }
            events.extend(worker.end_stream(stream));
            events
        });
        if events.is_some() {
            self.scheduler.world().stream_ended(self.number, id);
        }
    }

    fn tick(&mut self) {
        let Some(events) = self.callback(Doing::Tick, Worker::tick) else {
            return;
        };
        let calls = events.into_iter().filter_map(|event| match event {
            Event::Call(call) => Some(call),
            _ => None,
        });
        let calls: Vec<Call> = calls.collect();
        let next = self.worker.next_tick();
        self.scheduler.world().ticked(self.number, &calls, next);
    }

    fn check(&mut self, token: CallToken, answer: CheckAnswer) {
        let healthy = answer == CheckAnswer::Healthy;
        let answer = match answer {
            CheckAnswer::Healthy => CallAnswer::status(200, ""),
            CheckAnswer::Unhealthy => CallAnswer::status(503, ""),
            CheckAnswer::Reset => CallAnswer::Failed,
            // Its worker forgets it, as it would one whose answer never comes.
            CheckAnswer::Lost => return,
        };
        let events =
            self.callback(Doing::Check(healthy), |worker| worker.answer_call(token, answer));
        if events.is_some() {
            self.scheduler.world().ended(self.number);
        }
    }

    fn configure(&mut self, configuration: &[u8]) {
        let mut refused = None;
        let events = self.callback(Doing::Configure, |worker| {
            refused = worker.configure(configuration).err();
            worker.drain_events()
        });
        if events.is_none() {
            return;
        }
        let next = self.worker.next_tick();
        let mut world = self.scheduler.world();
        if let Some(error) = refused {
            world.hold::<()>(Err(format!("a new configuration: {error}")));
        }
        world.configured(self.number, next);
    }
}

/// Has the proxy say how an answer came about.
fn set_response(worker: &mut Worker, stream: StreamId, (details, flags): (&str, u64)) {
    worker.set_property(stream, &["response", "code_details"], details);
    worker.set_property(stream, &["response", "flags"], flags.to_le_bytes());
}

fn way_of(events: &[Event]) -> Way {
    for event in events {
        match event {
            Event::Request(_, Part::Headers(headers, _)) => {
                return match headers.get(STEERING) {
                    Some(_) => Way::Fallback,
                    None => Way::Service,
                };
            }
            Event::LocalReply(_, reply) if reply.details == "wasm_fail_stream" => return Way::NoVm,
            Event::LocalReply(..) => return Way::Answered,
            _ => {}
        }
    }
    Way::NoVm
}
