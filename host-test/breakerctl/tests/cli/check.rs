//! `breakerctl check`.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::support::{Ran, breakerctl, repository, run};

/// Checks a text as a file.
fn check(text: &str) -> Ran {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    run(&["check", "--json", file.path().to_str().unwrap()])
}

fn recipe() -> String {
    fs::read_to_string(repository().join("envoy/recipe.yaml")).unwrap()
}

/// The line and column of the first place in a text that is behind `before`.
fn place(text: &str, before: &str) -> (u64, u64) {
    let until = &text[..text.find(before).expect(before) + before.len()];
    let line = until.matches('\n').count() as u64 + 1;
    let column = until.rsplit('\n').next().unwrap().chars().count() as u64 + 1;
    (line, column)
}

/// Asserts that the one refused configuration is refused there, for that.
fn assert_refused(ran: &Ran, at: (u64, u64), path: &str, remedy: &str) {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    let refused: Vec<_> = report["configurations"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|checked| checked["ok"] == false)
        .map(|checked| &checked["error"])
        .collect();
    assert_eq!(refused.len(), 1, "{report:#}");
    let error = refused[0];
    assert_eq!(error["path"], path, "{error:#}");
    assert!(error["remedy"].as_str().unwrap().contains(remedy), "{error:#}");
    assert_eq!(
        (error["line"].as_u64().unwrap(), error["column"].as_u64().unwrap()),
        at,
        "{error:#}"
    );
}

