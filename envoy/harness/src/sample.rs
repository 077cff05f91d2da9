//! A configuration that people copy, moved out of the way of whatever else runs.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Parses YAML, of which JSON is a part.
///
/// # Errors
/// When it is not YAML; the message shows where.
pub fn parse_yaml(text: &str) -> Result<Value> {
    serde_saphyr::from_str(text).context("not YAML")
}

/// Parses a YAML file of several documents, as `kubectl` takes them.
///
/// # Errors
/// When one of them is not YAML; the message shows where.
pub fn parse_yaml_documents(text: &str) -> Result<Vec<Value>> {
    serde_saphyr::from_multiple(text).context("not YAML")
}

/// A bootstrap configuration. Its methods change ports and parameters and leave the rest as it is,
/// so that what is tested is what people copy. A change that finds nothing to change is an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    config: Value,
}

impl Sample {
    /// Loads a file; `path` starts at the root of the repository. Every listener gets a port that
    /// the kernel chooses: [`Envoy::listener_addr`](crate::Envoy::listener_addr) tells which. If it names
    /// the module for proxies, that is built; a dynamic module is whatever is there.
    ///
    /// # Errors
    /// When it cannot be read or is not YAML, or when the module cannot be built.
    pub fn load(path: &str) -> Result<Self> {
        let file = crate::repo_root().join(path);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        if text.contains(artifacts::PROXY_WASM) {
            artifacts::proxy_wasm()?;
        }
        Self::parse(&text).with_context(|| path.to_owned())
    }

    /// The same for a text.
    ///
    /// # Errors
    /// When it is not YAML.
    pub fn parse(text: &str) -> Result<Self> {
        let mut config = parse_yaml(text)?;
        visit(&mut config["static_resources"]["listeners"], "socket_address", &mut |address| {
            address["port_value"] = json!(0);
        });
        Ok(Self { config })
    }

    /// Gives the listener of this name a fixed port, as when a cluster of the same proxy has to
    /// know it.
    ///
    /// # Errors
    /// When there is no such listener.
    pub fn listen(mut self, listener: &str, address: SocketAddr) -> Result<Self> {
        let listeners = self.config["static_resources"]["listeners"].as_array_mut();
        let found = listeners.into_iter().flatten().find(|found| found["name"] == listener);
        let found = found.with_context(|| format!("no listener {listener:?}"))?;
        found["address"] = json!({ "socket_address": socket_address(address) });
        Ok(self)
    }

    /// Points every endpoint of the clusters that has this port to another address.
    ///
    /// # Errors
    /// When no endpoint has this port.
    pub fn endpoint(mut self, port: u16, address: SocketAddr) -> Result<Self> {
        let mut moved = false;
        visit(&mut self.config["static_resources"]["clusters"], "socket_address", &mut |found| {
            if found["port_value"] == port {
                *found = socket_address(address);
                moved = true;
            }
        });
        ensure!(moved, "no endpoint with port {port}");
        Ok(self)
    }

    /// Edits the JSON configuration of every plugin, in whichever form.
    ///
    /// # Errors
    /// When there is none, or it is not JSON in a `StringValue`.
    pub fn plugin(mut self, mut edit: impl FnMut(&mut Value)) -> Result<Self> {
        let mut edited = Ok(0);
        visit_plugins(&mut self.config, &mut |form, plugin| {
            if let Ok(count) = edited {
                let configuration = &mut plugin[form.configuration()];
                edited = edit_json(configuration, &mut edit).map(|()| count + 1);
            }
        });
        ensure!(edited? > 0, "no plugin");
        Ok(self)
    }

    /// Takes every plugin from this file.
    ///
    /// # Errors
    /// When there is no plugin.
    pub fn module(mut self, file: &str) -> Result<Self> {
        let mut found = false;
        visit_plugins(&mut self.config, &mut |form, plugin| {
            *form.code(plugin) = json!({ "local": { "filename": file } });
            found = true;
        });
        ensure!(found, "no plugin");
        Ok(self)
    }

    /// Any other change.
    #[must_use]
    pub fn edit(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        edit(&mut self.config);
        self
    }

    /// The configuration as it is now.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.config
    }
}

fn socket_address(address: SocketAddr) -> Value {
    json!({ "address": address.ip(), "port_value": address.port() })
}

/// Calls `edit` on the value of every member of this name, at any depth.
fn visit(value: &mut Value, name: &str, edit: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, name, edit)),
        Value::Object(members) => {
            for (key, member) in members {
                if key == name {
                    edit(member);
                } else {
                    visit(member, name, edit);
                }
            }
        }
        _ => {}
    }
}

/// The form that a plugin has.
#[derive(Clone, Copy)]
enum Form {
    /// A `PluginConfig`: the `config` that has a `vm_config`.
    Wasm,
    /// A `DynamicModuleFilter`.
    Native,
}

impl Form {
    fn of(value: &Value) -> Option<Self> {
        let forms = [("vm_config", Self::Wasm), ("dynamic_module_config", Self::Native)];
        forms.into_iter().find(|(field, _)| value.get(field).is_some()).map(|(_, form)| form)
    }

    const fn configuration(self) -> &'static str {
        match self {
            Self::Wasm => "configuration",
            Self::Native => "filter_config",
        }
    }

    fn code(self, plugin: &mut Value) -> &mut Value {
        match self {
            Self::Wasm => &mut plugin["vm_config"]["code"],
            Self::Native => &mut plugin["dynamic_module_config"]["module"],
        }
    }
}

/// Calls `edit` on every plugin.
fn visit_plugins(value: &mut Value, edit: &mut impl FnMut(Form, &mut Value)) {
    if let Some(form) = Form::of(value) {
        return edit(form, value);
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| visit_plugins(item, edit)),
        Value::Object(members) => members.values_mut().for_each(|it| visit_plugins(it, edit)),
        _ => {}
    }
}

fn edit_json(string_value: &mut Value, edit: &mut impl FnMut(&mut Value)) -> Result<()> {
    let text = string_value["value"].as_str().context("a plugin without a StringValue")?;
    let mut configuration = serde_json::from_str(text).context("a plugin without JSON")?;
    edit(&mut configuration);
    string_value["value"] = Value::String(configuration.to_string());
    Ok(())
}

#[cfg(test)]
#[path = "sample_tests.rs"]
mod tests;
