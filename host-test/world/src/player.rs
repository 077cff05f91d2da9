//! One worker on its thread: it takes its steps, and tells the world what came of them.

use std::sync::Arc;

use wasm_host::{Call, CallAnswer, Event, Headers, Part, StreamId, Worker};

use crate::rules::Rules;
use crate::service::Answer;
use crate::stage::Stage;
use crate::trace::Doing;
use crate::world::{CheckAnswer, Step};

const STEERING: &str = "x-circuit-breaker-cluster";

/// Plays a worker until the world is over.
pub(crate) fn play(stage: &Arc<Stage>, number: usize, mut worker: Worker) {
    let hook = Arc::clone(stage);
    worker.on_hostcall(move |name| hook.hostcall(number, name));
    let mut player = Player { stage, number, worker };
    while let Some(step) = stage.next(number) {
        player.take(step);
    }
}

struct Player<'a> {
    stage: &'a Arc<Stage>,
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

impl Player<'_> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Request(id) => self.request(id),
            Step::Head(id, stream, answer) => self.head(id, stream, answer),
            Step::End(id, stream, answer) => self.end(id, stream, answer),
            Step::Tick => self.tick(),
            Step::Check(token, answer) => {
                let healthy = answer == CheckAnswer::Healthy;
                let answer = match answer {
                    CheckAnswer::Healthy => CallAnswer::status(200, ""),
                    CheckAnswer::Unhealthy => CallAnswer::status(503, ""),
                    CheckAnswer::Reset => CallAnswer::Failed,
                    // Its worker forgets it, as it would one whose answer never comes.
                    CheckAnswer::Lost => return,
                };
                let doing = Doing::Check(healthy);
                self.callback(doing, |worker| worker.answer_call(token, answer));
                self.stage.world().ended(self.number);
            }
            Step::Kill => {
                let events = self.worker.kill();
                for event in events {
                    if let Event::LocalReply(stream, _) | Event::Reset(stream) = event {
                        self.worker.end_stream(stream);
                    }
                }
                self.stage.world().killed(self.number);
            }
        }
    }

    fn callback(
        &mut self,
        doing: Doing,
        run: impl FnOnce(&mut Worker) -> Vec<Event>,
    ) -> Vec<Event> {
        self.stage.world().begin(self.number, doing);
        let events = run(&mut self.worker);
        let mut world = self.stage.world();
        world.returned(self.number);
        if let Some(trap) = events.iter().find_map(|event| match event {
            Event::VmFailed(trap) => Some(trap),
            _ => None,
        }) {
            world.hold::<()>(Err(format!("the module trapped: {trap}")));
        }
        events
    }

    fn request(&mut self, id: u64) {
        let headers = Headers::from_iter([
            (":method", "GET"),
            (":path", "/pay"),
            (":authority", "payment.example.com"),
            (":scheme", "http"),
        ]);
        let mut opened = None;
        let events = self.callback(Doing::Request(id), |worker| {
            let stream = worker.open_stream();
            opened = Some(stream);
            worker.request_headers(stream, headers, true)
        });
        let Some(stream) = opened else {
            return;
        };
        let next_tick = self.worker.next_tick();
        let way = way_of(&events);
        let mut world = self.stage.world();
        if self.worker.is_running() {
            world.alive(self.number, next_tick);
        }
        match way {
            Way::Service => return world.admitted(self.number, id, stream),
            Way::NoVm => world.refused(self.number, id),
            Way::Fallback | Way::Answered => world.diverted(self.number, id),
        }
        drop(world);
        let fallback = matches!(way, Way::Fallback);
        self.callback(Doing::Diverted(id), |worker| {
            if fallback {
                worker.set_property(stream, &["xds", "cluster_name"], Rules::FALLBACK);
                tell(worker, stream, ("via_upstream", 0));
                let headers = Headers::from_iter([(":status", "200")]);
                worker.response_headers(stream, headers, true);
            }
            worker.end_stream(stream)
        });
        self.stage.world().ended(self.number);
    }

    fn head(&mut self, id: u64, stream: StreamId, answer: Answer) {
        let status = answer.status().unwrap_or("200");
        self.callback(Doing::Head(id, answer), |worker| {
            tell(worker, stream, answer.told_at_head());
            let headers = Headers::from_iter([(":status", status)]);
            worker.response_headers(stream, headers, !answer.is_in_parts())
        });
        self.stage.world().head_passed(self.number, id);
        if !answer.is_in_parts() {
            self.end(id, stream, answer);
        }
    }

    fn end(&mut self, id: u64, stream: StreamId, answer: Answer) {
        self.callback(Doing::End(id, answer), |worker| {
            if answer == Answer::GoodInParts {
                worker.response_body(stream, "done", true);
            }
            if answer.status().is_none() || answer.is_in_parts() {
                tell(worker, stream, answer.told_at_end());
            }
            worker.end_stream(stream)
        });
        self.stage.world().stream_ended(self.number, id);
    }

    fn tick(&mut self) {
        let events = self.callback(Doing::Tick, Worker::tick);
        let calls = events.into_iter().filter_map(|event| match event {
            Event::Call(call) => Some(call),
            _ => None,
        });
        let calls: Vec<Call> = calls.collect();
        let next = self.worker.next_tick();
        self.stage.world().ticked(self.number, &calls, next);
    }
}

/// Has the proxy tell how an answer came about.
fn tell(worker: &mut Worker, stream: StreamId, (details, flags): (&str, u64)) {
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
