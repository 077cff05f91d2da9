//! A folder as the OCI image layout wants it: blobs by their digests, and an index of what has a tag.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};

use super::digest::Digest;

pub(crate) struct Layout {
    folder: PathBuf,
    manifests: Vec<Value>,
}

impl Layout {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        Ok(Self { folder: folder.to_owned(), manifests: Vec::new() })
    }

    /// Adds content, and returns what a manifest says of it.
    pub(crate) fn blob(&self, media_type: &str, content: &[u8]) -> Result<Value> {
        let digest = Digest::of(content);
        fs::write(self.folder.join("blobs/sha256").join(digest.hex()), content)?;
        let (digest, size) = (digest.to_string(), content.len());
        Ok(json!({ "mediaType": media_type, "digest": digest, "size": size }))
    }

    /// Adds a manifest under a tag.
    pub(crate) fn image(&mut self, tag: &str, manifest: &Value) -> Result<Digest> {
        let content = serde_json::to_vec(manifest)?;
        let mut entry = self.blob("application/vnd.oci.image.manifest.v1+json", &content)?;
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
        self.manifests.push(entry);
        Ok(Digest::of(&content))
    }

    /// Writes the index.
    pub(crate) fn finish(self) -> Result<()> {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": self.manifests,
        });
        fs::write(self.folder.join("index.json"), serde_json::to_vec(&index)?)?;
        let version = json!({ "imageLayoutVersion": "1.0.0" });
        Ok(fs::write(self.folder.join("oci-layout"), serde_json::to_vec(&version)?)?)
    }
}
