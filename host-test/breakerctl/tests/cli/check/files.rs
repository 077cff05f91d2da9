//! Files as people have them: of other editors, in other objects, of other gateways.

use std::fs;

use super::warnings::warnings;
use super::{assert_refused, check, place, recipe};
use crate::support::{Ran, run};

/// The places of the configurations that were found.
fn places(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let configurations = report["configurations"].as_array().unwrap();
    configurations.iter().map(|it| it["place"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_mark_of_the_encoding_and_other_ends_of_lines_change_nothing() {
    let plain = places(&check(&recipe()));
    let windows = recipe().replace('\n', "\r\n");
    for text in [format!("\u{feff}{}", recipe()), windows.clone(), format!("\u{feff}{windows}")] {
        let ran = check(&text);
        assert_eq!((ran.code, places(&ran)), (Some(0), plain.clone()), "{ran:?}");
    }
    let own = "\u{feff}{ \"services\": [{ \"name\": \"a\" }] }\r\n";
    assert_eq!(check(own).code, Some(0));
    let broken = windows.replace("\"interval\": \"5s\"", "\"interval\": \"5 apples\"");
    let (line, column) = place(&broken, "\"interval\": ");
    assert_refused(&check(&broken), (line, column), "defaults.health_check.interval", "");
}

#[test]
fn a_file_that_a_shell_of_windows_wrote_is_read() {
    let bytes: Vec<u8> =
        format!("\u{feff}{}", recipe()).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let ran = run(&["check", "--json", file.path().to_str().unwrap()]);
    assert_eq!((ran.code, places(&ran).len()), (Some(0), 2), "{ran:?}");
}

/// A ConfigMap with the recipe in it, as it would be written by hand.
fn config_map(text: &str) -> String {
    let inner: String = text.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: envoy }}\ndata:\n  README: |\n    a: b: c\n  \
         envoy.yaml: |\n{inner}"
    )
}

#[test]
fn an_envoy_yaml_in_a_config_map_is_found_and_shown_at_its_line() {
    let ran = check(&config_map(&recipe()));
    assert_eq!((ran.code, places(&ran)), (Some(0), places(&check(&recipe()))), "{ran:?}");
    assert_eq!(ran.json()["warnings"], serde_json::json!([]));
    let broken = config_map(&recipe()).replace("\"wait_duration\":", "\"wait_durration\":");
    let (line, column) = place(&broken, "\"wait_durration\": ");
    let at = (line, column - "\"wait_durration\": ".len() as u64);
    let ran = check(&broken);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.json()["configurations"][0]["error"]["line"], at.0);
    // Of a list of objects, with what does not fit into a block in quotes.
    let quoted = serde_json::to_string(&recipe()).unwrap();
    let list = format!(
        "kind: List\nitems:\n- kind: ConfigMap\n  data:\n    envoy.yaml: {quoted}\n- kind: Pod\n"
    );
    let ran = check(&list);
    assert_eq!((ran.code, places(&ran).len()), (Some(0), 2), "{ran:?}");
}

#[test]
fn an_envoy_yaml_in_a_config_map_that_is_no_yaml_is_shown_at_its_line() {
    let ran = check(&config_map(&recipe().replace("http_filters:", "http_filters: [")));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains(":"), "{ran:?}");
    let other = "kind: ConfigMap\ndata:\n  nginx.conf: |\n    server { listen 80; }\n";
    let ran = check(other);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("no plugin is configured here"), "{ran:?}");
}

#[test]
fn the_plugins_own_configuration_may_be_yaml_or_in_a_config_map() {
    let own = "services:\n  - name: payment-service\n    trip: { consecutive_failures: 0 }\n";
    let at = place(own, "consecutive_failures: ");
    assert_refused(&check(own), at, "services[0].trip.consecutive_failures", "");
    let inner: String = own.lines().map(|line| format!("    {line}\n")).collect();
    let map = format!("kind: ConfigMap\ndata:\n  breaker.yaml: |\n{inner}");
    let at = place(&map, "consecutive_failures: ");
    assert_refused(&check(&map), at, "services[0].trip.consecutive_failures", "");
    let json =
        "kind: ConfigMap\ndata:\n  breaker.json: '{ \"services\": [{ \"name\": \"a\" }] }'\n";
    assert_eq!(check(json).code, Some(0));
    let compose = "services:\n  envoy:\n    image: envoy\n";
    assert_eq!(check(compose).code, Some(2));
}

const HIGRESS: &str = "\
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata: { name: edge-breaker, namespace: higress-system }
spec:
  url: oci://registry.example.com/edge-breaker:1
  defaultConfig:
    services:
      - name: payment-service
        trip: { consecutive_failures: 3 }
";

#[test]
fn the_default_of_a_plugin_of_higress_is_its_configuration() {
    let ran = check(HIGRESS);
    assert_eq!(places(&ran), ["WasmPlugin higress-system/edge-breaker"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let broken = HIGRESS.replace("consecutive_failures: 3", "consecutive_failures: 0");
    let at = place(&broken, "consecutive_failures: ");
    assert_refused(&check(&broken), at, "services[0].trip.consecutive_failures", "");
}

#[test]
fn rules_of_higress_are_refused_as_the_filter_would_with_their_remedy() {
    let rules = "  matchRules:\n    - domain: [shop.example]\n      config: {}\n";
    let text = format!("{HIGRESS}{rules}");
    let ran = check(&text);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report = ran.json();
    let line = place(&text, "  matchRules:\n").0;
    assert_eq!(report["configurations"][0]["error"]["line"], line, "{report:#}");
    assert_eq!(report["warnings"][0]["line"], line, "{report:#}");
    assert!(report["warnings"][0]["remedy"].as_str().unwrap().contains("defaultConfig"));
}

#[test]
fn a_plugin_without_a_configuration_is_reported() {
    let text = HIGRESS.replace("higress.io", "istio.io").replace("defaultConfig", "config");
    let ran = check(&text);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(places(&ran)[0].ends_with("without a configuration: a breaker for each cluster"));
    assert_eq!(warnings(&text), []);
}
