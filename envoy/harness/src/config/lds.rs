//! Listeners and clusters that change while Envoy runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Listener;
use crate::{EnvoyOptions, form};

/// A file of listeners that Envoy watches. Writing it is an update of the configuration.
///
/// Envoy counts what became of it in `listener_manager.lds.update_success` and
/// `listener_manager.lds.update_rejected`.
#[derive(Debug)]
pub struct LdsFile {
    directory: Arc<TempDir>,
}

impl LdsFile {
    /// A file with these listeners.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(listeners: Vec<Listener>) -> Result<Self> {
        let file = Self { directory: EnvoyOptions::new_directory()? };
        file.write(listeners)?;
        Ok(file)
    }

    pub(crate) fn within(directory: Arc<TempDir>) -> Result<Self> {
        let file = Self { directory };
        file.write(Vec::new())?;
        Ok(file)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("lds.json")
    }

    /// Replaces the listeners. Those that are equal to what they were stay untouched, with their
    /// connections.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, listeners: Vec<Listener>) -> Result<()> {
        let resources = listeners.into_iter().map(|listener| {
            let mut resource = form::adapted(listener.build());
            resource["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
            resource
        });
        let content = json!({ "resources": resources.collect::<Vec<_>>() });
        replace(&self.path(), &serde_json::to_vec_pretty(&content)?)
    }
}

/// A file of clusters that Envoy watches, as [`LdsFile`] is one of listeners.
///
/// Envoy counts in `cluster_manager.cds.update_success` what it has taken.
#[derive(Debug)]
pub struct CdsFile {
    directory: Arc<TempDir>,
}

impl CdsFile {
    /// A file without clusters.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new() -> Result<Self> {
        Self::within(EnvoyOptions::new_directory()?)
    }

    pub(crate) fn within(directory: Arc<TempDir>) -> Result<Self> {
        let file = Self { directory };
        file.write([])?;
        Ok(file)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("cds.json")
    }

    /// Replaces the clusters. Those that are equal to what they were stay untouched.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, clusters: impl IntoIterator<Item = Value>) -> Result<()> {
        let resources = clusters.into_iter().map(|mut cluster| {
            cluster["@type"] = json!("type.googleapis.com/envoy.config.cluster.v3.Cluster");
            cluster
        });
        let content = json!({ "resources": resources.collect::<Vec<_>>() });
        replace(&self.path(), &serde_json::to_vec_pretty(&content)?)
    }
}

/// Envoy watches for files that are moved to the path, not for writes, which it would see half.
fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let fresh = path.with_extension("new");
    fs::write(&fresh, content)?;
    Ok(fs::rename(fresh, path)?)
}
