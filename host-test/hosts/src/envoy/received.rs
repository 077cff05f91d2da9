//! What a client has got, in the words of scenarios: who gave the answer, and without what any proxy
//! adds to it.

use http::HeaderMap;
use scenario::{Received, Reply};
use serde_json::{Value, json};

use super::scene::{Call, Got};

/// Set by the service and by the other clusters, each with its name.
pub(super) const ANSWERED_BY: &str = "x-answered-by";
pub(super) const SERVICE: &str = "service";
pub(super) const FALLBACK: &str = "fallback";
/// Set by the proxy on answers that no service gave: how they came about, why the request was
/// diverted, and the status before it was made a gRPC one.
const DETAILS: &str = "x-details";
const REASON: &str = "x-reason";
const STATUS: &str = "x-status";
/// What the plugin says of how its answers came about.
const PLUGIN: &str = "edge_breaker";
/// Set by a filter before the plugin: the status of the answer that the plugin has written its own
/// into.
const REPLACED: &str = "x-replaced";
const NOTHING: &str = "-";

/// What a proxy adds to each answer, whoever gave it, and what only this host adds.
const ADDED: [&str; 9] = [
    "date",
    "server",
    "content-length",
    "x-envoy-upstream-service-time",
    ANSWERED_BY,
    DETAILS,
    REASON,
    REPLACED,
    STATUS,
];

/// The option of a connection manager that marks answers which no service gave.
pub(super) fn local_replies() -> Value {
    let header = |name: &str, value: &str| {
        json!({
            "header": { "key": name, "value": value },
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        })
    };
    let any_status = json!({ "status_code_filter": { "comparison": {
        "op": "GE", "value": { "default_value": 100, "runtime_key": "any" },
    }}});
    json!({ "mappers": [{
        "filter": any_status,
        "headers_to_add": [
            header(DETAILS, "%RESPONSE_CODE_DETAILS%"),
            header(REASON, "%REQ(x-circuit-breaker-reason)%"),
            header(STATUS, "%RESPONSE_CODE%"),
        ],
    }]})
}

/// The filter that marks answers which the plugin has written into others.
pub(super) fn marking() -> Value {
    json!({
        "name": "marking",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": { "response_mutations": [{ "append": { "header": {
                "key": REPLACED,
                "value": "%FILTER_STATE(wasm.edge_breaker_replaced_status:PLAIN)%",
            }}}]},
        },
    })
}

/// An answer's head with all its headers.
pub(super) fn reply(status: u16, headers: &HeaderMap) -> Reply {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    Reply { status, headers: headers.collect() }
}

/// Whether the service gave this answer.
pub(super) fn is_services(reply: &Reply) -> bool {
    reply.headers.get(ANSWERED_BY).is_some_and(|by| by == SERVICE)
}

/// What the client of a call has got that is over.
pub(super) fn received(call: &Call) -> Received {
    let reply = match &call.got {
        Got::Whole(reply) => reply,
        Got::Broken(Some(reply)) => return Received::Cut(bare(reply)),
        Got::Nothing | Got::Head(_) | Got::Broken(None) => return Received::Nothing,
    };
    let header = |name: &str| reply.headers.get(name).cloned();
    let written = header(REPLACED).is_some_and(|status| status != NOTHING);
    let replied = written || header(DETAILS).as_deref() == Some(PLUGIN);
    match header(ANSWERED_BY).as_deref() {
        // An answer of the service that the plugin has kept, and given again.
        Some(SERVICE) if replied => return Received::Replied(as_given(reply)),
        Some(SERVICE) => return Received::Passed(bare(reply)),
        Some(_) => {
            return match &call.diverted {
                Some(reason) => Received::Diverted(bare(reply), reason.clone()),
                None => Received::Replayed(as_given(reply)),
            };
        }
        None => {}
    }
    match (replied, header(REASON)) {
        (true, _) => Received::Replied(as_given(reply)),
        (_, Some(reason)) => Received::Diverted(bare(reply), reason),
        (_, None) => Received::Passed(bare(reply)),
    }
}

/// Without what a proxy adds.
fn bare(reply: &Reply) -> Reply {
    let mut reply = reply.clone();
    reply.headers.retain(|name, _| !ADDED.contains(&name.as_str()));
    reply
}

/// An answer of the plugin as it gave it. To a gRPC call the proxy says the same with status 200 and
/// a gRPC status, which other hosts leave to their proxies.
fn as_given(reply: &Reply) -> Reply {
    let given = reply.headers.get(STATUS).and_then(|status| status.parse().ok());
    Reply { status: given.unwrap_or(reply.status), ..bare(reply) }
}
