//! Samples in force.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use serde_json::{Value, json};
use tests::objects::Objects;

use crate::cluster::Cluster;

/// Objects that are applied. Dropped, they are deleted.
#[derive(Debug)]
pub(crate) struct Applied {
    cluster: &'static Cluster,
    objects: Mutex<Vec<Value>>,
}

impl Applied {
    /// Applies these.
    pub(crate) fn apply(cluster: &'static Cluster, objects: &Objects) -> Result<Self> {
        let applied = Self::expected(cluster, objects);
        cluster.apply(&list(&objects.0))?;
        Ok(applied)
    }

    /// What the commands of a page will apply.
    pub(crate) fn expected(cluster: &'static Cluster, objects: &Objects) -> Self {
        Self { cluster, objects: Mutex::new(objects.0.clone()) }
    }

    /// Applies one more, or one in another form.
    pub(crate) fn add(&self, object: &Value) -> Result<()> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).push(object.clone());
        self.cluster.apply(object)?;
        Ok(())
    }
}

impl Drop for Applied {
    fn drop(&mut self) {
        let objects = self.objects.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.cluster.delete(&list(objects)) {
            eprintln!("objects of a test were not deleted: {error:#}");
        }
    }
}

fn list(objects: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": objects })
}
