//! From a real registry into a real Envoy.

use anyhow::{Context, Result};
use envoy_harness::EnvoyOptions;
use envoy_harness::client::Client;
use envoy_harness::config::{DynamicModule, Listener, Route, Wasm, cluster};
use package::image::{Digest, FILE};
use serde_json::{Value, json};
use services::{Mode, Ports, Services};
use tests::registry::Registry;
use tests::{answered_by, bootstrap, clusters, primary_route};

use crate::image::registry::{get, manifest, pull};
use crate::image::{image, module, native, puller};

async fn registry() -> Result<Registry> {
    let registry = Registry::start().await?;
    let built = &image().built;
    for (tag, _) in built.images.iter().chain(&built.native) {
        registry.push(&image().folder(), tag).await?;
    }
    Ok(registry)
}

#[tokio::test]
#[ignore = "make test-deep: takes a registry"]
async fn a_registry_keeps_both_images_under_their_digests_and_gives_the_module_back() -> Result<()>
{
    let registry = registry().await?;
    for (tag, digest) in &image().built.images {
        let (pulled, stored) = manifest(&registry, tag).await?;
        assert_eq!(pulled, *digest, "{tag}");
        assert_eq!(stored, puller::manifest(&image().folder(), tag)?);
        assert_eq!(manifest(&registry, &digest.to_string()).await?.0, *digest);
        assert!(pull(&registry, tag).await? == module(), "{tag}");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "make test-deep: takes a registry"]
async fn the_pulled_image_guards_traffic() -> Result<()> {
    let registry = registry().await?;
    let folder = tempfile::tempdir()?;
    for (tag, _) in &image().built.images {
        let pulled = folder.path().join(format!("{tag}.wasm"));
        std::fs::write(&pulled, pull(&registry, tag).await?)?;
        let filter = Wasm::new("edge-breaker", &pulled).configuration(&plugin()).build();
        guards(filter, None).await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "make test-deep: takes a registry"]
async fn the_pulled_image_of_the_dynamic_module_guards_traffic() -> Result<()> {
    let registry = registry().await?;
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let (_, manifest) = manifest(&registry, &format!("0.1.0-native-{architecture}")).await?;
    let layer = manifest["layers"][0]["digest"].as_str().context("no digest")?;
    let files = native::unpack(&get(&registry, &format!("blobs/{layer}")).await?.body)?;
    let folder = tempfile::tempdir()?;
    let pulled = folder.path().join(FILE);
    std::fs::write(&pulled, &files[FILE])?;
    let mut filter: Value = DynamicModule::new("edge_breaker", &plugin()).into();
    let source = json!({ "module": { "local": { "filename": pulled } } });
    filter["typed_config"]["dynamic_module_config"] = source;
    guards(filter, None).await
}

#[tokio::test]
#[ignore = "make test-deep: takes a registry"]
async fn envoy_loads_the_layer_straight_from_a_registry() -> Result<()> {
    let registry = registry().await?;
    let layer = puller::layer(&manifest(&registry, "0.1.0").await?.1)?.digest;
    let uri = format!("http://{}/v2/edge-breaker/blobs/{layer}", registry.address());
    let mut filter = Wasm::new("edge-breaker", &tests::module()?).configuration(&plugin()).build();
    filter["typed_config"]["config"]["vm_config"]["code"] = json!({ "remote": {
        "http_uri": { "uri": uri, "cluster": "registry", "timeout": "60s" },
        "sha256": Digest::of(&module()).hex(),
    } });
    guards(filter, Some(cluster("registry", registry.address()))).await
}

fn plugin() -> Value {
    json!({ "services": [{ "name": "payment-service", "fallback": { "cluster": clusters::FALLBACK } }] })
}

/// An Envoy with this filter opens after three failures, and leaves the service alone.
async fn guards(filter: Value, more: Option<Value>) -> Result<()> {
    let services = Services::start(Ports::default()).await?;
    let listener = Listener::new("edge").filter(filter);
    let listener = listener.route(Route::diverted()).route(primary_route());
    let mut bootstrap = bootstrap(&services).listener(listener);
    if let Some(cluster) = more {
        bootstrap = bootstrap.cluster(cluster);
    }
    let envoy = EnvoyOptions::new(bootstrap.build()).start().await?;
    let url = format!("http://{}/payment-service/x", envoy.listener_addr("edge").await?);
    let (client, payment) = (Client::new(), services.service("payment-service"));
    assert_eq!(answered_by(&client.get(&url).await?), "downstream");
    payment.set_mode(Mode::Status(500));
    for _ in 0..3 {
        assert_eq!(answered_by(&client.get(&url).await?), "replay");
    }
    assert_eq!(answered_by(&client.get(&url).await?), "cluster");
    assert_eq!(payment.calls(), 4);
    Ok(())
}
