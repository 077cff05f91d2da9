//! Which pages of other sites may use the admin API in a browser.

use serde_json::json;

use crate::world::{Answer, PAYMENT, World, service};

const LISTED: &str = "https://ops.example";

fn world() -> World {
    World::configured(
        1,
        &json!({
            "services": [service(PAYMENT, &json!({}))],
            "admin": {
                "token": "s3cret", "origins": ["http://127.0.0.1:8080", LISTED],
                "peers": ["https://b.example:10001", "http://[::1]:9/ops/breaker"]
            }
        }),
    )
}

fn preflight(world: &World, path: &str, origin: &str) -> Answer {
    let request = world.request("a.example").method("OPTIONS").path(path);
    let request = request.header("origin", origin).header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "authorization,content-type").send().reply()
}

fn leave(answer: &Answer) -> Vec<&str> {
    let names = answer.headers.iter().map(|(name, _)| name.as_str());
    names.filter(|name| name.starts_with("access-control")).collect()
}

#[test]
fn a_listed_origin_is_given_leave_and_may_read() {
    let world = world();
    for path in ["/services", "/services/payment-service/close", "/events", "/"] {
        let answer = preflight(&world, &format!("/circuit-breaker{path}"), LISTED);
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(LISTED));
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST"));
        let headers = answer.header("access-control-allow-headers");
        assert_eq!(headers, Some("authorization, content-type"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    let get = |token: &str| {
        let request = world.request("a.example").path("/circuit-breaker/services");
        request.header("origin", LISTED).header("authorization", token).send().reply()
    };
    let (read, denied) = (get("Bearer s3cret"), get("Bearer wrong"));
    assert_eq!((read.status, denied.status), (200, 401), "leave is no token");
    for answer in [read, denied] {
        assert_eq!(answer.header("access-control-allow-origin"), Some(LISTED));
        assert_eq!(answer.header("vary"), Some("origin"));
    }
}

#[test]
fn no_other_origin_is_given_leave() {
    let world = world();
    for origin in [
        "https://evil.example",
        "https://ops.example.evil.example",
        "https://ops.example:443",
        "https://ops.example/",
        "http://ops.example",
        "HTTPS://OPS.EXAMPLE",
        "null",
        "*",
        "",
    ] {
        let answer = preflight(&world, "/circuit-breaker/services", origin);
        assert_eq!((answer.status, leave(&answer)), (401, vec![]), "{origin}");
        let request = world.request("a.example").path("/circuit-breaker/services");
        let request = request.header("authorization", "Bearer s3cret").header("origin", origin);
        let answer = request.send().reply();
        // A valid token is enough; a browser lets no page read the answer.
        assert_eq!((answer.status, leave(&answer)), (200, vec![]), "{origin}");
    }
}

#[test]
fn without_origins_no_answer_gives_leave() {
    let admin = json!({"token": "s3cret"});
    let config = json!({"services": [service(PAYMENT, &json!({}))], "admin": admin});
    let answer = preflight(&World::configured(1, &config), "/circuit-breaker/services", LISTED);
    assert_eq!((answer.status, leave(&answer)), (401, vec![]));
}

#[test]
fn a_request_that_is_no_preflight_is_not_answered_as_one() {
    let world = world();
    let request = world.request("a.example").method("OPTIONS").path("/circuit-breaker/services");
    assert_eq!(request.header("origin", LISTED).send().reply().status, 401);
}

#[test]
fn the_page_may_ask_the_peers_and_nobody_else() {
    let world = world();
    let request = world.request("a.example").path("/circuit-breaker/");
    let page = request.header("authorization", "Bearer s3cret").send().reply();
    let policy = page.header("content-security-policy").unwrap();
    let peers = "https://b.example:10001/circuit-breaker/ http://[::1]:9/ops/breaker/";
    assert!(policy.ends_with(&format!("; connect-src 'self' {peers}")), "{policy}");
    let request = world.request("a.example").path("/circuit-breaker/services");
    let listed = request.header("authorization", "Bearer s3cret").send().reply();
    let listed: serde_json::Value = serde_json::from_slice(&listed.body).unwrap();
    let peers = ["https://b.example:10001/circuit-breaker", "http://[::1]:9/ops/breaker"];
    assert_eq!(listed["peers"], json!(peers));
}
