//! Which service a request belongs to.

use serde_json::{Value, json};

use crate::world::{Request, World};

fn world(matches: &Value) -> World {
    World::configured(1, &json!({"services": [{"name": "one", "match": matches}]}))
}

/// Whether each request matches.
fn assert_matches(
    matches: &Value,
    requests: &[(&str, bool)],
    request: fn(&World, &str) -> Request,
) {
    let world = world(matches);
    for (what, expected) in requests {
        let call = request(&world, what).send();
        assert_eq!(call.is_admitted(), *expected, "{what:?} by {matches}");
    }
}

#[test]
fn hosts_match_whole_or_by_suffix_without_regard_to_case_or_port() {
    let matches =
        json!({"hosts": ["payments.example.com", "*.Pay.internal", "pinned:8443", "[::1]"]});
    assert_matches(
        &matches,
        &[
            ("payments.example.com", true),
            ("PAYMENTS.example.COM", true),
            ("payments.example.com:8080", true),
            ("payments.example.com.evil.org", false),
            ("xpayments.example.com", false),
            ("payments.example.com:evil", false),
            ("a.pay.internal", true),
            ("a.b.PAY.internal:443", true),
            ("pay.internal", false),
            (".pay.internal", false),
            ("apay.internal", false),
            ("pinned:8443", true),
            ("pinned:443", false),
            ("pinned", false),
            ("[::1]", true),
            ("[::1]:8080", true),
            ("[::2]", false),
            ("", false),
        ],
        |world, host| world.request(host),
    );
}

#[test]
fn a_host_is_the_same_with_the_dot_of_the_root() {
    assert_matches(
        &json!({"hosts": ["pay.svc", "cart.svc.", "*.shop.example.", "[::1]"]}),
        &[
            ("pay.svc.", true),
            ("PAY.svc.:8443", true),
            ("cart.svc", true),
            ("cart.svc.", true),
            ("a.shop.example", true),
            ("a.shop.example.", true),
            ("a.shop.example.:80", true),
            ("shop.example.", false),
            ("pay.svc..", false),
            ("pay.svc.x", false),
            ("pay.svc.:x", false),
            (".", false),
        ],
        |world, host| world.request(host),
    );
}

#[test]
fn a_host_that_names_a_port_is_that_port_s_alone() {
    assert_matches(
        &json!({"hosts": ["*.shop.example:8443", "pay.svc:9000", "[::1]:8080", "*:7777"]}),
        &[
            ("a.shop.example:8443", true),
            ("a.b.SHOP.example.:8443", true),
            ("a.shop.example", false),
            ("a.shop.example:443", false),
            ("a.shop.example:84430", false),
            ("a.shop.example:08443", true),
            ("shop.example:8443", false),
            ("pay.svc:9000", true),
            ("pay.svc.:9000", true),
            ("pay.svc", false),
            ("[::1]:8080", true),
            ("[::1]", false),
            ("[::1]:8081", false),
            ("any.thing:7777", true),
            ("[::2]:7777", true),
            ("any.thing", false),
            ("pay.svc:99999999999999999999", false),
        ],
        |world, host| world.request(host),
    );
}

/// Clients leave them out.
#[test]
fn the_ports_of_http_and_https_fit_a_request_without_a_port_too() {
    assert_matches(
        &json!({"hosts": ["pay.svc:443", "cart.svc:80"]}),
        &[
            ("pay.svc", true),
            ("pay.svc.", true),
            ("pay.svc:", true),
            ("pay.svc:443", true),
            ("pay.svc:80", false),
            ("cart.svc", true),
            ("cart.svc:80", true),
            ("cart.svc:443", false),
        ],
        |world, host| world.request(host),
    );
}

#[test]
fn methods_match_to_the_letter() {
    assert_matches(
        &json!({"methods": ["GET", "HEAD", "M-SEARCH"]}),
        &[
            ("GET", true),
            ("HEAD", true),
            ("M-SEARCH", true),
            ("POST", false),
            ("get", false),
            ("GETS", false),
            ("GE", false),
            ("", false),
        ],
        |world, method| world.request("any").method(method),
    );
    let without = world(&json!({"methods": ["GET"]}));
    assert!(without.request("any").without(":method").send().is_left_alone());
}

#[test]
fn paths_match_by_prefix() {
    assert_matches(
        &json!({"path_prefixes": ["/payments", "/v2/pay"]}),
        &[
            ("/payments", true),
            ("/payments/7?x=1", true),
            ("/paymentsX", true),
            ("/Payments", false),
            ("/v2/pay", true),
            ("/v2", false),
            ("*", false),
            ("", false),
        ],
        |world, path| world.request("any").path(path),
    );
}

