//! `breakerctl status`.

use crate::admin::{Admin, service};
use crate::support::{Ran, run};

fn two() -> Admin {
    let services = vec![service("payment-service", "OPEN", 3), service("stock", "CLOSED", 0)];
    Admin::start(services, None)
}

fn status(admin: &Admin, args: &[&str]) -> Ran {
    let url = admin.url();
    run(&[&["status", "--admin", url.as_str()], args].concat())
}

#[test]
fn all_services_are_a_table_without_colours_in_a_pipe() {
    let ran = status(&two(), &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let rows: Vec<Vec<&str>> =
        ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 3, "{ran:?}");
    assert_eq!(rows[1][..4], ["payment-service", "OPEN", "3", "consecutive_failures"]);
    assert_eq!(rows[2][..5], ["stock", "CLOSED", "0", "-", "-"]);
    let column = |line: &str, text: &str| line.find(text).unwrap();
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(column(lines[0], "STATE"), column(lines[2], "CLOSED"), "{ran:?}");
    assert!(!ran.stdout.contains('\x1b'), "{ran:?}");
}

#[test]
fn an_open_service_answers_no_and_a_closed_one_yes() {
    let admin = two();
    assert_eq!(status(&admin, &["payment-service"]).code, Some(1));
    assert_eq!(status(&admin, &["stock"]).code, Some(0));
    admin.set(vec![service("payment-service", "HALF_OPEN", 3)]);
    assert_eq!(status(&admin, &["payment-service"]).code, Some(0));
}

#[test]
fn json_has_all_that_the_admin_api_shows() {
    let admin = two();
    let all = status(&admin, &["--json"]).json();
    assert_eq!(all["services"][0], service("payment-service", "OPEN", 3));
    assert_eq!(status(&admin, &["--json", "stock"]).json(), service("stock", "CLOSED", 0));
}

#[test]
fn an_unknown_service_is_reported_with_the_existing_ones() {
    let ran = status(&two(), &["paymnet"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("payment-service, stock"), "{ran:?}");
}

#[test]
fn a_token_is_asked_for_and_taken() {
    let admin = Admin::start(vec![service("a", "CLOSED", 0)], Some("s3cret"));
    for args in [&[][..], &["--token", "wrong"]] {
        let ran = status(&admin, args);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("--token"), "{ran:?}");
    }
    assert_eq!(status(&admin, &["--token", "s3cret"]).code, Some(0));
}

#[test]
fn a_token_may_be_in_a_file() {
    let admin = Admin::start(vec![service("a", "CLOSED", 0)], Some("s3cret"));
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for (text, code) in [("s3cret\r\n", Some(0)), ("other", Some(2)), ("\n", Some(2))] {
        std::fs::write(path, text).unwrap();
        let ran = status(&admin, &["--token-file", path]);
        assert_eq!(ran.code, code, "{ran:?}");
    }
    let ran = status(&admin, &["--token-file", "/nowhere"]);
    assert!(ran.stderr.contains("reading /nowhere"), "{ran:?}");
}

#[test]
fn the_reason_for_having_no_breakers_is_reported() {
    let admin = Admin::start(Vec::new(), None);
    let ran = status(&admin, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("no name is known"), "{ran:?}");
    assert_eq!(status(&admin, &["--json"]).json()["note"], "no name is known");
    let ran = status(&admin, &["payment-service"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no name is known"), "{ran:?}");
}

#[test]
fn an_address_that_cannot_be_asked_is_reported_with_one_that_can() {
    for url in ["https://127.0.0.1:10001/circuit-breaker", "127.0.0.1:10001"] {
        let ran = run(&["status", "--admin", url]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("http://127.0.0.1:10001/circuit-breaker"), "{ran:?}");
    }
}

#[test]
fn an_admin_api_that_does_not_answer_is_reported_with_the_remedy() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/circuit-breaker");
    for command in ["status", "watch"] {
        let ran = run(&[command, "--admin", url.as_str()]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("is the proxy up"), "{ran:?}");
    }
}

#[test]
fn a_wrong_prefix_is_distinguished_from_a_proxy_that_is_down() {
    let admin = two();
    let ran = run(&["status", "--admin", &admin.url().replace("circuit-breaker", "elsewhere")]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("path_prefix"), "{ran:?}");
}
