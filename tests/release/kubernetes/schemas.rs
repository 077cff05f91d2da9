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

/// A policy for a dynamic module as one for a Wasm module, and without what an `EnvoyProxy` says of it.
///
/// The published schemas are those of Envoy Gateway before it had dynamic modules. A real API server
/// has the fields: `make test-control-planes`.
fn without_dynamic_modules(mut object: Value) -> Result<Value> {
    let spec = object["spec"].as_object_mut().context("no spec")?;
    spec.remove("dynamicModules");
    if let Some(Value::Array(mut modules)) = spec.remove("dynamicModule") {
        for module in &mut modules {
            let module = module.as_object_mut().context("no object")?;
            module.remove("filterName");
            let code = json!({ "type": "HTTP", "http": { "url": "http://a.example/a.wasm" } });
            module.insert("code".to_owned(), code);
        }
        spec.insert("wasm".to_owned(), json!(modules));
    }
    for order in spec.get_mut("filterOrder").and_then(Value::as_array_mut).into_iter().flatten() {
        if order["name"] == "envoy.filters.http.dynamic_modules" {
            order["name"] = json!("envoy.filters.http.wasm");
        }
    }
    Ok(object)
}

/// All that a file has, as kinds that have a schema.
pub(crate) fn with_schemas(objects: Vec<Value>) -> Result<Vec<Value>> {
    let known = |object: Value| match object["kind"].as_str() {
        Some("TrafficExtension") => as_wasm_plugin(object),
        Some("EnvoyExtensionPolicy" | "EnvoyProxy") => without_dynamic_modules(object),
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

#[test]
fn the_filters_for_istio_say_what_the_wasm_plugins_say() -> Result<()> {
    let native = Objects::load("envoy/istio/dynamicmodule.yaml")?;
    let filter = &native.get("EnvoyFilter", "edge-breaker")?["spec"];
    let gateway = Objects::load("envoy/istio/gateway.yaml")?;
    let plugins: Vec<_> = gateway.of_kind("WasmPlugin").map(|it| &it["spec"]).collect();
    let patches = filter["configPatches"].as_array().context("no patches")?;
    assert_eq!(patches.len(), plugins.len());
    for (patch, plugin) in patches.iter().zip(plugins) {
        let listener = &patch["match"]["listener"];
        assert_eq!(listener["portNumber"], plugin["match"][0]["ports"][0]["number"]);
        let config = &patch["patch"]["value"]["typed_config"]["filter_config"]["value"];
        assert_eq!(*config, plugin["pluginConfig"]);
        assert_eq!(filter["workloadSelector"]["labels"], plugin["selector"]["matchLabels"]);
    }
    Ok(())
}

#[test]
fn the_policy_for_the_dynamic_module_says_what_that_for_wasm_says() -> Result<()> {
    let native = Objects::load("envoy/envoy-gateway/dynamicmodule.yaml")?;
    let wasm = Objects::load("envoy/envoy-gateway/gateway.yaml")?;
    let policy = |objects: &Objects| {
        anyhow::Ok(objects.get("EnvoyExtensionPolicy", "edge-breaker")?["spec"].clone())
    };
    let (policy, other) = (policy(&native)?, policy(&wasm)?);
    assert_eq!(policy["targetRefs"], other["targetRefs"]);
    assert_eq!(policy["dynamicModule"][0]["config"], other["wasm"][0]["config"]);
    let registered = &native.get("EnvoyProxy", "shop")?["spec"]["dynamicModules"][0]["name"];
    assert_eq!(policy["dynamicModule"][0]["name"], *registered);
    let proxy = |objects: &Objects| {
        let mut proxy = without_dynamic_modules(objects.get("EnvoyProxy", "shop")?.clone())?;
        let bootstrap = proxy["spec"]["bootstrap"]["value"].take();
        let mut bootstrap = envoy_harness::parse_yaml(bootstrap.as_str().context("no bootstrap")?)?;
        let runtime = bootstrap.as_object_mut().and_then(|it| it.remove("layered_runtime"));
        anyhow::Ok((proxy, bootstrap, runtime))
    };
    let (proxy, other) = (proxy(&native)?, proxy(&wasm)?);
    assert_eq!((proxy.0, proxy.1), (other.0, other.1));
    let recipe =
        std::fs::read_to_string(envoy_harness::repo_root().join("envoy/recipe-native.yaml"))?;
    let recipe = envoy_harness::parse_yaml(&recipe)?;
    assert_eq!((proxy.2.as_ref(), other.2), (recipe.get("layered_runtime"), None));
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
