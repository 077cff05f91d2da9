//! What the component stores is what `wit/store.wit` says: under which keys, and how long.

use std::collections::BTreeSet;

use host_test_component::types::{Command, Ending, Origin, ResponseHead};
use host_test_component::{Guard, Shared, field};
use serde_json::{Value, json};

use crate::world::{get, head, instance};

const STORE: &str = include_str!("../../../../wit/store.wit");
const PREFIX: &str = "edge-breaker/v1/";
const LONGEST_KEY: usize = 200;
/// Of a kept answer's body, in the configurations below.
const MAX_RESPONSE_BYTES: usize = 10_000;

/// The rows of the table: a key, and how long its value may be.
fn rows() -> Vec<(&'static str, usize)> {
    let rows = STORE.lines().filter_map(|line| line.trim().strip_prefix("/// | `"));
    let rows = rows.map(|row| {
        let (key, rest) = row.split_once("` | ").unwrap();
        let cell = rest.split_once(" |").unwrap().0;
        let number = |text: &str| text.replace(',', "").parse::<usize>().unwrap();
        let most = match cell.split_once(" beside ") {
            Some((fixed, "`max_response_bytes`")) => number(fixed) + MAX_RESPONSE_BYTES,
            Some((fixed, _)) => number(fixed),
            None => number(cell),
        };
        (key, most)
    });
    rows.collect()
}

/// A key as the table has it: services and their numbers are placeholders.
fn kind(key: &str) -> String {
    let parts: Vec<_> = key.strip_prefix(PREFIX).unwrap().split('/').collect();
    let of_service = |rest: &[&str]| match rest {
        ["stale", _] => "/stale/{number}".to_owned(),
        rest => rest.iter().map(|part| format!("/{part}")).collect(),
    };
    match &parts[..] {
        ["names", "slots", _] => "names/slots/{name}".to_owned(),
        ["names", "slots", _, _] => "names/slots/{name}/{number}".to_owned(),
        ["names", "slots", _, _, rest @ ..] => format!("{{service}}{}", of_service(rest)),
        ["names" | "events" | "admin" | "doubts", _] => parts.join("/"),
        [_, rest @ ..] => format!("{{service}}{}", of_service(rest)),
        [] => unreachable!("a text has a first part"),
    }
}

fn configured(shared: &Shared, config: &Value) -> Guard {
    let mut guard = instance(shared);
    guard.configure(&config.to_string()).unwrap().unwrap();
    guard
}

fn call(guard: &mut Guard, host: &str, answer: &ResponseHead, body: &[u8]) {
    let mut request = get(&format!("/{}", "p".repeat(3_800)));
    request.fields.push(field("x-tenant", "t".repeat(4_000)));
    request.fields[1] = field(":authority", host);
    request.cluster = Some(host.to_owned());
    if let Some(call) = guard.request(&request).unwrap().call {
        guard.respond(call, answer).unwrap();
        guard.response_body(call, body, true).unwrap();
        guard.finish(call, &Ending { origin: Origin::Service, trailers: vec![] }).unwrap();
    }
}

fn kept() -> ResponseHead {
    let padding = "x".repeat(16_000);
    let fields = vec![
        field("cache-control", "public"),
        field("vary", "x-tenant"),
        field("x-padding", padding),
    ];
    ResponseHead { fields, ..head(200) }
}

#[test]
fn no_value_is_stored_under_another_key_or_longer_than_the_world_says() {
    let shared = Shared::new();
    let longest = "s".repeat(128);
    let fields = json!({
        "trip": {"consecutive_failures": 3, "adaptive": {}},
        "bulkhead": {"max_concurrent_calls": 5},
        "fallback": {"stale": {"max_response_bytes": MAX_RESPONSE_BYTES, "max_entries": 1}},
    });
    let service = |name: &str, matches: Value| {
        let mut service = fields.clone();
        service["name"] = json!(name);
        service["match"] = matches;
        service
    };
    let config = json!({
        "admin": {},
        "notify": {"cluster": "ops", "path": "/hook"},
        "services": [
            service(&longest, json!({"hosts": ["one"]})),
            service("{host}", json!({"hosts": ["*.many"]})),
            service("{cluster}", json!({})),
        ],
    });
    let mut guard = configured(&shared, &config);
    let body = vec![b'x'; MAX_RESPONSE_BYTES];
    for host in ["one", &format!("{}.many", "h".repeat(123)), "cluster"] {
        // The fourth has metrics of its own.
        for _ in 0..5 {
            call(&mut guard, host, &kept(), &body);
        }
    }
    for _ in 0..64 {
        for _ in 0..3 {
            call(&mut guard, "one", &head(503), b"");
        }
        guard.steer(&longest, Command::Close).unwrap().unwrap();
    }
    guard.tick().unwrap();
    // Each is doubted for another rate, below a percent.
    for thousandths in 1_u8..=33 {
        let trip =
            json!({"failure_rate_threshold": f64::from(thousandths) / 1_000.0, "adaptive": {}});
        let _ = configured(&shared, &json!({"services": [{"name": "doubted", "trip": trip}]}));
    }

    let rows = rows();
    let mut seen = BTreeSet::new();
    for key in shared.keys() {
        let (kind, len) = (kind(&key), shared.value(&key).unwrap().len());
        let row = rows.iter().find(|(row, _)| *row == kind);
        let (row, most) = row.unwrap_or_else(|| panic!("{key}: {kind} is not in wit/store.wit"));
        assert!(len <= *most && key.len() <= LONGEST_KEY && key.is_ascii(), "{key}: {len} bytes");
        // What does not grow with the number of names, or with what has happened, has the length that is
        // told, or nearly so.
        let grows = row.starts_with("names/") && !row.ends_with("{number}")
            || ["{service}/calls", "{service}/recent"].contains(row);
        assert!(grows || len * 4 > most * 3, "{key}: {len} bytes, far from {most}");
        seen.insert(*row);
    }
    let all: BTreeSet<_> = rows.iter().map(|(row, _)| *row).collect();
    assert_eq!(seen, all, "a row of wit/store.wit that nothing is stored under");
}
