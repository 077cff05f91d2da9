//! Kubernetes objects, from files that people apply.

use std::fs;

use anyhow::{Context, Result, ensure};
use envoy_harness::{parse_yaml_documents, repo_root};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The files, as paths in the repository.
pub(crate) const FILES: [&str; 4] = [
    "envoy/istio/gateway.yaml",
    "envoy/istio/sidecar.yaml",
    "envoy/istio/trafficextension.yaml",
    "envoy/envoy-gateway/gateway.yaml",
];

/// The objects of a file.
#[derive(Clone, Debug)]
pub(crate) struct Objects(pub(crate) Vec<Value>);

impl Objects {
    /// Reads a file of the repository.
    pub(crate) fn load(path: &str) -> Result<Self> {
        let text = fs::read_to_string(repo_root().join(path)).context(path.to_owned())?;
        Ok(Self(parse_yaml_documents(&text).context(path.to_owned())?))
    }

    /// Fails if there is an object of another kind than these: it would be left out in silence.
    pub(crate) fn only(&self, kinds: &[&str]) -> Result<()> {
        let known = |object: &&Value| object["kind"].as_str().is_some_and(|it| kinds.contains(&it));
        let unknown = self.0.iter().find(|object| !known(object)).map(|object| &object["kind"]);
        ensure!(unknown.is_none(), "a kind that nobody translates: {unknown:?}");
        Ok(())
    }

    /// The objects of a kind.
    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// The object of a kind and name.
    pub(crate) fn get(&self, kind: &str, name: &str) -> Result<&Value> {
        let mut found = self.of_kind(kind).filter(|object| object["metadata"]["name"] == name);
        let object = found.next().with_context(|| format!("no {kind} {name}"))?;
        ensure!(found.next().is_none(), "two of {kind} {name}");
        Ok(object)
    }

    /// The spec of an object, as far as a translation knows it.
    pub(crate) fn spec<T: DeserializeOwned>(object: &Value) -> Result<T> {
        serde_json::from_value(object["spec"].clone())
            .with_context(|| format!("{} {}", object["kind"], object["metadata"]["name"]))
    }
}
