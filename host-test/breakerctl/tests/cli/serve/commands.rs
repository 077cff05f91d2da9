//! Under the tool's own commands.

use super::{Proxy, Service};
use crate::support::{Ran, run};

const CONFIG: &str = r#"{
    "services": [{
        "name": "payment-service",
        "fallback": { "cluster": "fallback" }
    }],
    "admin": { "token": "s3cret" }
}"#;

#[test]
fn a_command_of_the_tool_holds_for_the_breaker_until_it_is_reset() {
    let (payment, fallback) = (Service::start("payment"), Service::start("fallback"));
    let clusters = [("payment", payment.address), ("fallback", fallback.address)];
    let proxy = Proxy::start(CONFIG, &clusters);
    let url = format!("http://{}/circuit-breaker", proxy.address);
    let tool = |args: &[&str]| -> Ran {
        run(&[args, &["--admin", url.as_str(), "--token", "s3cret"]].concat())
    };
    assert_eq!(tool(&["open", "payment-service"]).code, Some(0));
    assert_eq!(tool(&["status", "payment-service"]).code, Some(1));
    assert_eq!(proxy.post("/pay", "1").2, "fallback:1");
    assert_eq!(tool(&["close", "payment-service"]).code, Some(0));
    assert_eq!(proxy.post("/pay", "2").2, "payment:2");
    for (command, state) in
        [("disable", "DISABLED"), ("metrics-only", "METRICS_ONLY"), ("enable", "CLOSED")]
    {
        let ran = tool(&[command, "--json", "payment-service"]);
        assert_eq!(ran.json()["services"][0]["state"], state, "{ran:?}");
    }
    assert_eq!(tool(&["reset", "--all"]).code, Some(0));
    let ran = tool(&["open", "paymnet"]);
    assert!(ran.stderr.contains("there are: payment-service"), "{ran:?}");
    let ran = run(&["open", "payment-service", "--admin", url.as_str()]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("wants its token"), "{ran:?}");
}

#[test]
fn a_client_with_a_foreign_host_is_told_the_remedy() {
    let service = Service::start("payment");
    let config = CONFIG.replace("{ \"token\": \"s3cret\" }", "{}");
    let proxy = Proxy::start(&config, &[("payment", service.address)]);
    // An address that leads here, and is none that always does.
    let url = format!("http://0.0.0.0:{}/circuit-breaker", proxy.address.port());
    let ran = run(&["open", "payment-service", "--admin", url.as_str()]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("403") && ran.stderr.contains("admin.token"), "{ran:?}");
}
