//! The pages on Istio and Envoy Gateway: every YAML block on them is what it says it is.

use std::fs;

use anyhow::{Context, Result, anyhow, ensure};
use envoy_harness::{parse_yaml, repo_root};
use filter::Config;
use serde_json::json;
use tests::objects::{FILES, Objects};
use tests::pages::Page;

use crate::kubernetes::schemas::{assert_valid, with_schemas};

const PAGES: [&str; 2] = ["docs/istio.md", "docs/envoy-gateway.md"];

fn page(path: &str) -> Result<String> {
    fs::read_to_string(repo_root().join(path)).context(path.to_owned())
}

/// The tags of the sample for a bare Envoy.
fn recipe_tags() -> Result<Vec<String>> {
    let recipe = parse_yaml(&page("envoy/recipe.yaml")?)?;
    let tags = recipe["stats_config"]["stats_tags"].as_array().context("no tags")?;
    let names = tags.iter().map(|tag| Some(tag["tag_name"].as_str()?.to_owned()));
    names.collect::<Option<_>>().context("a tag without a name")
}

#[test]
fn every_object_on_the_pages_is_as_its_published_schema_says() -> Result<()> {
    for path in PAGES {
        let documents = Page::read(path)?.documents()?;
        ensure!(!documents.is_empty(), "{path}: no YAML");
        let objects = documents.into_iter().filter(|it| it["kind"].is_string()).collect();
        assert_valid(path, &with_schemas(objects)?)?;
    }
    Ok(())
}

#[test]
fn every_part_of_a_plugins_configuration_on_the_pages_is_taken() -> Result<()> {
    let mut parts = 0;
    for path in PAGES {
        for mut part in
            Page::read(path)?.documents()?.into_iter().filter(|it| it["admin"].is_object())
        {
            part["services"] = json!([{ "name": "payments" }]);
            let config = part.to_string();
            Config::parse(config.as_bytes()).map_err(|error| anyhow!("{path}: {error}"))?;
            parts += 1;
        }
    }
    ensure!(parts > 0, "none");
    Ok(())
}

/// In the order in which `Site::goes_round` has them.
#[test]
fn the_steps_on_the_pages_are_the_ones_that_are_tested() -> Result<()> {
    for path in PAGES {
        let page = page(path)?;
        let is_part = |c: &char| c.is_ascii_lowercase() || *c == '-';
        let commands = page.split("$breaker/").skip(1);
        let commands = commands.map(|rest| rest.chars().take_while(is_part).collect::<String>());
        let walk = ["force-open", "reset", "enable", "disable"];
        assert_eq!(commands.collect::<Vec<_>>(), walk, "{path}");
    }
    Ok(())
}

/// A plugin that only shows the breakers has to have the same mode, or it would show another.
#[test]
fn every_plugin_of_a_sample_only_reports_at_first() -> Result<()> {
    for file in FILES {
        let mut configured = 0;
        for object in Objects::load(file)?.0 {
            let spec = &object["spec"];
            let of_istio = [&spec["pluginConfig"], &spec["wasm"]["pluginConfig"]];
            let of_gateway = [&spec["wasm"][0]["config"], &spec["dynamicModule"][0]["config"]];
            let patches = spec["configPatches"].as_array().into_iter().flatten();
            let patched =
                patches.map(|it| &it["patch"]["value"]["typed_config"]["filter_config"]["value"]);
            for config in of_istio.into_iter().chain(of_gateway).chain(patched) {
                for service in config["services"].as_array().into_iter().flatten() {
                    assert_eq!(service["mode"], "metrics_only", "{file}");
                    configured += 1;
                }
            }
        }
        ensure!(configured > 0, "{file}: no plugin");
    }
    Ok(())
}

#[test]
fn the_tags_are_those_of_the_recipe_wherever_they_are_given() -> Result<()> {
    let wanted = recipe_tags()?;
    let istio = Page::read("docs/istio.md")?;
    assert_eq!(istio.for_all_proxies("extraStatTags")?, json!(wanted));
    // In a pod's annotation, as YAML in a text.
    let documents = istio.documents()?;
    let annotation = documents.iter().find_map(|it| {
        it.pointer("/spec/template/metadata/annotations/proxy.istio.io~1config")?.as_str()
    });
    let annotation = parse_yaml(annotation.context("no annotation on the page")?)?;
    assert_eq!(serde_json::from_value::<Vec<String>>(annotation["extraStatTags"].clone())?, wanted);
    let proxy = Objects::load("envoy/envoy-gateway/gateway.yaml")?;
    let bootstrap = &proxy.get("EnvoyProxy", "shop")?["spec"]["bootstrap"]["value"];
    let bootstrap = parse_yaml(bootstrap.as_str().context("no bootstrap")?)?;
    let recipe = parse_yaml(&page("envoy/recipe.yaml")?)?;
    assert_eq!(bootstrap["stats_config"]["stats_tags"], recipe["stats_config"]["stats_tags"]);
    Ok(())
}

#[test]
fn every_file_that_the_pages_point_to_is_there() -> Result<()> {
    for path in PAGES {
        let text = page(path)?;
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap_or_default();
            if !target.contains("://") {
                assert!(repo_root().join("docs").join(target).exists(), "{path}: {target}");
            }
        }
    }
    let named: String = PAGES.iter().map(|path| page(path)).collect::<Result<_>>()?;
    for file in FILES {
        assert!(named.contains(file), "{file} is on no page");
    }
    Ok(())
}
