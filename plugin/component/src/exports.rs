//! The exported functions.

use std::rc::Rc;

use filter::{
    AnswerHead, CalloutAnswer, Config, Effects, Exchange, FallbackAnswer, Filter, Origin, Piece,
    RequestVerdict,
};

use crate::bindings::Component;
use crate::bindings::exports::edge_breaker::guard::breaker::{
    self as wit, Admission, Answer, CallId, Command, ConfigError, Configured, Effects as Done,
    Ending, Errand, ErrandId, Field, Guest, Judgement, RequestHead, RequestVerdict as Verdict,
    ResponseHead, ResponseVerdict, ServiceStatus, StatusError, SteerError, Ticked,
};
use crate::convert;
use crate::facts::{self, Facts};
use crate::worker::{Call, Instance, UnderWay, Worker, with_instance};

const GATEWAY_TIMEOUT: u16 = 504;

impl Guest for Component {
    fn configure(json: String) -> Result<Configured, ConfigError> {
        let config = Config::parse(json.as_bytes()).and_then(Config::without_fleet);
        let config = config.map_err(|e| convert::config_error(&e))?;
        let mut effects = Effects::default();
        let worker = Worker::new(config, &mut effects);
        let mut metrics = worker.metrics_of_module();
        metrics.extend(worker.take_defined());
        let configured = Configured {
            tick_period: convert::duration(worker.filter.tick_period()),
            services: worker.filter.names().collect(),
            metrics,
            effects: with_instance(|instance| instance.with_pending(worker.effects(effects))),
        };
        with_instance(|instance| instance.replace(worker));
        Ok(configured)
    }

    fn request(head: RequestHead) -> Admission {
        with_instance(|instance| request(instance, &head))
    }

    fn request_body(call: CallId, piece: Vec<u8>, end_of_stream: bool) {
        with_instance(|instance| {
            if let Some(call) = instance.calls.get_mut(&call) {
                call.has_body = true;
                let Call { worker, exchange, .. } = call;
                let mut effects = Effects::default();
                let len = piece.len();
                worker.filter.on_request_body(exchange, len, end_of_stream, || Some(piece));
                if end_of_stream {
                    worker.filter.on_request_end(exchange, &Facts::default(), &mut effects);
                }
                instance.pending.push(worker.effects(effects));
            }
        });
    }

    fn response(call: CallId, head: ResponseHead) -> Judgement {
        let ResponseHead { status, fields, origin, cluster, end_of_stream } = head;
        let judged = with_instance(|instance| {
            let has_body = instance.calls.get_mut(&call)?.begin_answer();
            instance.carry_on(call, |filter, exchange, known, effects| {
                if !has_body {
                    filter.on_request_end(exchange, &Facts::default(), effects);
                }
                let facts = Facts {
                    cluster: cluster.as_deref(),
                    route: None,
                    origin: match (origin, status) {
                        (wit::Origin::Fault, GATEWAY_TIMEOUT) => Origin::Timeout,
                        _ => facts::origin(origin, false),
                    },
                    fields: &fields,
                    trailers: &[],
                };
                // Who gave it is known: there is no need to guess.
                let head = || {
                    let mut head = AnswerHead::of_status(status);
                    for field in &fields {
                        head.note(field.name.as_bytes(), &field.value);
                    }
                    head
                };
                let verdict = filter.on_response(exchange, head, end_of_stream, &facts, effects);
                *known = fields;
                convert::response_verdict(verdict)
            })
        });
        judgement(judged)
    }

    fn response_body(call: CallId, piece: Vec<u8>, end_of_stream: bool) {
        with_instance(|instance| {
            if let Some(Call { worker, exchange, fields, .. }) = instance.calls.get_mut(&call) {
                let mut effects = Effects::default();
                let len = piece.len();
                let facts = Facts { fields, ..Facts::default() };
                let bytes = || Some(piece);
                let piece = Piece { len, end_of_stream, bytes, put: |_: &[u8]| {} };
                worker.filter.on_response_body(exchange, piece, &facts, &mut effects);
                instance.pending.push(worker.effects(effects));
            }
        });
    }

    fn replayed(call: CallId, answer: Option<Answer>) -> Judgement {
        let answer = answer.map(|answer| {
            let headers = convert::answer_headers(answer.status, &answer.fields);
            FallbackAnswer { headers, body: answer.body }
        });
        let judged = with_instance(|instance| {
            instance.carry_on(call, |filter, exchange, _, effects| {
                convert::fallback_verdict(filter.on_fallback_answer(exchange, answer, effects))
            })
        });
        judgement(judged)
    }

    fn finished(call: CallId, ending: Ending) -> Done {
        end(call, |answered| facts::origin(ending.origin, answered), &ending.trailers)
    }

    fn abandoned(call: CallId) -> Done {
        end(call, |_| Origin::ClientGone, &[])
    }

    fn tick() -> Ticked {
        with_instance(tick)
    }

    fn reported(errand: ErrandId, status: Option<u16>) -> Done {
        let done = with_instance(|instance| {
            let UnderWay { worker, pending } = instance.errands.remove(&errand)?;
            let answer = match status {
                Some(status) => {
                    CalloutAnswer::Answered(convert::answer_headers(status, &[]), Vec::new())
                }
                None => CalloutAnswer::Failed,
            };
            let mut effects = Effects::default();
            let facts = Facts::default();
            worker.filter.on_callout_answer(pending, &answer, &facts, &mut effects);
            Some(instance.with_pending(worker.effects(effects)))
        });
        done.unwrap_or_else(nothing)
    }

