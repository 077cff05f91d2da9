//! HTTP filters.

use std::path::Path;

use serde_json::{Value, json};

/// What becomes of requests when the module of a wasm filter has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// They get a 503.
    FailClosed,
    /// They pass without the filter.
    FailOpen,
    /// The module is started again for the next one.
    FailReload,
}

impl FailurePolicy {
    const fn name(self) -> &'static str {
        match self {
            Self::FailClosed => "FAIL_CLOSED",
            Self::FailOpen => "FAIL_OPEN",
            Self::FailReload => "FAIL_RELOAD",
        }
    }
}

/// A wasm filter.
#[derive(Clone, Debug)]
pub struct Wasm {
    name: String,
    module: String,
    vm_id: String,
    configuration: Option<String>,
    failure_policy: FailurePolicy,
    /// Where the rights stand, and which they are.
    rights: Option<(RightsIn, Value)>,
}

/// Where a plugin's rights stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RightsIn {
    /// Beside `vm_config`, which is deprecated since Envoy 1.40.
    Plugin,
    /// In `vm_config`, since Envoy 1.40.
    Vm,
}

impl Wasm {
    /// A filter made from this module, without configuration, that is started again when it fails.
    ///
    /// A relative path starts at the root of the repository. `name` is the plugin's, which is in
    /// the names of its stats.
    #[must_use]
    pub fn new(name: &str, module: &Path) -> Self {
        Self {
            name: name.to_owned(),
            module: module.display().to_string(),
            vm_id: String::new(),
            configuration: None,
            failure_policy: FailurePolicy::FailReload,
            rights: None,
        }
    }

    /// Filters with the same id share their data.
    #[must_use]
    pub fn vm_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.vm_id);
        self
    }

    /// The configuration of the plugin.
    #[must_use]
    pub fn configuration(self, configuration: &Value) -> Self {
        self.configuration_text(&configuration.to_string())
    }

    /// The same, for a text that need not be JSON.
    #[must_use]
    pub fn configuration_text(mut self, configuration: &str) -> Self {
        self.configuration = Some(configuration.to_owned());
        self
    }

    /// Withholds all but these functions and callbacks from the module.
    #[must_use]
    pub fn rights<'a>(
        mut self,
        within: RightsIn,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let allowed = names.into_iter().map(|name| (name.to_owned(), json!({})));
        let allowed = allowed.collect::<serde_json::Map<_, _>>();
        self.rights = Some((within, json!({ "allowed_capabilities": allowed })));
        self
    }

    /// What becomes of requests when the module has failed.
    #[must_use]
    pub fn failure_policy(mut self, policy: FailurePolicy) -> Self {
        self.failure_policy = policy;
        self
    }

    /// The filter as JSON.
    #[must_use]
    pub fn build(self) -> Value {
        let mut plugin = json!({
            "name": self.name,
            "failure_policy": self.failure_policy.name(),
            "vm_config": {
                "vm_id": self.vm_id,
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": self.module } },
            },
        });
        if let Some((within, rights)) = self.rights {
            let holder = match within {
                RightsIn::Plugin => &mut plugin,
                RightsIn::Vm => &mut plugin["vm_config"],
            };
            holder["capability_restriction_config"] = rights;
        }
        if let Some(configuration) = self.configuration {
            plugin["configuration"] = json!({
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": configuration,
            });
        }
        json!({
            "name": "envoy.filters.http.wasm",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": plugin,
            },
        })
    }
}

impl From<Wasm> for Value {
    fn from(filter: Wasm) -> Self {
        filter.build()
    }
}

/// The breaker as a dynamic module, from the file `libNAME.so`.
#[derive(Clone, Debug)]
pub struct DynamicModule {
    module: String,
    filter: String,
    configuration: String,
}

impl DynamicModule {
    /// One of this module, with this configuration.
    #[must_use]
    pub fn new(module: &str, configuration: &Value) -> Self {
        let (module, filter) = (module.to_owned(), "edge_breaker".to_owned());
        Self { module, filter, configuration: configuration.to_string() }
    }

    /// Another name of the filter: with one more part it has breakers of its own.
    #[must_use]
    pub fn filter_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.filter);
        self
    }
}

impl From<DynamicModule> for Value {
    fn from(filter: DynamicModule) -> Self {
        json!({
            "name": "edge-breaker",
            "typed_config": {
                "@type": DYNAMIC_MODULE,
                "dynamic_module_config": { "name": filter.module },
                "filter_name": filter.filter,
                "filter_config": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": filter.configuration,
                },
            },
        })
    }
}

/// The type of the filter that Envoy runs dynamic modules by.
pub(crate) const DYNAMIC_MODULE: &str =
    "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter";

/// A Lua filter with this source.
#[must_use]
pub fn lua(source: &str) -> Value {
    json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": { "inline_string": source },
        },
    })
}
