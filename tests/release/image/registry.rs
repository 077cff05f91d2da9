//! What the tests of the image ask a registry for.

use anyhow::{Result, ensure};
use envoy_harness::client::{Client, Response, empty};
use package::image::Digest;
use serde_json::Value;
use tests::registry::Registry;

use crate::image::puller;

/// What a client says that it takes.
const MANIFESTS: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// Asks the registry.
pub(crate) async fn get(registry: &Registry, path: &str) -> Result<Response> {
    let url = format!("http://{}/v2/edge-breaker/{path}", registry.address());
    let request = http::Request::get(url).header("accept", MANIFESTS).body(empty())?;
    let response = Client::new().send(request).await?;
    ensure!(response.status == 200, "{path}: {} {}", response.status, response.text());
    Ok(response)
}

/// A manifest by its tag, as it is stored.
pub(crate) async fn manifest(registry: &Registry, tag: &str) -> Result<(Digest, Value)> {
    let response = get(registry, &format!("manifests/{tag}")).await?;
    let digest = Digest::of(&response.body);
    let said = response.header("docker-content-digest");
    ensure!(said == Some(&digest.to_string()), "{said:?} is not {digest}");
    Ok((digest, response.json()?))
}

/// Pulls the module of a tag, as Istio does.
pub(crate) async fn pull(registry: &Registry, tag: &str) -> Result<Vec<u8>> {
    let (_, manifest) = manifest(registry, tag).await?;
    let layer = puller::layer(&manifest)?;
    let content = get(registry, &format!("blobs/{}", layer.digest)).await?.body;
    ensure!(Digest::of(&content).to_string() == layer.digest, "other bytes than asked for");
    puller::module(&layer, &content)
}
