//! Versions of Envoy that are not supported: each refuses the module when it starts, and says why.

use anyhow::{Context, Result};
use envoy_harness::EnvoyOptions;
use envoy_harness::config::{Bootstrap, DynamicModule, Listener, Route};
use serde_json::json;

/// What an Envoy of this version says that does not start.
async fn refusal(version: &str) -> Result<String> {
    let module = DynamicModule::new("edge_breaker", &json!({ "services": [{ "name": "a" }] }));
    let route = Route::prefix("/").direct_response(200, "");
    let listener = Listener::new("edge").filter(module).route(route);
    let options = EnvoyOptions::new(Bootstrap::new().listener(listener).build());
    let started = options.version(version).start().await;
    Ok(format!("{:#}", started.err().context("it starts")?))
}

#[tokio::test]
#[ignore = "make test-deep: takes older Envoys"]
async fn an_envoy_before_1_39_refuses_the_module_when_it_starts_and_says_what_it_lacks()
-> Result<()> {
    for (version, lacks) in [
        ("1.38.2", "http_filter_config_increment_counter"),
        ("1.37.0", "get_concurrency"),
        ("1.36.4", "get_concurrency"),
    ] {
        let said = refusal(version).await?;
        let line = format!("does not export envoy_dynamic_module_callback_{lacks}");
        assert!(said.contains(&line), "{version}: {said}");
    }
    Ok(())
}
