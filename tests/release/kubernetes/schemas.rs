//! The objects against the published schemas of their kinds, unknown fields refused.

use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail, ensure};
use host_test_component::node::Project;
use serde_json::{Value, json};
use tests::objects::{FILES, Objects};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/release/kubernetes/node");

static PROJECT: LazyLock<Project> =
    LazyLock::new(|| Project::open("kubernetes", Path::new(SCRIPTS)).unwrap());

/// What is wrong with each of these.
fn problems(objects: &[Value]) -> Result<Vec<Vec<String>>> {
    let mut file = tempfile::NamedTempFile::new()?;
    serde_json::to_writer(&mut file, objects)?;
    file.flush()?;
    let printed = PROJECT.run("validate.mjs", [file.path()])?;
    let problems: Vec<_> = serde_json::from_str(&printed).context(printed)?;
    ensure!(problems.len() == objects.len(), "{} for {}", problems.len(), objects.len());
    Ok(problems)
}

/// Fails if anything is wrong with one of these.
pub(crate) fn assert_valid(source: &str, objects: &[Value]) -> Result<()> {
    for (object, problems) in objects.iter().zip(problems(objects)?) {
        if !problems.is_empty() {
            bail!("{source}: {} {}: {problems:?}", object["kind"], object["metadata"]["name"]);
        }
    }
    Ok(())
}

/// A `TrafficExtension` as the `WasmPlugin` that Istio would make it of.
///
/// Its own schema is not published yet; that of a `WasmPlugin` has all of its fields but the level at which
/// they are.
fn as_wasm_plugin(mut extension: Value) -> Result<Value> {
    extension["kind"] = json!("WasmPlugin");
    let spec = extension["spec"].as_object_mut().context("no spec")?;
    let Some(Value::Object(wasm)) = spec.remove("wasm") else { bail!("no wasm: {spec:?}") };
    let outer = ["selector", "targetRefs", "match", "phase", "priority"];
    ensure!(spec.keys().all(|key| outer.contains(&key.as_str())), "{spec:?}");
    ensure!(wasm.keys().all(|key| !outer.contains(&key.as_str())), "{wasm:?}");
    spec.extend(wasm);
    Ok(extension)
}

/// All that a file has, as kinds that have a schema.
pub(crate) fn with_schemas(objects: Vec<Value>) -> Result<Vec<Value>> {
    let known = |object: Value| match object["kind"].as_str() {
        Some("TrafficExtension") => as_wasm_plugin(object),
        _ => Ok(object),
    };
    objects.into_iter().map(known).collect()
}

#[test]
fn every_object_is_as_its_published_schema_says() -> Result<()> {
    for file in FILES {
        assert_valid(file, &with_schemas(Objects::load(file)?.0)?)?;
    }
    Ok(())
}

#[test]
fn a_field_that_no_schema_knows_is_found_wherever_it_is() -> Result<()> {
    for file in FILES {
        let objects = with_schemas(Objects::load(file)?.0)?;
        let mut misspelt = Vec::new();
        for object in &objects {
            for place in places(&object["spec"], "/spec") {
                let mut object = object.clone();
                let holder = object.pointer_mut(&place).and_then(Value::as_object_mut);
                holder.context(place.clone())?.insert("mispelt".to_owned(), json!(1));
                misspelt.push((place, object));
            }
        }
        let (places, misspelt): (Vec<_>, Vec<_>) = misspelt.into_iter().unzip();
        for (place, problems) in places.iter().zip(problems(&misspelt)?) {
            assert!(
                problems.iter().any(|problem| problem.contains(place)),
                "{file}: {place}: {problems:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_value_of_another_type_is_found() -> Result<()> {
    let mut service = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": { "name": "shop" },
        "spec": { "servers": [{ "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] }] },
    });
    assert_valid("a gateway", &[service.clone()])?;
    service["spec"]["servers"][0]["port"]["number"] = json!("80");
    assert!(assert_valid("a gateway", &[service]).is_err());
    Ok(())
}

#[test]
fn the_traffic_extensions_say_what_the_wasm_plugins_say() -> Result<()> {
    let extensions = with_schemas(Objects::load("envoy/istio/trafficextension.yaml")?.0)?;
    let gateway = Objects::load("envoy/istio/gateway.yaml")?;
    assert_eq!(extensions, gateway.of_kind("WasmPlugin").cloned().collect::<Vec<_>>());
    Ok(())
}

/// Every object below a value, but what takes any field: labels, headers, a plugin's configuration, a patch.
fn places(value: &Value, path: &str) -> Vec<String> {
    const FREE: [&str; 8] = [
        "pluginConfig",
        "config",
        "matchLabels",
        "labels",
        "selector",
        "sourceLabels",
        "headers",
        "value",
    ];
    match value {
        Value::Object(members) => {
            let free =
                |key: &String, member: &Value| FREE.contains(&key.as_str()) && member.is_object();
            let inner = members.iter().filter(|(key, member)| !free(key, member));
            let inner = inner.flat_map(|(key, member)| places(member, &format!("{path}/{key}")));
            [path.to_owned()].into_iter().chain(inner).collect()
        }
        Value::Array(items) => {
            let inner = items.iter().enumerate();
            inner.flat_map(|(index, item)| places(item, &format!("{path}/{index}"))).collect()
        }
        _ => Vec::new(),
    }
}
