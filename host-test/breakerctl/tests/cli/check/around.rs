//! What `breakerctl check` finds odd around the filter: routes, clusters, other filters, labels.

use serde_json::Value;

use super::warnings::sample;
use super::{assert_refused, check, place, recipe};

/// The one warning about a text.
fn warning(text: &str) -> Value {
    let ran = check(text);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    let warnings = report["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{report:#}");
    assert!(warnings[0]["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
    warnings[0].clone()
}

/// Asserts that a text is warned of at that line, in these words.
fn assert_warned(text: &str, line: u64, place: &str, what: &str) {
    let warning = warning(text);
    assert_eq!(warning["line"], line, "{warning:#}");
    assert!(warning["place"].as_str().unwrap().contains(place), "{warning:#}");
    assert!(warning["what"].as_str().unwrap().contains(what), "{warning:#}");
}

fn is_fine(text: &str) {
    let ran = check(text);
    assert_eq!(ran.json()["warnings"], serde_json::json!([]), "{ran:?}");
}

/// Where a text stands, which must be there.
fn line(text: &str, wanted: &str) -> u64 {
    place(text, wanted).0
}

const DIVERTED: &str = r"                        - match:
                            prefix: /
                            headers: [{ name: x-circuit-breaker-cluster, present_match: true }]
                          route: { cluster_header: x-circuit-breaker-cluster }
";

#[test]
fn a_virtual_host_without_a_route_for_diverted_calls_is_warned_of() {
    let text = recipe().replace(DIVERTED, "");
    let at = line(&text, "virtual_hosts:\n");
    assert_warned(&text, at, "listener ingress, virtual host ingress", "no route takes diverted");
    // A route that is for all calls but diverted ones is none for these.
    let text = recipe().replace("present_match: true", "present_match: false");
    warning(&text);
    // Nor is one that is for other paths.
    let text = recipe().replace("prefix: /\n", "prefix: /other\n");
    warning(&text);
}

#[test]
fn a_route_for_diverted_calls_behind_others_is_warned_of_at_its_line() {
    let without = recipe().replace(DIVERTED, "");
    let inventory = "                        - match: { prefix: /inventory-service }";
    let text = without.replace(inventory, &format!("{DIVERTED}{inventory}"));
    let diverted = line(&text, "headers: [{ name: x-circuit-breaker-cluster") - 2;
    assert_warned(&text, diverted, "virtual host ingress", "comes behind");
    // What comes before it for paths that nobody guards takes none of its calls.
    let other = "                        - match: { prefix: /other }\n                          \
                 route: { cluster: inventory }\n";
    is_fine(&recipe().replace(DIVERTED, &format!("{other}{DIVERTED}")));
}

#[test]
fn hosts_paths_and_clusters_that_no_service_has_need_no_route() {
    let text = recipe().replace(DIVERTED, "");
    let with = |matches: &str| {
        let text = text.replace("\"path_prefixes\": [\"/payment-service\"]", matches);
        text.replace("/inventory-service\"] },\n", "/elsewhere\"] },\n")
    };
    is_fine(&with("\"path_prefixes\": [\"/nowhere\"]"));
    is_fine(&with("\"clusters\": [\"fall*\"]"));
    is_fine(
        &with("\"hosts\": [\"a.example\"]").replace("domains: [\"*\"]", "domains: [\"b.example\"]"),
    );
    warning(&with("\"hosts\": [\"a.example\"]"));
    // Where a response answers there is no cluster to go to.
    let answered = text.replace("\"cluster\": \"fallback\"", "\"response\": {}");
    is_fine(&answered);
}

#[test]
fn clusters_that_the_file_does_not_have_are_warned_of_at_their_lines() {
    for (old, new, path) in [
        ("\"cluster\": \"fallback\"", "\"cluster\": \"fallbakc\"", "defaults.fallback.cluster"),
        ("\"cluster\": \"health\"", "\"cluster\": \"heatlh\"", "defaults.health_check.cluster"),
    ] {
        let text = recipe().replace(old, new);
        let at = line(&text, new);
        assert_warned(&text, at, "filter edge-breaker of listener ingress", path);
        // There may be more where these come from.
        let more = "dynamic_resources: { cds_config: { path_config_source: { path: a } } }\n";
        is_fine(&format!("{text}{more}"));
        let all = warning(&text)["remedy"].as_str().unwrap().to_owned();
        assert!(all.contains("payment, inventory, fallback, health"), "{all}");
    }
    let text = recipe().replace(
        "\"match\": { \"path_prefixes\": [\"/payment-service\"] }",
        "\"match\": { \"clusters\": [\"paymnet*\"] }",
    );
    assert_warned(&text, line(&text, "paymnet"), "filter edge-breaker", "fits no cluster");
    let notify = recipe().replace(
        "\"expose_state\": \"always\",",
        "\"expose_state\": \"always\", \"notify\": { \"cluster\": \"ops\" },",
    );
    assert_warned(&notify, line(&notify, "\"ops\""), "filter edge-breaker", "notify.cluster");
}

#[test]
fn a_rule_that_a_route_of_the_gateway_does_not_have_is_no_cluster() {
    let gateway = sample("envoy-gateway/gateway.yaml").replace("change-me", "c2VjcmV0");
    let text = gateway.replace(
        "cluster: httproute/default/payments/rule/1",
        "cluster: httproute/default/payments/rule/2",
    );
    let at = line(&text, "payments/rule/2");
    assert_warned(
        &text,
        at,
        "EnvoyExtensionPolicy default/edge-breaker",
        "services[0].health_check.cluster",
    );
    // Of a route that is not in the file nothing is known.
    is_fine(&text.replace("default/payments/rule/2", "default/other/rule/2"));
}

/// The recipe with another filter in its listener for clients.
fn with_filter(name: &str, message: &str, before: &str) -> String {
    let filter = format!(
        "                  - name: envoy.filters.http.{name}\n                    typed_config: {{ \
         \"@type\": type.googleapis.com/envoy.extensions.filters.http.{message} }}\n"
    );
    recipe().replacen(before, &format!("{filter}{before}"), 1)
}

const BREAKER: &str = "                  # ASL: EvaluateCircuitState\n";
const ROUTER: &str = "                  - name: envoy.filters.http.router\n";

#[test]
fn filters_that_keep_calls_or_their_failures_from_the_breaker_are_warned_of() {
    let proxy = ("dynamic_forward_proxy", "dynamic_forward_proxy.v3.FilterConfig");
    let text = with_filter(proxy.0, proxy.1, BREAKER);
    let at = line(&text, "  - name: edge-breaker\n") - 1;
    assert_warned(&text, at, "listener ingress", "dynamic_forward_proxy");
    is_fine(&with_filter(proxy.0, proxy.1, ROUTER));
    for (name, message) in [
        ("custom_response", "custom_response.v3.CustomResponse"),
        ("cache", "cache.v3.CacheConfig"),
        ("cache_v2", "cache_v2.v3.CacheV2Config"),
        ("grpc_web", "grpc_web.v3.GrpcWeb"),
        ("cors", "cors.v3.Cors"),
    ] {
        let text = with_filter(name, message, ROUTER);
        let at = line(&text, &format!("envoy.filters.http.{name}\n")) - 1;
        assert_warned(&text, at, "listener ingress", "behind the breaker");
        is_fine(&with_filter(name, message, BREAKER));
    }
    let text = with_filter("router", "router.v3.Router", BREAKER);
    let at = line(&text, "  - name: edge-breaker\n") - 1;
    assert_warned(&text, at, "listener ingress", "behind the router");
}

#[test]
fn plugins_that_name_a_service_and_do_not_share_its_breaker_are_warned_of() {
    let other = "vm_id: edge-breaker\n                          runtime";
    let text = recipe();
    let (before, after) = text.split_at(text.rfind(other).unwrap());
    let text = format!("{before}{}", after.replacen("edge-breaker", "another", 1));
    let at = line(&text, "\"admin\": { \"path_prefix\"") - 1;
    assert_warned(
        &text,
        at,
        "edge-breaker-admin",
        "payment-service is a breaker of its own in each",
    );
    // Whoever has nothing in common shares nothing.
    let alone = text.replacen("\"name\": \"payment-service\"", "\"name\": \"a\"", 1);
    is_fine(&alone.replacen("\"name\": \"inventory-service\"", "\"name\": \"b\"", 1));
}

#[test]
fn an_admin_api_that_does_not_name_the_services_beside_it_is_warned_of() {
    let text = recipe();
    let begin = text.find("\"admin\": { \"path_prefix\": \"/circuit-breaker\" },").unwrap();
    let end = begin + text[begin..].find("]\n").unwrap() + 1;
    let none = format!("{}\"admin\": {{}}{}", &text[..begin], &text[end..]);
    let what = "do not show payment-service, inventory-service";
    assert_warned(&none, line(&none, "\"admin\": {}") - 1, "edge-breaker-admin", what);
    let one = format!("{}{}", &text[..begin], text[begin..].replacen("inventory-service", "a", 1));
    assert!(warning(&one)["what"].as_str().unwrap().ends_with("do not show inventory-service"));
    let istio = sample("istio/gateway.yaml");
    // What stands last in the file are the names that this plugin has.
    let istio = &istio[..istio.rfind("    services:\n").unwrap()];
    assert_eq!(warning(istio)["place"], "WasmPlugin istio-system/edge-breaker-admin");
}

#[test]
fn a_bootstrap_without_the_labels_of_the_metrics_is_warned_of() {
    let text = recipe().replace("tag_name: cb_kind", "tag_name: other");
    assert_warned(&text, line(&text, "stats_config:\n"), "bootstrap", "no labels cb_kind:");
    let (before, after) =
        recipe().split_once("stats_config:").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let text = format!("{before}other:{after}").replace("tag_name", "name");
    warning(&text);
    let gateway = sample("envoy-gateway/gateway.yaml").replace("change-me", "c2VjcmV0");
    is_fine(&gateway);
    let text = gateway.replace("tag_name: cb_to", "tag_name: other");
    warning(&text);
    assert_eq!(warning(&text)["place"], "EnvoyProxy default/shop");
}

#[test]
fn a_virtual_service_without_a_route_for_diverted_calls_is_warned_of() {
    for (file, place) in
        [("istio/gateway.yaml", "default/shop"), ("istio/sidecar.yaml", "default/payments")]
    {
        let text = sample(file)
            .replace("            x-circuit-breaker-cluster: {}", "            x-other: {}");
        let place = format!("VirtualService {place}");
        let warned = warning(&text);
        assert_eq!(warned["place"], place, "{warned:#}");
        assert!(warned["what"].as_str().unwrap().contains("no route takes diverted"), "{warned:#}");
    }
    // Where a service is for any host, any of them could have it, and none has.
    let text = sample("istio/gateway.yaml")
        .replace("        hosts: [\"shop.example.com\"]\n          path", "        path")
        .replace("          hosts: [\"shop.example.com\"]\n", "")
        .replace("            x-circuit-breaker-cluster: {}", "            x-other: {}");
    assert_eq!(warning(&text)["place"], "WasmPlugin istio-system/edge-breaker");
}

#[test]
fn a_route_of_istio_behind_the_services_own_is_warned_of() {
    let text = sample("istio/gateway.yaml");
    let fallback = text.find("    - name: payments-fallback\n").unwrap();
    let service = text.find("    - name: payments\n      match").unwrap();
    let end = service + text[service..].find("---").unwrap();
    let (first, second) = (&text[fallback..service], text[service..end].trim_end());
    let text = format!("{}{second}\n{first}{}", &text[..fallback], &text[end..]);
    let at = line(&text, "    - name: payments-fallback\n") - 1;
    assert_warned(&text, at, "VirtualService default/shop", "comes behind");
}

#[test]
fn a_rule_of_a_gateway_whose_path_is_longer_than_that_for_diverted_calls_is_warned_of() {
    let gateway = sample("envoy-gateway/gateway.yaml").replace("change-me", "c2VjcmV0");
    let rule = "    - name: service\n      matches:\n        - path: { type: PathPrefix, value: /payments }\n";
    let text = gateway.replace(rule, &rule.replace("/payments", "/payments/card"));
    assert_ne!(text, gateway);
    let warned = warning(&text);
    assert_eq!(warned["place"], "HTTPRoute default/payments");
    assert!(warned["what"].as_str().unwrap().contains("comes behind"), "{warned:#}");
    let text = gateway.replace("name: x-circuit-breaker-cluster,", "name: x-other,");
    let warned = warning(&text);
    assert!(warned["what"].as_str().unwrap().contains("no route takes diverted"), "{warned:#}");
}

fn native() -> String {
    sample("recipe-native.yaml")
}

#[test]
fn the_native_form_is_checked_as_the_other_one_is() {
    is_fine(&native());
    let text = native().replace("\"interval\": \"5s\"", "\"interval\": \"5 apples\"");
    let at = place(&text, "\"interval\": ");
    assert_refused(&check(&text), at, "defaults.health_check.interval", "");
    let text = native().replace("- remove: x-circuit-breaker-state", "- remove: x-other");
    assert_warned(
        &text,
        line(&text, "typed_config:\n"),
        "listener ingress",
        "can choose the route",
    );
    let named = native().replacen("filter_name: edge_breaker", "filter_name: edge_breaker/a", 1);
    let what = "payment-service is a breaker of its own in each";
    assert!(warning(&named)["what"].as_str().unwrap().ends_with(what));
    // Written as YAML.
    for file in ["istio/dynamicmodule.yaml", "envoy-gateway/dynamicmodule.yaml"] {
        let text = sample(file).replace("change-me", "c2VjcmV0");
        is_fine(&text);
        let text = text.replacen("consecutive_failures: 3", "consecutive_failures: 0", 1);
        let at = place(&text, "consecutive_failures: ");
        assert_refused(&check(&text), at, "services[0].trip.consecutive_failures", "");
    }
}

#[test]
fn a_dynamic_module_of_others_is_left_alone() {
    let other = native().replace("filter_name: edge_breaker", "filter_name: other");
    assert_eq!(check(&other).code, Some(2));
    let other = native().replace("filter_name: edge_breaker", "filter_name: ''");
    is_fine(&other);
    assert_eq!(check(&other.replace("libedge_breaker.so", "libother.so")).code, Some(2));
}

#[test]
fn both_forms_in_one_envoy_are_warned_of_as_they_share_no_breaker() {
    // The admin API in the other form than the traffic.
    let (text, other) = (recipe(), native());
    let listener = |text: &str| text.find("    - name: breaker-admin\n").unwrap();
    let traffic = listener(&text);
    let clusters = traffic + text[traffic..].find("  clusters:\n").unwrap();
    let admin = other.find("\"admin\"").unwrap();
    let module = "{ module: { local: { filename: libedge_breaker.so } } }";
    let admin = other[listener(&other)..other[admin..].find("  clusters:\n").unwrap() + admin]
        .replace("*module", module);
    let runtime =
        &other[other.find("layered_runtime:").unwrap()..other.find("stats_config:").unwrap()];
    let both = format!("{}{admin}{}{runtime}", &text[..traffic], &text[clusters..]);
    let what = "and filter edge-breaker of listener ingress a Wasm module";
    let at = place(&both, "\"admin\": {").0 - 1;
    assert_warned(&both, at, "filter edge-breaker of listener breaker-admin", what);
    // Kubernetes objects of both forms for one gateway.
    let gateway = sample("istio/gateway.yaml");
    let both = format!("{gateway}\n---\n{}", sample("istio/dynamicmodule.yaml"));
    assert!(warning(&both)["what"].as_str().unwrap().contains("WasmPlugin"));
    // Two files of Envoy in one are two Envoys.
    is_fine(&format!("{}\n---\n{}", recipe(), native()));
}

#[test]
fn metrics_of_the_native_form_under_other_names_are_warned_of() {
    let text = native().replace("stat_prefix: true", "stat_prefix: false");
    assert_warned(&text, line(&text, "layered_runtime:\n"), "bootstrap", "no alarm knows");
    let file = sample("envoy-gateway/dynamicmodule.yaml").replace("change-me", "c2VjcmV0");
    let text = file.replace("custom_stat_prefix: true", "custom_stat_prefix: false");
    assert_eq!(warning(&text)["place"], "EnvoyProxy default/shop");
}
