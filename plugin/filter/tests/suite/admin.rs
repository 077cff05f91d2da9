//! The admin API: what there is to see, and who may see it.

use std::time::Duration;

use filter::{Reason, StateName};
use serde_json::{Value, json};

use crate::world::{Gauges, PAYMENT, World, key, service};

fn world(admin: &Value) -> World {
    // Without gauges: every look at a service is a look at its record.
    World::with_gauges(
        Gauges::None,
        1,
        &json!({
            "services": [
                service(PAYMENT, &json!({"open": {"wait_duration": "10s", "jitter": 0}})),
                service("inventory-service", &json!({}))
            ],
            "admin": admin
        }),
    )
}

fn get(world: &World, path: &str) -> (u16, Value) {
    let reply = world.request("localhost").path(path).send().reply();
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

fn shown(world: &World) -> Value {
    let (status, body) = get(world, "/circuit-breaker/services/payment-service");
    assert_eq!(status, 200);
    body
}

#[test]
fn a_name_in_a_path_may_be_percent_encoded() {
    let world = World::configured(1, &json!({"services": [{"name": "{cluster}"}], "admin": {}}));
    world.request("any").cluster("outbound|80||pay").send().respond(200);
    let status = |name: &str| get(&world, &format!("/circuit-breaker/services/{name}")).0;
    for name in ["outbound|80||pay", "outbound%7C80%7c%7Cpay", "%6futbound|80||pay"] {
        assert_eq!(status(name), 200, "{name}");
    }
    for name in ["outbound%7C80%7C%7", "outbound%+7", "%ff", "%", "outbound%257C80||pay"] {
        assert_eq!(status(name), 404, "{name}");
    }
}

#[test]
fn a_service_that_has_seen_nothing_shows_its_fields() {
    let mut shown = shown(&world(&json!({})));
    assert!(shown.as_object_mut().unwrap().remove("rules").unwrap().is_object());
    assert_eq!(
        shown,
        json!({
            "service_name": PAYMENT,
            "state": "CLOSED",
            "mode": "enabled",
            "failure_count": 0,
            "last_failure_time": null,
            "last_success_time": null,
            "opened_at": null,
            "retry_at": null,
            "trip_reason": null,
            "failure_rate": null,
            "slow_call_rate": null,
            "buffered_calls": null,
            "adaptive": null,
            "diverted_share": null,
            "in_flight": null,
            "generation": 1,
            "calls": null,
            "slow_calls": null,
            "not_permitted": null,
            "unknown_clusters": [],
            "next_check_at": null,
            "last_failure": null,
            "not_closed_since": null,
            "answered_since_open": null,
            "diverted_since_open": null,
            "last_failures": [],
            "last_checks": []
        })
    );
}

#[test]
fn a_service_shows_its_state() {
    let world = world(&json!({}));
    world.call().respond(200);
    world.run(Duration::from_secs(1));
    world.trip();
    world.advance(Duration::from_secs(2));
    let open = shown(&world);
    assert_eq!((&open["state"], &open["failure_count"]), (&json!("OPEN"), &json!(3)));
    assert_eq!(open["trip_reason"], "consecutive_failures");
    assert_eq!(open["last_success_time"], "2024-05-01T12:00:00.500Z");
    assert_eq!(open["last_failure_time"], "2024-05-01T12:00:01.000Z");
    assert_eq!(open["opened_at"], "2024-05-01T12:00:01.000Z");
    assert_eq!(open["retry_at"], "2024-05-01T12:00:11.000Z");
    assert_eq!(open["generation"], 2);
    world.advance(world.wait());
    let trial = world.call();
    let half_open = shown(&world);
    assert_eq!((&half_open["state"], &half_open["retry_at"]), (&json!("HALF_OPEN"), &Value::Null));
    assert_eq!(half_open["opened_at"], "2024-05-01T12:00:01.000Z");
    trial.respond(200);
    let closed = shown(&world);
    assert_eq!((&closed["state"], &closed["failure_count"]), (&json!("CLOSED"), &json!(0)));
    assert_eq!((&closed["opened_at"], &closed["trip_reason"]), (&Value::Null, &Value::Null));
}

/// Row 13: what is shown follows the wall clock of now, whatever it was at the time.
#[test]
fn times_are_shown_on_the_wall_clock_of_now() {
    let world = world(&json!({}));
    world.trip();
    world.set_wall_back(Duration::from_secs(3600));
    assert_eq!(shown(&world)["retry_at"], "2024-05-01T11:00:10.000Z");
}

#[test]
fn all_services_are_listed_in_their_order() {
    let world = world(&json!({}));
    world.trip();
    for path in [
        "/circuit-breaker/services",
        "/circuit-breaker/services/",
        "/circuit-breaker/services?x=/y",
    ] {
        let (status, body) = get(&world, path);
        assert_eq!(status, 200, "{path}");
        let services = body["services"].as_array().unwrap();
        assert_eq!(services.len(), 2);
        assert_eq!(
            (&services[0]["service_name"], &services[0]["state"]),
            (&json!(PAYMENT), &json!("OPEN"))
        );
        assert_eq!(services[1]["state"], "CLOSED");
    }
}

#[test]
fn a_listener_without_services_says_why_it_shows_no_breaker() {
    for services in [json!(null), json!([{ "name": "{cluster}" }])] {
        let world = World::configured(1, &json!({ "services": services, "admin": {} }));
        let (status, none) = get(&world, "/circuit-breaker/services");
        assert_eq!((status, &none["services"]), (200, &json!([])));
        assert!(none["note"].as_str().unwrap().contains("`services`"), "{none}");
        world.request("any").cluster("payment").send().respond(200);
        let (_, one) = get(&world, "/circuit-breaker/services");
        assert_eq!(
            (&one["services"][0]["service_name"], one.get("note")),
            (&json!("payment"), None)
        );
    }
    let (_, named) = get(&world(&json!({})), "/circuit-breaker/services");
    assert_eq!(named.get("note"), None);
}

#[test]
fn errors_are_json_with_the_right_status() {
    let world = world(&json!({}));
    for (path, expected) in [
        ("/circuit-breaker/nothing", 404),
        ("/circuit-breaker/services/unknown", 404),
        ("/circuit-breaker/health/unknown", 404),
        ("/circuit-breaker/events/1", 404),
        ("/circuit-breaker/services/payment-service/open", 404),
        ("/circuit-breaker//services", 404),
        ("/circuit-breaker/services/payment-service/", 404),
    ] {
        let (status, body) = get(&world, path);
        assert_eq!(status, expected, "{path}");
        assert!(body["error"].is_string(), "{body}");
    }
    for method in ["POST", "DELETE", "get", ""] {
        let request = world.request("localhost").method(method);
        let reply = request.path("/circuit-breaker/services").send().reply();
        assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let head = world.request("localhost").method("HEAD").path("/circuit-breaker/services");
    assert_eq!(head.send().reply().status, 200);
    world.store().reads_fail.set(true);
    assert_eq!(get(&world, "/circuit-breaker/services").0, 500);
    assert_eq!(get(&world, "/circuit-breaker/services/payment-service").0, 500);
}

#[test]
fn one_services_damage_is_not_anothers() {
    let world = world(&json!({}));
    world.store().put(&key(PAYMENT), vec![7; 7]);
    assert_eq!(get(&world, "/circuit-breaker/services/inventory-service").0, 200);
    assert_eq!(world.metric("edge_breaker_unreadable_records_total"), 0, "it was not asked for");
    assert_eq!(get(&world, "/circuit-breaker/services").0, 200);
    assert_eq!(world.metric("edge_breaker_unreadable_records_total"), 1);
}

#[test]
fn other_paths_are_not_the_admin_apis() {
    let world = world(&json!({"path_prefix": "/ops/breaker"}));
    for path in ["/", "/ops", "/ops/breakers", "/circuit-breaker/services", "/OPS/breaker/services"]
    {
        assert!(world.request(PAYMENT).path(path).send().is_admitted(), "{path}");
    }
    assert_eq!(get(&world, "/ops/breaker/services").0, 200);
}

#[test]
fn without_admin_there_is_none() {
    let world = World::configured(1, &json!({"services": [{"name": PAYMENT}]}));
    assert!(world.request("any").path("/circuit-breaker/services").send().is_admitted());
}

#[test]
fn an_answer_of_the_admin_api_counts_for_nothing() {
    let world = World::configured(1, &json!({"services": [{"name": PAYMENT}], "admin": {}}));
    let mut call = world.request("localhost").path("/circuit-breaker/services").send();
    call.came_by("edge_breaker", &[]);
    call.head(Some(200), true);
    drop(call);
    assert_eq!(world.outcomes(), [0, 0, 0, 0]);
}

#[test]
fn with_a_token_every_request_needs_it() {
    let world = world(&json!({"token": "s3cret"}));
    let status = |authorization: Option<&[u8]>| {
        let mut request = world.request("localhost").path("/circuit-breaker/services");
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let reply = request.send().reply();
        if reply.status == 401 {
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            assert!(!String::from_utf8_lossy(&reply.body).contains("s3cret"));
        }
        reply.status
    };
    assert_eq!(status(Some(b"Bearer s3cret")), 200);
    assert_eq!(status(Some(b"bearer s3cret")), 200, "the scheme is told without regard to case");
    for wrong in [
        &b"Bearer"[..],
        b"Bearer ",
        b"Bearer s3cre",
        b"Bearer s3crets",
        b"Bearer S3cret",
        b"Basic s3cret",
        b"s3cret",
        b"",
        b"Bearer \xff\xff\xff\xff\xff\xff",
        b"Bearer  s3cret",
    ] {
        assert_eq!(status(Some(wrong)), 401, "{wrong:?}");
    }
    assert_eq!(status(None), 401);
    let unknown = world.request("localhost").path("/circuit-breaker/unknown").send().reply();
    assert_eq!(unknown.status, 401, "nothing is told before the token is");
}

#[test]
fn the_filter_itself_reports_the_same_and_changes_nothing() {
    let world = world(&json!({}));
    world.call().respond(200);
    world.run(Duration::from_secs(1));
    world.trip();
    world.advance(Duration::from_secs(2));
    let shown = shown(&world);
    let filter = world.filters().remove(0);
    let asked = world.asked(|| {
        let told = world.host(|host| filter.status(host)).unwrap();
        let names: Vec<_> = told.iter().map(|told| told.service_name.as_str()).collect();
        assert_eq!(names, [PAYMENT, "inventory-service"]);
        assert_eq!(json!(told[0].state.name()), shown["state"]);
        assert_eq!(json!(told[0].failure_count), shown["failure_count"]);
        assert_eq!(json!(told[0].generation), shown["generation"]);
        assert_eq!(json!(told[0].trip_reason.map(Reason::name)), shown["trip_reason"]);
        for (time, field) in [
            (told[0].last_failure, "last_failure_time"),
            (told[0].last_success, "last_success_time"),
            (told[0].opened_at, "opened_at"),
            (told[0].retry_at, "retry_at"),
        ] {
            let time = std::time::UNIX_EPOCH + Duration::from_nanos(time.unwrap().as_nanos());
            assert_eq!(json!(humantime::format_rfc3339_millis(time).to_string()), shown[field]);
        }
    });
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), [("load", 2), ("now", 1)]);

    world.store().put(&key(PAYMENT), b"damage".to_vec());
    let told = world.host(|host| filter.status(host).map(|told| told[0].state)).unwrap();
    assert_eq!(told, StateName::Closed, "as a new breaker");
    assert_eq!(world.store().get(&key(PAYMENT)).unwrap(), b"damage", "left as it is");
}

