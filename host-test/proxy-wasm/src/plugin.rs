//! How a module is used as a plugin: what Envoy's `PluginConfig` says besides the configuration.

use std::time::Duration;

/// The settings of a plugin, as an operator would write them.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its name, which the property `plugin_name` tells.
    pub name: String,
    /// Its `root_id`, which the property `plugin_root_id` tells.
    pub root_id: String,
    /// The name space of its shared data and queues. Istio leaves it empty for all plugins.
    pub vm_id: String,
    /// What `on_vm_start` gets.
    pub vm_configuration: Vec<u8>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
    /// Properties that root contexts know as well as streams, by the names of their paths:
    /// `xds.node.id` for example.
    pub properties: Vec<(Vec<String>, Vec<u8>)>,
    /// What becomes of a worker whose VM has failed.
    pub failure_policy: FailurePolicy,
    /// Whether a pause in a headers callback lets the body come to the filter. Otherwise all of
    /// the message waits.
    pub allow_on_headers_stop_iteration: bool,
    /// How much of a body may be held back, in bytes. Beyond it a request is answered 413, and a
    /// response is replaced by a 500.
    pub buffer_limit: usize,
}

impl Default for Plugin {
    fn default() -> Self {
        Self {
            name: String::new(),
            root_id: String::new(),
            vm_id: String::new(),
            vm_configuration: Vec::new(),
            environment: Vec::new(),
            properties: Vec::new(),
            failure_policy: FailurePolicy::FailClosed,
            allow_on_headers_stop_iteration: false,
            buffer_limit: 1 << 20,
        }
    }
}

/// What becomes of requests on a worker whose VM has failed.
///
/// Requests that were in the failed VM are answered 503 under any policy, or cut off where their
/// response had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// They are answered 503, for good.
    FailClosed,
    /// They pass by the filter.
    FailOpen,
    /// The next request has the VM built anew, if the last time is at least `backoff` past;
    /// otherwise it is answered 503. Envoy's `backoff` is one second, and up to half of it
    /// longer at random; here the caller's clock decides.
    FailReload {
        /// The shortest time between two builds.
        backoff: Duration,
    },
}
