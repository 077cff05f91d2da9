//! The README, taken at its word: its configuration runs in a real Envoy, and its commands do what
//! it says.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use anyhow::{Context, Result};
use envoy_harness::client::Client;
use envoy_harness::config::{Bootstrap, Route, cluster};
use envoy_harness::{EnvoyOptions, parse_yaml, repo_root};
use serde_json::Value;
use services::{Ports, Services};
use tests::pages::Page;
use tests::{answered_by, protected};

fn readme() -> Result<Page> {
    Page::read("README.md")
}

#[tokio::test]
async fn the_configuration_of_the_readme_diverts_a_failing_service() -> Result<()> {
    let plugin: Value = serde_json::from_str(readme()?.block("json")?)?;
    let route = parse_yaml(readme()?.block("yaml")?)?;
    let services = Services::start(Ports::default()).await?;
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let listener = protected(&plugin, Route::prefix("/").cluster("payment"))?;
    let mut config = Bootstrap::new()
        .cluster(cluster("payment", nobody))
        .cluster(cluster("payment-fallback", services.fallback()))
        .listener(listener)
        .build();
    let routes = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config\
                  /virtual_hosts/0/routes";
    let routes = config.pointer_mut(routes).context("no routes")?;
    routes[0] = route[0].clone();

    let envoy = EnvoyOptions::new(config).start().await?;
    let url = format!("http://{}/payments/charge", envoy.listener_addr("edge").await?);
    let client = Client::new();
    for _ in 0..3 {
        let response = client.get(&url).await?;
        assert_eq!(answered_by(&response), "replay");
    }
    let response = client.get(&url).await?;
    assert_eq!(answered_by(&response), "cluster");
    assert_eq!(response.header("x-circuit-breaker-state"), Some("OPEN"));
    assert_eq!(response.json()?["circuit_breaker_state"], "OPEN");
    Ok(())
}

#[test]
fn the_readme_names_no_command_that_is_not_run() -> Result<()> {
    let readme = readme()?;
    let mut commands: Vec<_> = readme.blocks_of("sh").map(str::trim).collect();
    commands.sort_unstable();
    // The demo is run below, the tests are running.
    assert_eq!(commands, ["make demo", "make test"]);
    Ok(())
}

#[test]
fn the_demo_goes_as_the_recipe_says() -> Result<()> {
    demo("wasm").map(drop)
}

#[test]
#[ignore = "make test-deep: takes Zig"]
fn the_demo_of_the_dynamic_module_goes_as_the_recipe_says() -> Result<()> {
    assert!(demo("native")?.contains("by the dynamic module"));
    Ok(())
}

/// What the demo of a form shows.
fn demo(form: &str) -> Result<String> {
    let output = Command::new("make")
        .arg("demo")
        .env("DEMO_EXIT", "1")
        .env("DEMO_FORM", form)
        .current_dir(repo_root())
        .output()
        .context("make")?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}\n{shown}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!shown.contains('\u{1b}'), "colour, though nobody looks:\n{shown}");
    Ok(shown)
}

#[test]
fn every_page_that_the_readme_points_to_is_there() -> Result<()> {
    for target in readme()?.links() {
        let file = target.split('#').next().unwrap_or_default();
        assert!(repo_root().join(file).exists(), "{target}");
    }
    Ok(())
}
