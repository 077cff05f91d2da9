//! The bill of materials: CycloneDX, as JSON.

use anyhow::Result;
use serde_json::{Value, json};

use super::digest::Digest;
use super::linked::{From, Linked};

pub(crate) fn render(version: &str, module: &Digest, crates: &[Linked]) -> Result<String> {
    let components: Vec<_> = crates.iter().map(component).collect();
    let bill = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "edge-breaker",
                "name": "edge-breaker",
                "version": version,
                "hashes": [{ "alg": "SHA-256", "content": module.hex() }],
                "licenses": [{ "expression": env!("CARGO_PKG_LICENSE") }],
            },
        },
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&bill)? + "\n")
}

fn component(linked: &Linked) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": linked.name,
        "name": linked.name,
        "licenses": [{ "expression": linked.license }],
    });
    if let Some(version) = &linked.version {
        component["version"] = json!(version);
        component["bom-ref"] = json!(format!("{}@{version}", linked.name));
        if let From::Package(_) = linked.from {
            component["purl"] = json!(format!("pkg:cargo/{}@{version}", linked.name));
        }
    }
    component
}
