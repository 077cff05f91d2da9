//! Kubernetes objects, from files that people apply.

use std::fs;

use anyhow::{Context, Result, ensure};
use envoy_harness::{parse_yaml_documents, repo_root};
use serde_json::Value;

/// The files, as paths in the repository.
pub const FILES: [&str; 7] = [
    "envoy/istio/dynamicmodule.yaml",
    "envoy/istio/gateway.yaml",
    "envoy/istio/gateway-api.yaml",
    "envoy/istio/sidecar.yaml",
    "envoy/istio/trafficextension.yaml",
    "envoy/envoy-gateway/dynamicmodule.yaml",
    "envoy/envoy-gateway/gateway.yaml",
];

/// The objects of a file.
#[derive(Clone, Debug)]
pub struct Objects(
    /// In the order of the file.
    pub Vec<Value>,
);

impl Objects {
    /// Reads a file of the repository.
    ///
    /// # Errors
    /// When it cannot be read, or is no YAML.
    pub fn load(path: &str) -> Result<Self> {
        let text = fs::read_to_string(repo_root().join(path)).context(path.to_owned())?;
        Ok(Self(parse_yaml_documents(&text).context(path.to_owned())?))
    }

    /// These, with those of another file in the place of what has the same kind and name.
    ///
    /// # Errors
    /// See [`Self::load`].
    pub fn replaced_by(mut self, path: &str) -> Result<Self> {
        let id = |it: &Value| [&it["kind"], &it["metadata"]["name"]].map(ToString::to_string);
        for object in Self::load(path)?.0 {
            self.0.retain(|it| id(it) != id(&object));
            self.0.push(object);
        }
        Ok(self)
    }

    /// The objects of a kind.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| object["kind"] == kind)
    }

    /// The object of a kind and name, to be changed.
    ///
    /// # Errors
    /// When there is none.
    pub fn get_mut(&mut self, kind: &str, name: &str) -> Result<&mut Value> {
        let mut all = self.0.iter_mut();
        let object = all.find(|it| it["kind"] == kind && it["metadata"]["name"] == name);
        object.with_context(|| format!("no {kind} {name}"))
    }

    /// The object of a kind and name.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn get(&self, kind: &str, name: &str) -> Result<&Value> {
        let mut found = self.of_kind(kind).filter(|object| object["metadata"]["name"] == name);
        let object = found.next().with_context(|| format!("no {kind} {name}"))?;
        ensure!(found.next().is_none(), "two of {kind} {name}");
        Ok(object)
    }
}
