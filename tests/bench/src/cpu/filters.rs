//! The filters under comparison, as Envoy is configured for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use envoy_harness::config::{Wasm, lua};
use envoy_harness::repo_root;
use serde_json::{Value, json};

/// What the closed path asks of the proxy, without anything that is done with it.
const CALLS: &str = include_str!("calls.wat");
const LUA: &str = include_str!("breaker.lua");
const EMPTY_MODULE: &str = include_str!("../../empty-module/empty.c");

/// The folder that Envoy takes dynamic modules from: ours is built there.
pub(crate) fn modules() -> PathBuf {
    repo_root().join("target/native/local")
}

fn folder() -> PathBuf {
    repo_root().join("target/bench")
}

/// The least filter that the proxy-wasm SDK can build.
pub(crate) fn empty_wasm() -> Result<Value> {
    Ok(Wasm::new("empty", &artifacts::empty_filter()?).build())
}

/// A module that makes the calls of the closed path, and nothing else.
pub(crate) fn calls() -> Result<Value> {
    let path = folder().join("calls.wasm");
    fs::create_dir_all(folder())?;
    fs::write(&path, wat::parse_str(CALLS)?).with_context(|| path.display().to_string())?;
    Ok(Wasm::new("calls", &path).build())
}

/// This filter as a Wasm module.
pub(crate) fn wasm(module: &Path, configuration: &Value) -> Result<Value> {
    ensure!(module.exists(), "{} is not there", module.display());
    let filter = Wasm::new("edge_breaker", module).vm_id("edge-breaker");
    Ok(filter.configuration(configuration).build())
}

/// The least dynamic module.
pub(crate) fn empty_native() -> Result<Value> {
    let (source, module) = (folder().join("empty.c"), modules().join("libempty.so"));
    fs::create_dir_all(modules())?;
    fs::write(&source, EMPTY_MODULE)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-shared", "-fPIC", "-o"]).arg(&module).arg(&source);
    artifacts::run(&mut compiler).context("the empty module needs a C compiler")?;
    Ok(dynamic_module("empty", &json!({})))
}

/// This filter as a dynamic module.
pub(crate) fn native(configuration: &Value) -> Result<Value> {
    let module = artifacts::dynamic_module()?;
    ensure!(module.starts_with(modules()), "{} is elsewhere", module.display());
    Ok(dynamic_module("edge_breaker", configuration))
}

fn dynamic_module(name: &str, configuration: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.dynamic_modules",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
            "dynamic_module_config": { "name": name, "do_not_close": true },
            "filter_name": name,
            "filter_config": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": configuration.to_string(),
            },
        },
    })
}

/// A breaker of the same policy, in Lua.
pub(crate) fn lua_breaker() -> Value {
    lua(LUA)
}

/// Envoy's own filter that turns calls away when too many fail. Its values are those of its manual.
pub(crate) fn admission_control() -> Value {
    let value = |value: Value| json!({ "default_value": value, "runtime_key": "none" });
    json!({
        "name": "envoy.filters.http.admission_control",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.admission_control.v3.AdmissionControl",
            "enabled": value(json!(true)),
            "sampling_window": "120s",
            "sr_threshold": value(json!({ "value": 95.0 })),
            "aggression": value(json!(1.5)),
            "rps_threshold": value(json!(5)),
            "max_rejection_probability": value(json!({ "value": 80.0 })),
            "success_criteria": {
                "http_criteria": { "http_success_status": [{ "start": 100, "end": 500 }] },
                "grpc_criteria": { "grpc_success_status": [0] },
            },
        },
    })
}

/// A service as the recipe has it: everything is configured that the closed path could have to look
/// at.
pub(crate) fn service() -> Value {
    json!({
        "name": "payment-service",
        "match": { "path_prefixes": ["/payments"] },
        "trip": { "consecutive_failures": 3 },
        "health_check": { "cluster": "upstream", "path": "/health", "interval": "5s" },
        "fallback": { "cluster": "fallback", "on_failure": true },
    })
}

/// The same with all that looks at more than failures in a row.
pub(crate) fn service_with_rates() -> Value {
    let mut service = service();
    service["trip"] = json!({
        "consecutive_failures": 3,
        "failure_rate_threshold": 50,
        "slow_call_rate_threshold": 80,
        "slow_call_duration_threshold": "2s",
    });
    service["bulkhead"] = json!({ "max_concurrent_calls": 100 });
    service
}

/// The same, which is open for as long as it is measured once it has tripped.
pub(crate) fn service_that_stays_open() -> Value {
    let mut service = service();
    service["open"] = json!({ "wait_duration": "1h", "jitter": 0 });
    if let Some(fields) = service.as_object_mut() {
        fields.remove("health_check");
    }
    service
}

/// The configuration with this service alone.
pub(crate) fn one(service: Value) -> Value {
    json!({ "services": [service] })
}

/// The same behind 999 others that differ by their paths.
pub(crate) fn one_of_a_thousand() -> Value {
    let other = |number: u32| {
        let mut other = service();
        other["name"] = json!(format!("service-{number}"));
        other["match"] = json!({ "path_prefixes": [format!("/service-{number}/")] });
        other
    };
    let services: Vec<_> = (1..1000).map(other).chain([service()]).collect();
    json!({ "services": services })
}
