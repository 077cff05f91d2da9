//! `breakerctl open`, `close` and the others.

use crate::admin::{Admin, service};
use crate::support::{Ran, run};

fn three() -> Admin {
    let names = ["payment-service", "host=a", "host=b"];
    Admin::start(names.map(|name| service(name, "CLOSED", 0)).into(), None)
}

fn send(admin: &Admin, args: &[&str]) -> Ran {
    let url = admin.url();
    run(&[args, &["--admin", url.as_str()]].concat())
}

#[test]
fn each_command_does_what_it_says_to_the_service_that_is_named() {
    let admin = three();
    for (command, state) in [
        ("open", "FORCED_OPEN"),
        ("close", "CLOSED"),
        ("disable", "DISABLED"),
        ("enable", "CLOSED"),
        ("metrics-only", "METRICS_ONLY"),
        ("reset", "CLOSED"),
    ] {
        let ran = send(&admin, &[command, "payment-service"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(admin.states(), [state, "CLOSED", "CLOSED"], "{command}");
        let shown: Vec<_> = ran.stdout.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(shown[..2], ["payment-service", state], "{ran:?}");
    }
    let ran = send(&admin, &["open", "--json", "host=b"]);
    assert_eq!(ran.json()["services"][0]["state"], "FORCED_OPEN", "{ran:?}");
}

#[test]
fn a_pattern_changes_several_services_only_with_all() {
    let admin = three();
    let ran = send(&admin, &["open", "host=*"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("host=a, host=b") && ran.stderr.contains("--all"), "{ran:?}");
    assert_eq!(admin.states(), ["CLOSED"; 3]);
    assert_eq!(send(&admin, &["open", "host=*", "--all"]).code, Some(0));
    assert_eq!(admin.states(), ["CLOSED", "FORCED_OPEN", "FORCED_OPEN"]);
    // One that fits a single service is as good as its name.
    assert_eq!(send(&admin, &["disable", "pay*"]).code, Some(0));
    assert_eq!(admin.states()[0], "DISABLED");
    assert_eq!(send(&admin, &["reset", "--all"]).code, Some(0));
    assert_eq!(admin.states(), ["CLOSED"; 3]);
    assert_eq!(send(&admin, &["reset"]).code, Some(2));
}

#[test]
fn an_unknown_service_is_reported_with_the_existing_ones_and_nothing_is_changed() {
    let admin = three();
    let ran = send(&admin, &["open", "payment-service", "paymnet"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("no service paymnet"), "{ran:?}");
    assert!(ran.stderr.contains("payment-service, host=a, host=b"), "{ran:?}");
    assert_eq!(admin.states(), ["CLOSED"; 3]);
}

#[test]
fn commands_that_were_done_before_a_failure_are_reported() {
    let admin = Admin::start(vec![service("a", "CLOSED", 0), service("b", "STUCK", 0)], None);
    let ran = send(&admin, &["open", "--all"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for said in ["force-open b", "done before that: a", "503", "could not be written"] {
        assert!(ran.stderr.contains(said), "{said}: {ran:?}");
    }
}

#[test]
fn a_user_without_access_is_told_the_remedy() {
    let admin = Admin::start(vec![service("a", "CLOSED", 0)], Some("s3cret"));
    for args in [&["open", "a"][..], &["open", "a", "--token", "wrong"]] {
        let ran = send(&admin, args);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("--token-file"), "{ran:?}");
    }
    assert_eq!(send(&admin, &["open", "a", "--token", "s3cret"]).code, Some(0));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = run(&["open", "a", "--admin", &format!("http://127.0.0.1:{port}/circuit-breaker")]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("is the proxy up"), "{ran:?}");
}
