//! The recipe's configuration for the dynamic module, as people copy it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use envoy_harness::{EnvoyOptions, NATIVE_ENVOYS};
use tests::Edge;
use tests::recipe::follow;

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