    fn status() -> Result<Vec<ServiceStatus>, StatusError> {
        let Some(worker) = with_instance(|instance| instance.worker.clone()) else {
            return Ok(Vec::new());
        };
        let status = worker.filter.status(&Facts::default());
        let status = status.map_err(|_| StatusError::Unreadable)?;
        Ok(status.into_iter().map(convert::service_status).collect())
    }

    fn steer(service: String, command: Command) -> Result<Done, SteerError> {
        with_instance(|instance| {
            let worker = instance.worker.clone().ok_or(SteerError::Unknown)?;
            let mut effects = Effects::default();
            let command = command.into();
            let applied =
                worker.filter.apply_command(&service, command, &Facts::default(), &mut effects);
            let effects = worker.effects(effects);
            match applied {
                Ok(()) => Ok(instance.with_pending(effects)),
                Err(error) => {
                    instance.pending.push(effects);
                    Err(convert::command_error(error))
                }
            }
        })
    }
}

fn request(instance: &mut Instance, head: &RequestHead) -> Admission {
    let Some(worker) = instance.worker.clone() else {
        let (remove, verdict) = (Vec::new(), Verdict::Pass);
        return Admission { call: None, remove, verdict, effects: nothing() };
    };
    let mut effects = Effects::default();
    let facts = Facts {
        cluster: head.cluster.as_deref(),
        route: head.route.as_deref(),
        ..Facts::default()
    };
    let headers = convert::headers(&head.fields);
    let (mut exchange, end_of_stream) = (Exchange::default(), head.end_of_stream);
    let filter = &worker.filter;
    let RequestVerdict { remove, action } =
        filter.on_request(&mut exchange, headers, end_of_stream, &facts, &mut effects);
    let effects = instance.with_pending(worker.effects(effects));
    let call = worker.filter.wants_response(&exchange).then(|| {
        let number = instance.next_number();
        let (has_body, answered, fields) = (false, false, Vec::new());
        let call = Call { worker, exchange, has_body, answered, fields };
        instance.calls.insert(number, call);
        number
    });
    Admission {
        call,
        remove: remove.names().map(str::to_owned).collect(),
        verdict: convert::request_verdict(action),
        effects,
    }
}

fn tick(instance: &mut Instance) -> Ticked {
    let (mut errands, mut done) = (Vec::new(), nothing());
    for worker in instance.ticking() {
        let mut effects = Effects::default();
        for errand in worker.filter.on_tick(&Facts::default(), &mut effects) {
            let (pending, callout) = errand.into_parts();
            let id = instance.next_number();
            instance.errands.insert(id, UnderWay { worker: Rc::clone(&worker), pending });
            errands.push(Errand { id, callout: convert::callout(callout) });
        }
        let Done { defined, metrics, lines } = worker.effects(effects);
        done.defined.extend(defined);
        done.metrics.extend(metrics);
        done.lines.extend(lines);
    }
    Ticked { errands, effects: instance.with_pending(done) }
}

fn end(call: CallId, origin: impl FnOnce(bool) -> Origin, trailers: &[Field]) -> Done {
    let done = with_instance(|instance| {
        let Call { worker, mut exchange, answered, fields, .. } = instance.calls.remove(&call)?;
        let mut effects = Effects::default();
        let facts =
            Facts { origin: origin(answered), fields: &fields, trailers, ..Facts::default() };
        worker.filter.on_stream_end(&mut exchange, &facts, &mut effects);
        Some(instance.with_pending(worker.effects(effects)))
    });
    done.unwrap_or_else(nothing)
}

impl Instance {
    /// Takes a call a step further, and forgets it if there is nothing more to be heard of it.
    fn carry_on<R>(
        &mut self,
        number: CallId,
        step: impl FnOnce(&Filter, &mut Exchange, &mut Vec<Field>, &mut Effects) -> R,
    ) -> Option<(R, Done)> {
        let call = self.calls.get_mut(&number)?;
        let mut effects = Effects::default();
        let filter = &call.worker.filter;
        let result = step(filter, &mut call.exchange, &mut call.fields, &mut effects);
        let done = call.worker.effects(effects);
        if !filter.wants_response(&call.exchange) {
            self.calls.remove(&number);
        }
        Some((result, self.with_pending(done)))
    }
}

impl Call {
    /// The head of an answer is there: whether anything of the request's body was reported. If not, all
    /// of it has come.
    const fn begin_answer(&mut self) -> bool {
        self.answered = true;
        self.has_body
    }
}

/// What is said of a call that nothing is known of: its answer passes.
fn judgement(judged: Option<(ResponseVerdict, Done)>) -> Judgement {
    match judged {
        Some((verdict, effects)) => Judgement { verdict, effects },
        None => Judgement { verdict: ResponseVerdict::Pass(Vec::new()), effects: nothing() },
    }
}

const fn nothing() -> Done {
    Done { defined: Vec::new(), metrics: Vec::new(), lines: Vec::new() }
}