#[test]
fn clusters_match_with_stars() {
    assert_matches(
        &json!({"clusters": ["payment*", "a*b*c", "exact", "*-tail"]}),
        &[
            ("payment", true),
            ("payment-v2", true),
            ("xpayment", false),
            ("abc", true),
            ("aXbYc", true),
            ("abcd", false),
            ("acb", false),
            ("exact", true),
            ("exactly", false),
            ("my-tail", true),
            ("-tail", true),
            ("tail", false),
            ("outbound|80||svc", false),
        ],
        |world, cluster| world.request("any").cluster(cluster),
    );
}

#[test]
fn a_star_does_not_count_the_same_characters_twice() {
    assert_matches(
        &json!({"clusters": ["ab*ba", "x*yy*y"]}),
        &[("aba", false), ("abba", true), ("xyy", false), ("xyyy", true)],
        |world, cluster| world.request("any").cluster(cluster),
    );
}

#[test]
fn a_request_whose_cluster_is_not_known_matches_no_cluster() {
    let world = world(&json!({"clusters": ["*"]}));
    assert!(world.request("any").send().is_left_alone());
    assert!(world.request("any").cluster("c").send().is_admitted());
}

#[test]
fn headers_match_exactly_by_prefix_or_by_being_there() {
    let exact = json!({"headers": [{"name": "X-Tenant", "exact": "gold"}]});
    let request = |world: &World, value: &str| world.request("any").header("x-tenant", value);
    assert_matches(
        &exact,
        &[("gold", true), ("Gold", false), ("golden", false), ("", false)],
        request,
    );
    let prefix = json!({"headers": [{"name": "x-tenant", "prefix": "gold"}]});
    assert_matches(&prefix, &[("gold", true), ("golden", true), ("a gold", false)], request);
    let present = json!({"headers": [{"name": "x-tenant", "present": true}]});
    assert_matches(&present, &[("gold", true), ("", true)], request);
    assert!(world(&present).request("any").send().is_left_alone());
    let absent = json!({"headers": [{"name": "x-tenant", "present": false}]});
    assert_matches(&absent, &[("gold", false)], request);
    assert!(world(&absent).request("any").send().is_admitted());
}

#[test]
fn any_value_of_a_header_that_is_sent_often_will_do() {
    let world = world(&json!({"headers": [{"name": "x-tenant", "exact": "gold"}]}));
    let request = world.request("any").header("x-tenant", "silver").header("x-tenant", "gold");
    assert!(request.send().is_admitted());
}

#[test]
fn all_kinds_must_match_and_of_each_kind_any_entry() {
    let world = world(&json!({
        "hosts": ["a", "b"], "path_prefixes": ["/x", "/y"], "methods": ["GET", "PUT"],
        "headers": [{"name": "h", "exact": "1"}, {"name": "h", "exact": "2"}], "clusters": ["c", "d"]
    }));
    let request = |host: &str, path: &str, header: &str, cluster: &str| {
        world.request(host).path(path).header("h", header).cluster(cluster).send().is_admitted()
    };
    assert!(request("a", "/x", "1", "c") && request("b", "/y", "2", "d"));
    assert!(!request("z", "/x", "1", "c") && !request("a", "/z", "1", "c"));
    assert!(!request("a", "/x", "3", "c") && !request("a", "/x", "1", "z"));
    let post = world.request("a").path("/x").header("h", "1").cluster("c").method("POST");
    assert!(post.send().is_left_alone());
}

#[test]
fn the_first_service_that_matches_wins() {
    let world = World::configured(
        1,
        &json!({"services": [
            {"name": "special", "match": {"path_prefixes": ["/a/special"]}},
            {"name": "general", "match": {"path_prefixes": ["/a"]}},
            {"name": "rest"}
        ]}),
    );
    for (path, name) in [("/a/special/1", "special"), ("/a/1", "general"), ("/b", "rest")] {
        world.request("any").path(path).send().respond(503);
        assert_eq!(world.status_of(name).failures, 1, "{path}");
    }
    let total: u32 =
        ["special", "general", "rest"].map(|n| world.status_of(n).failures).iter().sum();
    assert_eq!(total, 3);
}

#[test]
fn a_host_or_header_of_any_bytes_matches_nothing_by_accident() {
    let world =
        world(&json!({"hosts": ["*.example.com"], "headers": [{"name": "h", "exact": "v"}]}));
    let request = world.request("").header(":authority", b"\xff\xfe.example.com");
    assert!(request.header("h", b"v\xff").send().is_left_alone());
    let request = world.request("").header(":authority", b"\xff\xfe.example.com");
    assert!(request.header("h", "v").send().is_admitted());
}

#[test]
fn the_cluster_is_asked_for_only_if_a_match_needs_it() {
    let with = world(&json!({"clusters": ["c"]}));
    let request = with.request("any").cluster("c");
    let asked = with.asked(|| drop(request.send()));
    assert_eq!(asked.get("property").copied().unwrap_or_default(), 2, "and once at its end");
    let without = world(&json!({"hosts": ["c"]}));
    let request = without.request("any");
    assert_eq!(without.asked(|| drop(request.send())).get("property"), None);
}
