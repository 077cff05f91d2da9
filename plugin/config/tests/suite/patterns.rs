//! What a match may name, and what is refused since it would never match.

use config::Config;
use serde_json::{Value, json};

/// Why a match is refused: its path below `match`, the value and what would be right.
fn refusal(matches: &Value) -> (String, String, String) {
    let config = json!({"services": [{"name": "a", "match": matches}]});
    let error = Config::parse(config.to_string().as_bytes())
        .expect_err(&format!("{matches} is to be refused"));
    let path = error.path().strip_prefix("services[0].match.").unwrap_or_default().to_owned();
    (path, error.value().to_owned(), error.remedy().to_owned())
}

/// Asserts that an entry is refused with this in the remedy, behind one that is not.
fn assert_refused(kind: &str, good: &str, entry: &str, remedy: &str) {
    let (path, value, told) = refusal(&json!({kind: [good, entry]}));
    assert_eq!(path, format!("{kind}[1]"));
    assert_eq!(value, json!(entry).to_string());
    assert!(told.contains(remedy), "{entry}: {told}");
}

fn assert_taken(matches: &Value) {
    let config = json!({"services": [{"name": "a", "match": matches}]});
    Config::parse(config.to_string().as_bytes()).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn a_path_that_is_a_pattern_is_refused_with_the_prefix_that_is_meant() {
    for (pattern, prefix) in [
        ("/pay/*", r#""/pay/""#),
        ("/users/{id}", r#""/users/""#),
        ("/users/:id/orders", r#""/users/""#),
        ("/api/**", r#""/api/""#),
        ("/pay/.*$", r#""/pay/""#),
        ("/(pay|refund)/", r#""/""#),
    ] {
        let remedy = format!("give a prefix, not a pattern: {prefix}");
        assert_refused("path_prefixes", "/", pattern, &remedy);
    }
}

#[test]
fn a_path_that_no_request_has_is_refused() {
    assert_refused("path_prefixes", "/", "/my shop", r#"escape what clients escape: "/my%20shop""#);
    assert_refused("path_prefixes", "/", "/pay ", r#""/pay%20""#);
    assert_refused("path_prefixes", "/", "/m\u{fc}nchen", r#""/m%C3%BCnchen""#);
    assert_refused("path_prefixes", "/", "/pay#top", r#"without query and fragment: "/pay""#);
    assert_refused("path_prefixes", "/", "/pay?kind=card", r#""/pay""#);
    assert_refused("path_prefixes", "/", "^/pay", "begin with a slash");
    assert_refused("path_prefixes", "/", "https://pay.example/pay", "begin with a slash");
    assert_taken(
        &json!({"path_prefixes": ["/odata/$metadata", "/Products(1)", "/v1/things:batch"]}),
    );
}

#[test]
fn the_admin_s_prefix_is_no_pattern() {
    for (prefix, remedy) in [("/ops/*", r#""/ops/""#), ("/ops/{x}", r#""/ops/""#), ("/a#b", "/a")] {
        let config = json!({"admin": {"path_prefix": prefix}});
        let error = Config::parse(config.to_string().as_bytes()).unwrap_err();
        assert_eq!(error.path(), "admin.path_prefix");
        assert!(error.remedy().contains(remedy), "{error}");
    }
}

#[test]
fn a_host_that_no_request_has_is_refused() {
    for (host, remedy) in [
        ("https://pay.example", "without a path"),
        ("pay.example/", "without a path"),
        ("pay.*", r#"a leading "*.""#),
        ("*pay.example", r#"a leading "*.""#),
        ("*.*.example", r#"a leading "*.""#),
        ("{sub}.pay.example", "a host name"),
        ("^pay$", "a host name"),
        ("a.example,b.example", "a host name"),
        ("pay example", "a host name"),
        ("user@pay.example", "a host name"),
        ("pay..example", "a host name"),
        ("m\u{fc}nchen.example", "a host name"),
        ("", "a host name"),
        (".", "a host name"),
        ("*.", "a host name"),
        ("pay.example:*", "without a port it fits any port"),
        ("pay.example:http", "without a port it fits any port"),
        ("pay.example:", "a port from 1 to 65535"),
        ("pay.example:0", "a port from 1 to 65535"),
        ("pay.example:65536", "a port from 1 to 65535"),
        (".pay.example", r#"begin with "*.""#),
        ("fd00::7", r#"such as "[fd00::7]""#),
        ("::1", r#"such as "[fd00::7]""#),
        ("[::1", "a host name"),
        ("[pay.example]", "a host name"),
        ("[]", "a host name"),
    ] {
        assert_refused("hosts", "*", host, remedy);
    }
    assert_taken(&json!({"hosts": [
        "pay.svc", "pay.svc.", "PAY.svc:8443", "pay_1.svc~2", "10.0.0.7:80", "[::1]:8080", "[FD00::7]",
        "*.pay.svc.", "*.shop.example:8443", "*", "*:8443"
    ]}));
}

#[test]
fn a_method_that_no_request_has_is_refused() {
    for (method, remedy) in [
        ("get", r#"methods are in capitals: "GET""#),
        ("Post", r#""POST""#),
        ("", "one method to an entry"),
        ("*", "for all, leave the field out"),
        ("GET,HEAD", "one method to an entry"),
        ("GET|HEAD", "one method to an entry"),
        ("GET HEAD", "one method to an entry"),
    ] {
        assert_refused("methods", "GET", method, remedy);
    }
    let (path, value, remedy) = refusal(&json!({"methods": []}));
    assert_eq!((path.as_str(), value.as_str()), ("methods", "[]"));
    assert!(remedy.contains("leave the field out"), "{remedy}");
    assert_taken(&json!({"methods": ["GET", "M-SEARCH", "VERSION-CONTROL", "CONNECT"]}));
}

#[test]
fn a_header_that_is_another_kind_of_match_is_refused_with_that_one() {
    for (name, remedy) in [
        (":method", r#"`match.methods`, such as ["GET"]"#),
        (":path", "`match.path_prefixes`"),
        (":authority", "`match.hosts`"),
        ("Host", "`match.hosts`"),
        (":scheme", "leave it out"),
        (":protocol", "the name of a header"),
    ] {
        let (path, _, told) = refusal(&json!({"headers": [{"name": name, "exact": "GET"}]}));
        assert_eq!(path, "headers[0]");
        assert!(told.contains(remedy), "{name}: {told}");
    }
}