#[test]
fn the_recipe_is_ok_in_both_of_its_listeners() {
    let ran = run(&["check", "envoy/recipe.yaml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(lines[0].ends_with("ok filter edge-breaker of listener ingress"), "{ran:?}");
    assert!(
        lines[1].ends_with("ok filter edge-breaker-admin of listener breaker-admin"),
        "{ran:?}"
    );
}

#[test]
fn a_wrong_value_in_a_block_of_yaml_is_shown_at_its_line() {
    let broken = recipe().replace("\"interval\": \"5s\"", "\"interval\": \"5 apples\"");
    let at = place(&broken, "\"interval\": \"5 apples").0;
    let ran = check(&broken);
    let column = place(&broken, "\"interval\": \"5 apples").1 - 9;
    assert_refused(&ran, (at, column), "defaults.health_check.interval", "");
}

#[test]
fn a_misspelt_key_is_shown_with_those_there_are() {
    let broken = recipe().replace("\"wait_duration\": \"0s\"", "\"wait_durration\": \"0s\"");
    let ran = check(&broken);
    let (line, column) = place(&broken, "\"wait_durration\": ");
    assert_refused(&ran, (line, column), "defaults.open.wait_durration", "wait_duration");
}

#[test]
fn json_that_breaks_off_is_shown_where_it_does() {
    let ran = check("{\n  \"services\": [\n    { \"name\": \"a\" }\n");
    assert_refused(&ran, (4, 0), "services", "EOF");
    let ran = check("{ \"services\": [{ \"name\": \"a\" },,] }");
    assert_refused(&ran, (1, 32), "services[1]", "expected");
}

#[test]
fn the_plugins_own_json_is_a_file_of_its_own() {
    let fine = r#"{ "services": [{ "name": "payment-service" }] }"#;
    assert_eq!(check(fine).code, Some(0));
    let broken = "{\n  \"services\": [\n    { \"name\": \"no spaces\" }\n  ]\n}\n";
    let ran = check(broken);
    assert_refused(&ran, place(broken, "\"name\": "), "services[0].name", "");
    assert_eq!(ran.json()["configurations"][0]["error"]["value"], "no spaces");
}

#[test]
fn a_string_in_quotes_is_shown_as_a_whole() {
    let broken = "\
'@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
config:
  configuration:
    '@type': type.googleapis.com/google.protobuf.StringValue
    value: '{ \"services\": [{ \"name\": \"a\", \"trip\": {} }] }'
";
    assert_refused(&check(broken), place(broken, "value: "), "services[0].trip", "");
}

#[test]
fn a_struct_in_envoy_is_refused_as_the_module_would_see_bytes() {
    let broken = recipe().replacen("google.protobuf.StringValue", "google.protobuf.Struct", 1);
    let ran = check(&broken);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let first = &ran.json()["configurations"][0];
    assert!(first["place"].as_str().unwrap().contains("StringValue"), "{first:#}");
}

const ISTIO: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: { name: other }
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata:
  name: edge-breaker
  namespace: shop
spec:
  url: oci://registry.example.com/edge-breaker:1
  pluginConfig:
    services:
      - name: payment-service
        match:
          path_prefixes: [/payments]
        trip:
          consecutive_failures: 3
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyExtensionPolicy
metadata: { name: breakers }
spec:
  wasm:
    - name: edge-breaker
      config:
        services: [{ name: inventory-service }]
";

#[test]
fn objects_of_istio_and_envoy_gateway_are_found_among_others() {
    let ran = check(ISTIO);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    let places: Vec<_> =
        report["configurations"].as_array().unwrap().iter().map(|c| c["place"].clone()).collect();
    let expected =
        ["WasmPlugin shop/edge-breaker", "EnvoyExtensionPolicy breakers, plugin edge-breaker"];
    assert_eq!(places, expected);
}

#[test]
fn a_wrong_value_in_an_object_of_istio_is_shown_at_its_line() {
    let broken = ISTIO.replace("consecutive_failures: 3", "consecutive_failures: 0");
    let at = place(&broken, "consecutive_failures: ");
    assert_refused(&check(&broken), at, "services[0].trip.consecutive_failures", "");
    let broken = ISTIO.replace("consecutive_failures: 3", "consecutive_failures: three");
    assert_refused(&check(&broken), at, "services[0].trip.consecutive_failures", "three");
}

#[test]
fn standard_input_is_a_file_too() {
    let mut tool = breakerctl();
    tool.args(["check", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(ISTIO.as_bytes()).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn only_the_plugins_asked_for_are_checked() {
    let broken = recipe().replace("\"admin\"", "\"amdin\"");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), broken).unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(run(&["check", path]).code, Some(1));
    assert_eq!(run(&["check", path, "--only", "edge-breaker"]).code, Some(0));
    assert_eq!(run(&["check", path, "--only", "nobody"]).code, Some(2));
}

#[test]
fn what_cannot_be_checked_is_wrong_usage() {
    for (args, said) in [
        (&["check", "nowhere.yaml"][..], "reading nowhere.yaml"),
        (&["check", "docs/glossary.md"], "docs/glossary.md"),
        (&["check", "envoy/recipe.yaml", "--module", "nowhere.wasm"], "make wasm"),
        (&["check", "envoy/recipe.yaml", "--module", "Makefile"], "loading Makefile"),
        (&["check"], "Usage"),
    ] {
        let ran = run(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(said), "{args:?}: {ran:?}");
    }
}

/// The warnings about a text, as place and line.
fn warnings(text: &str) -> Vec<(String, u64)> {
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

fn sample(path: &str) -> String {
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
fn a_listener_that_leaves_a_clients_headers_is_warned_of_by_its_name_and_place() {
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
    let at = place(&recipe(), "# here, and no call is counted").0;
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

/// The warnings about a text: line, column, what and remedy.
fn told(text: &str) -> Vec<(u64, u64, String, String)> {
    let ran = check(text);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    let field = |of: &serde_json::Value, name: &str| of[name].as_str().unwrap().to_owned();
    let number = |of: &serde_json::Value, name: &str| of[name].as_u64().unwrap();
    let warnings = report["warnings"].as_array().unwrap().iter();
    let all = warnings.map(|it| {
        (number(it, "line"), number(it, "column"), field(it, "what"), field(it, "remedy"))
    });
    all.collect()
}

#[test]
fn a_rate_below_a_percent_is_warned_of_at_its_line() {
    let config = "{ \"services\": [\n  { \"name\": \"a\", \"trip\": { \"failure_rate_threshold\": 0.5 } }\n] }";
    let (line, column) = place(config, "\"failure_rate_threshold\": ");
    let what = "services[0].trip.failure_rate_threshold: 0.5".to_owned();
    let remedy =
        "that is half a percent, 1 call of 200: if 50 percent are meant, give 50".to_owned();
    assert_eq!(told(config), [(line, column, what, remedy)]);
    assert_eq!(told(&config.replace("0.5", "50")), []);
}

#[test]
fn a_service_that_nothing_reaches_is_warned_of_at_its_line_in_any_file() {
    let everything =
        "\"services\": [{ \"name\": \"everything\", \"health_check\": { \"path\": \"/\" } },";
    let text = recipe().replacen("\"services\": [", everything, 1);
    assert_ne!(text, recipe());
    let warnings = told(&text);
    let services = warnings.iter().filter(|(_, _, what, remedy)| {
        what.contains("].name: ")
            && remedy.contains("never reached: all that it matches belongs to everything")
    });
    let lines: Vec<_> = services.map(|(line, ..)| *line).collect();
    assert!(!lines.is_empty() && lines.is_sorted(), "{warnings:?}");
    let first = text.lines().nth(usize::try_from(lines[0]).unwrap() - 1).unwrap();
    assert!(first.contains("\"name\": "), "{first}");
}

#[test]
fn a_warning_is_printed_and_is_no_refusal() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), r#"{ "services": [{ "name": "all" }, { "name": "rest" }] }"#).unwrap();
    let ran = run(&["check", file.path().to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(": ok plugin configuration"), "{ran:?}");
    assert!(ran.stdout.contains(":1:45: warning plugin configuration"), "{ran:?}");
    assert!(ran.stdout.contains("services[1].name: \"rest\": never reached"), "{ran:?}");
}
