//! Questions to the store as calls, and its answers.

use ::fleet::dialect::{StoreError, dynamodb, etcd};
use ::fleet::{Answer, Ask, Fault, Request};
use config::Store;

use crate::callout::CalloutRequest;

/// A question that is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(super) ticket: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Swap,
}

/// Why there is no answer, for the rules and for the log.
pub(super) struct Problem {
    pub(super) fault: Fault,
    pub(super) found: String,
    pub(super) remedy: &'static str,
}

/// The call that asks.
pub(super) fn callout_of(settings: &config::Fleet, ask: &Ask) -> (Asked, CalloutRequest) {
    let kind = match &ask.request {
        Request::Read { .. } => Kind::Read,
        Request::Write { .. } => Kind::Write,
        Request::Swap { .. } => Kind::Swap,
    };
    let region = &settings.region;
    let (path, content_type, target, body) = match &settings.store {
        Store::Etcd { prefix } => {
            let etcd::Call { path, body } = match &ask.request {
                Request::Read { consistent } => etcd::read(prefix, region, *consistent),
                Request::Write { set, remove } => etcd::write(prefix, region, set, remove),
                Request::Swap { service, was, to } => {
                    etcd::swap(prefix, region, service, was.as_ref(), to)
                }
            };
            (path, "application/json", None, body)
        }
        Store::DynamoDb { table, regions } => {
            let dynamodb::Call { target, body } = match &ask.request {
                Request::Read { consistent } => {
                    dynamodb::rows::read(table, &texts(regions), *consistent)
                }
                Request::Write { set, remove } => dynamodb::rows::write(table, region, set, remove),
                Request::Swap { service, was, to } => {
                    dynamodb::rows::swap(table, region, service, was.as_ref(), to)
                }
            };
            ("/", "application/x-amz-json-1.0", Some(target), body)
        }
    };
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = vec![
        header(":method", "POST"),
        header(":path", path),
        header(":authority", &settings.host),
        header("content-type", content_type),
    ];
    headers.extend(target.map(|target| header("x-amz-target", target)));
    let (cluster, timeout) = (settings.cluster.clone(), settings.timeout);
    let callout = CalloutRequest { cluster, headers, body, timeout };
    (Asked { ticket: ask.ticket, kind }, callout)
}

/// What an answer says; no status: there is none.
pub(super) fn answer_of(
    settings: &config::Fleet,
    asked: &Asked,
    status: Option<u16>,
    body: &[u8],
) -> Result<Answer, Problem> {
    let Some(status) = status else {
        return Err(Problem {
            fault: Fault::Failed,
            found: "no answer within fleet.timeout".to_owned(),
            remedy: "is the store there, and can this proxy reach it?",
        });
    };
    let answer = match (&settings.store, asked.kind) {
        (Store::Etcd { prefix }, Kind::Read) => {
            etcd::row(prefix, &settings.region, status, body).map(|(answer, _)| answer)
        }
        (Store::Etcd { .. }, Kind::Write | Kind::Swap) => etcd::written(status, body),
        (Store::DynamoDb { table, regions }, Kind::Read) => {
            dynamodb::rows::rows(table, &texts(regions), status, body).map(|(answer, _)| answer)
        }
        (Store::DynamoDb { .. }, Kind::Write) => dynamodb::rows::written(status, body),
        (Store::DynamoDb { .. }, Kind::Swap) => dynamodb::rows::swapped(status, body),
    };
    let problem = |StoreError { fault, found, remedy }| Problem { fault, found, remedy };
    answer.map_err(problem)
}

fn texts(regions: &[String]) -> Vec<&str> {
    regions.iter().map(String::as_str).collect()
}
