//! `breakerctl check`.

mod around;
mod files;
mod of_the_module;
mod warnings;

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
fn a_file_that_cannot_be_checked_is_wrong_usage() {
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
