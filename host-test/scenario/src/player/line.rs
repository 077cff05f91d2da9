//! The lines of a timeline.

use std::collections::BTreeMap;
use std::time::Duration;

use config::duration;

use crate::event::{Answer, CalloutAnswer, Event, Grpc, Head, Request, Store, Thread};
use crate::host::{Received, Status};

pub(super) fn line(
    now: Duration,
    label: &str,
    verdict: Option<&str>,
    received: Option<&Received>,
    states: &BTreeMap<String, Status>,
) -> String {
    let status = received.and_then(Received::reply).map(|reply| format!(" {}", reply.status));
    let verdict = verdict.map(|v| format!(" -> {v}{}", status.unwrap_or_default()));
    let states: Vec<_> = states.iter().map(|(name, status)| state(name, status)).collect();
    let seconds = now.as_secs_f64();
    format!("{seconds:>10.3} {label}{} | {}", verdict.unwrap_or_default(), states.join(", "))
}

fn state(name: &str, status: &Status) -> String {
    let Status { state, failure_count, generation, .. } = status;
    format!("{name} {state} failures={failure_count} generation={generation}")
}

/// What happens, in few words.
pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Wait => "wait".to_owned(),
        Event::Request { name, request } => format!("request {name} {}", request_of(request)),
        Event::Call { request, answer: answers, .. } => {
            let answers: Vec<_> = answers.iter().map(answer).collect();
            format!("call {} ({})", request_of(request), answers.join(", "))
        }
        Event::Answer { to, answer: a } => format!("answer {to} ({})", answer(a)),
        Event::Upstream { cluster, answers } => {
            format!("cluster {cluster} ({})", callout(*answers))
        }
        Event::Release { cluster, answer } => format!("release {cluster} ({})", callout(*answer)),
        Event::Configure(_) => "configure".to_owned(),
        Event::Crash { worker } => format!("crash of worker {worker}"),
        Event::Tick(Thread::Worker(worker)) => format!("tick of worker {worker}"),
        Event::Tick(Thread::Main) => "tick of main".to_owned(),
        Event::WallClock { nanos } => {
            let direction = if *nanos < 0 { "back" } else { "forward" };
            format!(
                "wall clock {direction} {}",
                duration::text(Duration::from_nanos(nanos.unsigned_abs()))
            )
        }
        Event::LostRaces(count) => format!("{count} lost races"),
        Event::Store(Store::Well) => "store well".to_owned(),
        Event::Store(Store::Unreadable) => "store unreadable".to_owned(),
        Event::Store(Store::Unwritable) => "store unwritable".to_owned(),
        Event::Store(Store::Garbage(service)) => format!("garbage for {service}"),
        Event::Store(Store::Newer(service)) => format!("newer bytes for {service}"),
    }
}

fn request_of(request: &Request) -> String {
    let Request { worker, method, host, path, .. } = request;
    format!("{method} {host}{path} on {worker}")
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Whole(head) => head_of(head),
        Answer::Begin(head) => format!("{}...", head_of(head)),
        Answer::More(bytes) => format!("{bytes} bytes"),
        Answer::End => "end".to_owned(),
        Answer::RequestEnd => "all of the request".to_owned(),
        Answer::Fault(fault) => fault.name().to_owned(),
        Answer::ClientGone => "client gone".to_owned(),
    }
}

fn head_of(head: &Head) -> String {
    let grpc = match head.grpc {
        None => String::new(),
        Some(Grpc::Trailers(code) | Grpc::Head(code)) => format!(" grpc {code}"),
        Some(Grpc::Missing) => " grpc none".to_owned(),
    };
    format!("{}{grpc}", head.status)
}

fn callout(answer: CalloutAnswer) -> String {
    match answer {
        CalloutAnswer::Status(status) => status.to_string(),
        CalloutAnswer::Refused => "refused".to_owned(),
        CalloutAnswer::Unknown => "unknown".to_owned(),
        CalloutAnswer::Held => "held".to_owned(),
    }
}
