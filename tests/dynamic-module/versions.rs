//! Versions of Envoy that are not supported: older ones refuse the module when they start, and say why;
//! newer ones load it if they have all that it calls.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use envoy_harness::config::{Bootstrap, DynamicModule, Listener, Route};
use envoy_harness::{ENVOY_VERSION, EnvoyOptions, installed};
use serde_json::json;
use tempfile::TempDir;
use tests::pages::Page;

/// An Envoy with the module.
fn options() -> EnvoyOptions {
    let module = DynamicModule::new("edge_breaker", &json!({ "services": [{ "name": "a" }] }));
    let route = Route::prefix("/").direct_response(200, "");
    let listener = Listener::new("edge").filter(module).route(route);
    EnvoyOptions::new(Bootstrap::new().listener(listener).build())
}

/// What an Envoy says that does not start.
async fn refusal(options: EnvoyOptions) -> Result<String> {
    let started = options.start().await;
    Ok(format!("{:#}", started.err().context("it starts")?))
}

/// The newest Envoy with other bytes somewhere, as long as those that it has.
struct Altered {
    file: PathBuf,
    _folder: TempDir,
}

impl Altered {
    fn new(old: &[u8], new: &[u8]) -> Result<Self> {
        let mut bytes = fs::read(installed(ENVOY_VERSION)?)?;
        let begin = *old.first().context("nothing")?;
        let is_old = |place: usize| bytes[place..].starts_with(old);
        let places = bytes.iter().enumerate().filter(|(at, byte)| **byte == begin && is_old(*at));
        let places: Vec<_> = places.map(|(place, _)| place).collect();
        ensure!(!places.is_empty() && old.len() == new.len(), "not there, or of another length");
        for place in places {
            bytes[place..place + new.len()].copy_from_slice(new);
        }
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("envoy");
        fs::write(&file, bytes)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        Ok(Self { file, _folder: folder })
    }

    fn options(&self) -> EnvoyOptions {
        options().binary(&self.file)
    }
}

/// What stands on the page, with its variable part in the place of `…`.
fn quoted(text: &str, part: &str) -> Result<String> {
    ensure!(Page::read("docs/dynamic-module.md")?.text().contains(text), "not on the page: {text}");
    Ok(text.replace('…', part))
}

#[tokio::test]
async fn a_newer_envoy_loads_the_module_and_says_in_one_line_that_it_was_built_for_another()
-> Result<()> {
    // The version of its interface, as it compares it.
    let newer = Altered::new(b"v0.2", b"v0.3")?;
    let envoy = newer.options().start().await?;
    let line = quoted("Dynamic module ABI version … is deprecated", "v0.2.0")?;
    let log = envoy.log();
    assert_eq!(log.lines().filter(|it| it.contains(&line)).count(), 1, "{log}");
    assert_eq!(envoy.stats().await?.get("listener_manager.lds.update_rejected"), None);
    Ok(())
}

/// Envoy looks for all functions before it calls the first one of the module.
#[tokio::test]
async fn a_newer_envoy_that_lacks_a_function_refuses_the_module_when_it_starts_and_names_it()
-> Result<()> {
    let lacks = "envoy_dynamic_module_callback_http_set_header";
    let lacking = Altered::new(
        b"\0envoy_dynamic_module_callback_http_set_header\0",
        b"\0envoy_dynamic_module_callback_http_sit_header\0",
    )?;
    let said = refusal(lacking.options()).await?;
    let line = quoted("undefined symbol: envoy_dynamic_module_callback_…", "http_set_header")?;
    ensure!(line.ends_with(lacks) && said.contains(&line), "{said}");
    Ok(())
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
        let said = refusal(options().version(version)).await?;
        let line = "this Envoy does not export envoy_dynamic_module_callback_…: take Envoy 1.39 or \
                    1.40, or the filter's proxy-wasm form";
        for line in [quoted(line, lacks)?, quoted("Failed to load dynamic module: …", "")?] {
            assert!(said.contains(&line), "{version}: {said}");
        }
    }
    Ok(())
}