/// What the proxy has counted is shown, where it tells.
#[test]
fn a_service_shows_what_was_counted_of_it() {
    let config = json!({
        "services": [service(PAYMENT, &json!({"open": {"wait_duration": "10s", "jitter": 0}}))],
        "admin": {}
    });
    let world = World::configured(2, &config);
    world.call().respond(200);
    drop(world.call());
    world.trip();
    for _ in 0..2 {
        assert!(!world.call().is_admitted());
    }
    let shown = shown(&world);
    let calls = json!({"success": 1, "failure": 3, "ignored": 0, "aborted": 1});
    assert_eq!((&shown["calls"], &shown["not_permitted"]), (&calls, &json!(2)));
    assert_eq!(shown["slow_calls"], 0);
    let (_, all) = get(&world, "/circuit-breaker/services");
    assert_eq!(all["now"], "2024-05-01T12:00:00.000Z");
}

#[test]
fn a_load_balancer_learns_whether_services_take_traffic_and_needs_no_token() {
    let world = world(&json!({"token": "s3cret"}));
    let health = |name: &str| get(&world, &format!("/circuit-breaker/health{name}"));
    let well = |services: u64| json!({"healthy": true, "services": services, "open": 0});
    assert_eq!(health(""), (200, well(2)));
    assert_eq!(health("/payment-service"), (200, well(1)));
    world.trip();
    let ill = |services: u64| json!({"healthy": false, "services": services, "open": 1});
    assert_eq!(health(""), (503, ill(2)));
    assert_eq!(health("/"), (503, ill(2)));
    assert_eq!(health("/payment-service"), (503, ill(1)));
    assert_eq!(health("/inventory-service"), (200, well(1)));
    assert_eq!(health("/nobody").0, 404);
    // A few calls reach it again.
    world.advance(world.wait());
    let trial = world.call();
    assert_eq!(health("/payment-service").0, 200);
    drop(trial);
    let post = world.request("localhost").method("POST").path("/circuit-breaker/health");
    assert_eq!(post.send().reply().status, 405);
}

