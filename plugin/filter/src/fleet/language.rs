//! Questions to the store as calls, and its answers.

use ::fleet::dialect::etcd;
use ::fleet::{Answer, Ask, Fault, Request};

use crate::callout::CalloutRequest;

/// The region of a store that is one.
pub(crate) const REGION: &str = "default";

/// A question that is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(super) ticket: u64,
    is_read: bool,
}

/// Why there is no answer, for the rules and for the log.
pub(super) struct Problem {
    pub(super) fault: Fault,
    pub(super) found: String,
    pub(super) remedy: &'static str,
}

/// The call that asks.
pub(super) fn callout_of(settings: &config::Fleet, ask: &Ask) -> (Asked, CalloutRequest) {
    let prefix = &settings.prefix;
    let etcd::Call { path, body } = match &ask.request {
        Request::Read { consistent } => etcd::read(prefix, REGION, *consistent),
        Request::Write { set, remove } => etcd::write(prefix, REGION, set, remove),
        Request::Swap { service, was, to } => etcd::swap(prefix, REGION, service, was.as_ref(), to),
    };
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = vec![
        header(":method", "POST"),
        header(":path", path),
        header(":authority", &settings.host),
        header("content-type", "application/json"),
    ];
    let is_read = matches!(ask.request, Request::Read { .. });
    let (cluster, timeout) = (settings.cluster.clone(), settings.timeout);
    let callout = CalloutRequest { cluster, headers, body, timeout };
    (Asked { ticket: ask.ticket, is_read }, callout)
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
    let answer = match asked.is_read {
        true => etcd::row(&settings.prefix, REGION, status, body).map(|(answer, _)| answer),
        false => etcd::written(status, body),
    };
    answer.map_err(|error| Problem { fault: error.fault, found: error.found, remedy: error.remedy })
}
