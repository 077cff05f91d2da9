//! What `breakerctl check` warns of: what clients could choose.

use std::fs;

use super::{check, place, recipe};
use crate::support::{repository, run};

/// The warnings about a text, as place and line.
pub(super) fn warnings(text: &str) -> Vec<(String, u64)> {
    let ran = check(text);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    assert_eq!(report["ok"], true);
    let warnings = report["warnings"].as_array().unwrap();
    let told = |of: &serde_json::Value| {
        (of["place"].as_str().unwrap().to_owned(), of["line"].as_u64().unwrap())
    };
    warnings.iter().map(told).collect()
}

pub(super) fn sample(path: &str) -> String {
    fs::read_to_string(repository().join("envoy").join(path)).unwrap()
}

#[test]
fn the_samples_are_warned_of_no_more_than_their_placeholders() {
    assert_eq!(warnings(&recipe()), []);
    assert_eq!(warnings(&sample("istio/gateway.yaml")), []);
    assert_eq!(warnings(&sample("istio/sidecar.yaml")), []);
    assert_eq!(warnings(&sample("istio/trafficextension.yaml")), []);
    let gateway = sample("envoy-gateway/gateway.yaml");
    let place = "EnvoyExtensionPolicy default/edge-breaker, plugin edge-breaker".to_owned();
    assert_eq!(warnings(&gateway).len(), 1);
    assert_eq!(warnings(&gateway)[0].0, place);
    assert_eq!(warnings(&gateway.replace("change-me", "c2VjcmV0")), []);
    // Others than this machine come to that listener.
    assert_eq!(warnings(&gateway.replace(", token: change-me", ""))[0].0, place);
}

#[test]
fn a_listener_that_leaves_a_clients_headers_is_warned_of_by_its_name_and_line() {
    let at = place(&recipe(), "http_connection_manager\n              typed_config:\n").0;
    for name in ["cluster", "service", "state", "reason"] {
        let left = format!("- remove: x-circuit-breaker-{name}");
        let text = recipe().replace(&left, "- remove: x-other");
        assert_eq!(warnings(&text), [("listener ingress".to_owned(), at)], "{name}");
    }
    let none = recipe().replace("early_header_mutation_extensions:", "other_extensions:");
    assert_eq!(warnings(&none), [("listener ingress".to_owned(), at)]);
    // By a part of their names.
    let prefix = "- remove_on_match: { key_matcher: { prefix: x-circuit-breaker- } }";
    let text = recipe().replace("- remove: x-circuit-breaker-cluster", prefix);
    assert_eq!(warnings(&text.replace("- remove: x-circuit-breaker-state", "- remove: a")), []);
}

#[test]
fn routes_that_a_clients_header_could_choose_are_warned_of_where_nothing_removes_it() {
    let header = "x-circuit-breaker-cluster";
    let istio = sample("istio/gateway.yaml").replace("kind: EnvoyFilter", "kind: Other");
    let at = place(&istio, "          headers:\n").0;
    assert_eq!(warnings(&istio), [("VirtualService default/shop".to_owned(), at)]);
    let istio = sample("istio/sidecar.yaml").replace(&format!("- remove: {header}"), "- remove: a");
    assert_eq!(warnings(&istio)[0].0, "VirtualService default/payments");
    let gateway = sample("envoy-gateway/gateway.yaml").replace("change-me", "c2VjcmV0");
    for (old, new) in [
        ("kind: ClientTrafficPolicy", "kind: Other"),
        ("earlyRequestHeaders", "lateResponseHeaders"),
        ("        - x-circuit-breaker-state\n", ""),
    ] {
        let left = gateway.replace(old, new);
        assert_eq!(warnings(&left)[0].0, "HTTPRoute default/payments", "{old}");
    }
}

#[test]
fn an_admin_api_without_a_token_is_warned_of_where_others_come() {
    let at = place(&recipe(), "# check and counts no call").0;
    let others = |address: &str| {
        let address = format!("address: {address}, port_value: 10001");
        recipe().replace("address: 127.0.0.1, port_value: 10001", &address)
    };
    for address in ["0.0.0.0", "10.1.2.3", "\"::\""] {
        let warned = warnings(&others(address));
        assert_eq!(warned.len(), 1, "{address}");
        assert_eq!(warned[0].0, "filter edge-breaker-admin of listener breaker-admin");
        assert!(warned[0].1 > at);
        let token = "\"path_prefix\": \"/circuit-breaker\", \"token\": \"c2VjcmV0\"";
        let text = others(address).replace("\"path_prefix\": \"/circuit-breaker\"", token);
        assert_eq!(warnings(&text), [], "{address}");
    }
    for address in ["127.0.0.2", "\"::1\""] {
        assert_eq!(warnings(&others(address)), [], "{address}");
    }
}

#[test]
fn only_the_plugins_asked_for_are_warned_of() {
    let left = recipe().replace("early_header_mutation_extensions:", "other_extensions:");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), left).unwrap();
    for (only, expected) in [("edge-breaker", 1), ("edge-breaker-admin", 0)] {
        let ran = run(&["check", "--json", file.path().to_str().unwrap(), "--only", only]);
        assert_eq!(ran.json()["warnings"].as_array().map(Vec::len), Some(expected), "{only}");
    }
}

#[test]
fn a_warning_is_printed_with_its_remedy() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let left = recipe().replace("- remove: x-circuit-breaker-cluster", "- remove: a");
    fs::write(file.path(), left).unwrap();
    let ran = run(&["check", file.path().to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(": warning listener ingress\n"), "{ran:?}");
    assert!(ran.stdout.contains("own x-circuit-breaker-cluster can choose"), "{ran:?}");
    assert!(ran.stdout.contains("early_header_mutation_extensions"), "{ran:?}");
}