/// A store that cannot be read stops no call, and so takes no proxy out of service.
#[test]
fn a_store_that_cannot_be_read_is_no_reason_to_go_elsewhere() {
    let world = world(&json!({}));
    world.trip();
    world.store().reads_fail.set(true);
    assert_eq!(get(&world, "/circuit-breaker/health").0, 200);
}

#[test]
fn the_page_may_run_nothing_but_its_own_script() {
    let world = world(&json!({}));
    let reply = world.request("localhost").path("/circuit-breaker/").send().reply();
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")));
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[test]
fn every_client_gets_the_page_whatever_codings_are_accepted() {
    let world = world(&json!({}));
    for coding in [None, Some(""), Some("identity"), Some("br;q=1.0, GZip;q=0.8"), Some("gzip;q=0")]
    {
        let mut request = world.request("localhost").path("/circuit-breaker/");
        if let Some(coding) = coding {
            request = request.header("accept-encoding", coding);
        }
        let reply = request.send().reply();
        assert_eq!((reply.status, reply.header("content-encoding")), (200, None), "{coding:?}");
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
        let page = str::from_utf8(&reply.body).unwrap();
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
    }
}

#[test]
fn the_prefix_leads_to_the_page_by_whatever_path_it_is_reached() {
    let world = world(&json!({}));
    let reply = world.request("localhost").path("/circuit-breaker?x=/y").send().reply();
    assert_eq!((reply.status, reply.header("location")), (308, Some("circuit-breaker/")));
}

/// A browser cannot send a token before somebody has given it one, and the page is what asks.
#[test]
fn without_the_token_a_browser_gets_a_page_that_asks_for_it() {
    let world = world(&json!({"token": "s3cret"}));
    let page = |accept: &str| {
        let request = world.request("localhost").path("/circuit-breaker/");
        request.header("accept", accept).send().reply()
    };
    let browser = page("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    assert_eq!((browser.status, browser.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(browser.header("content-type"), Some("text/html; charset=utf-8"));
    let program = page("*/*");
    assert_eq!((program.status, program.header("content-type")), (401, Some("application/json")));
}
