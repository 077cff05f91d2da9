//! The recipe's configuration for the dynamic module, as people copy it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use envoy_harness::{EnvoyOptions, NATIVE_ENVOYS, parse_yaml, repo_root};
use tests::pages::Page;
use tests::recipe::follow;
use tests::{Edge, NATIVE_SAMPLE as SAMPLE};

/// Follows the recipe's trace on each version that is supported, at once: most of the time goes by
/// between retries.
pub(crate) async fn follow_on_all(module: &Path) -> Result<()> {
    let follow = async |version| {
        let options = |options: EnvoyOptions| options.version(version).concurrency(2);
        follow(Edge::native_recipe(module, options).await?, 2).await
    };
    let [newest, oldest] = NATIVE_ENVOYS;
    let (newest, oldest) = tokio::join!(follow(newest), follow(oldest));
    newest.and(oldest)
}

#[tokio::test]
async fn the_trace_of_the_recipe_is_the_same_in_each_version_of_envoy_that_is_supported()
-> Result<()> {
    follow_on_all(&artifacts::dynamic_module()?).await
}

#[test]
fn the_page_shows_the_filter_and_the_flag_of_the_sample() -> Result<()> {
    let page = Page::read("docs/dynamic-module.md")?;
    let sample = parse_yaml(&fs::read_to_string(repo_root().join(SAMPLE))?)?;
    let filter =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0";
    let mut filters = [
        parse_yaml(page.block("yaml native-filter")?)?,
        sample.pointer(filter).context("no filter")?.clone(),
    ];
    for filter in &mut filters {
        filter["typed_config"]["filter_config"]["value"].take();
    }
    assert_eq!(filters[0], filters[1]);
    let flag = parse_yaml(page.block("yaml native-flag")?)?;
    assert_eq!(flag["layered_runtime"], sample["layered_runtime"]);
    // As Istio is told of it.
    let flags = flag["layered_runtime"]["layers"][0]["static_layer"].as_object();
    let (name, _) = flags.and_then(|flags| flags.iter().next()).context("no flag")?;
    assert!(page.text().contains(&format!("runtimeValues:\n      {name}: \"true\"\n")));
    Ok(())
}

/// The breaker's metrics as Prometheus is shown them: names, types and labels.
async fn shown(edge: &Edge) -> Result<BTreeSet<String>> {
    edge.get("/payment-service/charge").await?;
    let text = edge.envoy.prometheus().await?.text().to_owned();
    let ours = |line: &str| {
        let series = line.starts_with("edge_breaker_").then(|| line.rsplit_once(' ')).flatten();
        match series {
            Some((series, _)) => Some(series.to_owned()),
            None => line.starts_with("# TYPE edge_breaker_").then(|| line.to_owned()),
        }
    };
    Ok(text.lines().filter_map(ours).collect())
}

#[tokio::test]
async fn the_metrics_have_the_names_types_and_labels_that_they_have_in_wasm() -> Result<()> {
    let mut wasm = shown(&Edge::recipe(1).await?).await?;
    wasm.retain(|line| !line.contains("edge_breaker_record_version"));
    ensure!(wasm.len() > 50, "{wasm:#?}");
    let module = artifacts::dynamic_module()?;
    for version in NATIVE_ENVOYS {
        let native = Edge::native_recipe(&module, |options| options.version(version)).await?;
        assert_eq!(shown(&native).await?, wasm, "{version}");
    }
    Ok(())
}
