//! The breakers as they are now, told by the filter's own admin API.
//!
//! The API answers where the operator has put it, or nowhere. So the question goes to a filter
//! that guards the same services, has the API at a place of its own, and may read the store but not
//! write: asking changes nothing.

use std::fmt::Write;

use breaker_filter::{
    Config, Effects, Filter, Headers, Host, Metric, Now, Property, RequestAction, StoreFault,
    SwapError, Version,
};

use crate::facts::Facts;
use crate::worker::Worker;

const NO_SERVICES: &str = r#"{"services":[]}"#;

/// The document; `None` if the store cannot be read.
pub(crate) fn document(worker: Option<&Worker>) -> Option<String> {
    let Some(worker) = worker else {
        return Some(NO_SERVICES.to_owned());
    };
    let (reader, mut effects) = (Reader(Facts::default()), Effects::default());
    let config = Config::parse(viewing(&worker.services).as_bytes()).ok()?;
    let viewer = Filter::new(config, &reader, &mut effects);
    let headers = Headers::from_pairs(&[
        (":method", "GET"),
        (":authority", ""),
        (":path", "/circuit-breaker/services"),
    ]);
    match viewer.on_request(headers, true, &reader, &mut effects).1.action {
        RequestAction::Reply(reply) if reply.status == 200 => String::from_utf8(reply.body).ok(),
        _ => None,
    }
}

/// A configuration with the admin API and these services. Their names are plain: nothing in them
/// could mean anything to JSON.
fn viewing(services: &[String]) -> String {
    let mut json = r#"{"admin":{"path_prefix":"/circuit-breaker"},"services":["#.to_owned();
    for (number, name) in services.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        // Writing to a string does not fail.
        let _ = write!(json, r#"{comma}{{"name":"{name}"}}"#);
    }
    json + "]}"
}

/// The store, to be read only.
struct Reader<'a>(Facts<'a>);

impl Host for Reader<'_> {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, StoreFault> {
        self.0.load(key)
    }

    fn swap(&self, _: &str, _: &[u8], _: Option<Version>) -> Result<(), SwapError> {
        Err(SwapError::Fault(StoreFault { status: 0 }))
    }

    fn now(&self) -> Now {
        self.0.now()
    }

    fn property(&self, _: Property) -> Option<Vec<u8>> {
        None
    }

    fn response_header(&self, _: &'static str) -> Option<Vec<u8>> {
        None
    }

    fn response_trailer(&self, _: &'static str) -> Option<Vec<u8>> {
        None
    }

    fn gauge(&self, _: Metric) -> Option<u64> {
        None
    }

    fn adjust(&self, _: Metric, _: i64) {}
}
