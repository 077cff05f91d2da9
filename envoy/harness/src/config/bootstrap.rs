//! The whole configuration.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{CdsFile, LdsFile, Listener};

/// Listeners and clusters, and what belongs to none of them.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    listeners: Vec<Value>,
    clusters: Vec<Value>,
    tags: Vec<Value>,
    dynamic: Map<String, Value>,
}

impl Bootstrap {
    /// An empty configuration.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more listener.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener.build());
        self
    }

    /// One more cluster.
    #[must_use]
    pub fn cluster(mut self, cluster: Value) -> Self {
        self.clusters.push(cluster);
        self
    }

    /// Makes a label of each `name=.=value;.;` in the name of a stat, as Istio's `extraStatTags`
    /// does.
    #[must_use]
    pub fn stats_tags(mut self, names: &[&str]) -> Self {
        self.tags.extend(
            names.iter().map(
                |name| json!({ "tag_name": name, "regex": format!(r"({name}=\.=(.*?);\.;)") }),
            ),
        );
        self
    }

    /// Takes listeners from this file too, and again whenever it is written.
    #[must_use]
    pub fn lds(mut self, file: &LdsFile) -> Self {
        self.dynamic.insert("lds_config".to_owned(), watched(&file.path()));
        self
    }

    /// Takes clusters from this file too, and again whenever it is written.
    #[must_use]
    pub fn cds(mut self, file: &CdsFile) -> Self {
        self.dynamic.insert("cds_config".to_owned(), watched(&file.path()));
        self
    }

    /// The configuration as JSON.
    #[must_use]
    pub fn build(self) -> Value {
        let mut config = json!({
            // Envoy insists on a name, if configuration may change.
            "node": { "id": "test", "cluster": "test" },
            "static_resources": { "listeners": self.listeners, "clusters": self.clusters },
            "stats_config": { "stats_tags": self.tags },
        });
        if !self.dynamic.is_empty() {
            config["dynamic_resources"] = Value::Object(self.dynamic);
        }
        config
    }
}

fn watched(path: &Path) -> Value {
    json!({ "resource_api_version": "V3", "path_config_source": { "path": path } })
}
