//! Where in a file configurations of plugins are.

use crate::check::text::Text;
use crate::document::{self, Node, Position, Value};

const WASM_FILTER: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
const STRING_VALUE: &str = "google.protobuf.StringValue";

/// What is in a file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) plugins: Vec<Finding>,
    /// All of it, if it is more than a plugin's own configuration.
    pub(crate) documents: Vec<Node>,
}

/// A configuration that was found.
#[derive(Debug)]
pub(crate) struct Finding {
    /// What has it, for people: "filter edge-breaker of listener ingress".
    pub(crate) place: String,
    /// The name of the plugin.
    pub(crate) name: Option<String>,
    pub(crate) text: Text,
    /// Where it listens, if others than this machine can come there.
    pub(crate) reachable: Option<String>,
}

/// Finds all configurations of a file.
///
/// A file that holds none of the objects known here, and is an object or wants to be one, is the
/// plugin's own configuration. If it cannot be read the module has the word.
///
/// # Errors
///
/// If it is neither JSON nor YAML, with the place.
pub(crate) fn find(text: &str) -> Result<Found, (Position, String)> {
    let own = || {
        let place = "plugin configuration".to_owned();
        let text = Text::whole_file(text);
        let plugins = vec![Finding { place, name: None, text, reachable: None }];
        Found { plugins, documents: Vec::new() }
    };
    let is_json = text.trim_start().starts_with('{');
    let documents = match document::parse_json(text) {
        Some(node) => vec![node],
        None if is_json => return Ok(own()),
        None => document::parse_yaml(text)?,
    };
    let mut search = Search::default();
    for document in &documents {
        search.look(document);
    }
    let envelope = documents.iter().any(is_envelope);
    Ok(if is_json && !envelope && search.found.is_empty() {
        own()
    } else {
        Found { plugins: search.found, documents }
    })
}

/// Whether this is a document that has configurations in it, or could have.
fn is_envelope(node: &Node) -> bool {
    ["kind", "apiVersion", "static_resources", "resources", "typed_config", "@type"]
        .iter()
        .any(|key| node.get(key).is_some())
}

#[derive(Default)]
struct Search {
    /// The listener around what is looked at.
    listener: Option<String>,
    /// Where that listens, if others than this machine can come there.
    reachable: Option<String>,
    found: Vec<Finding>,
}

impl Search {
    fn look(&mut self, node: &Node) {
        match &node.value {
            Value::Scalar { .. } => {}
            Value::List(nodes) => nodes.iter().for_each(|node| self.look(node)),
            Value::Map(entries) => {
                match node.text_at("kind") {
                    Some(kind @ ("WasmPlugin" | "TrafficExtension")) => self.istio(kind, node),
                    Some("EnvoyExtensionPolicy") => self.gateway(node),
                    _ => {}
                }
                if let Some(filter) = wasm_filter(node) {
                    self.envoy(filter);
                    return;
                }
                let outer = (self.listener.clone(), self.reachable.clone());
                if node.get("filter_chains").is_some() {
                    self.listener = node.text_at("name").map(str::to_owned);
                    self.reachable = reachable(node);
                }
                entries.iter().for_each(|(_, node)| self.look(node));
                (self.listener, self.reachable) = outer;
            }
        }
    }

    /// `filter` is the message of the filter, with the plugin under `config`.
    fn envoy(&mut self, filter: &Node) {
        let config = filter.get("config").unwrap_or(filter);
        let name = config.text_at("name").map(str::to_owned);
        let mut place = format!("filter {}", name.as_deref().unwrap_or("without a name"));
        if let Some(listener) = &self.listener {
            place.push_str(&format!(" of listener {listener}"));
        }
        let text = match config.get("configuration") {
            None => Text::missing(config.at),
            Some(any) => match any.text_at("@type") {
                Some(url) if url.ends_with(STRING_VALUE) => {
                    any.get("value").map_or_else(|| Text::missing(any.at), Text::string)
                }
                // A Struct or something else reaches the module as the bytes of a message.
                _ => {
                    place.push_str(", which is not a google.protobuf.StringValue");
                    Text::message(any)
                }
            },
        };
        self.found.push(Finding { place, name, text, reachable: self.reachable.clone() });
    }

    fn istio(&mut self, kind: &str, object: &Node) {
        let mut configs = Vec::new();
        if let Some(spec) = object.get("spec") {
            values_of("pluginConfig", spec, &mut configs);
        }
        if configs.is_empty() {
            let at = object.get("spec").map_or(object.at, |spec| spec.at);
            self.kubernetes(kind, object, None, Text::missing(at));
        }
        for config in configs {
            self.kubernetes(kind, object, None, Text::nodes(config));
        }
    }

    fn gateway(&mut self, object: &Node) {
        let wasm = object.get("spec").and_then(|spec| spec.get("wasm"));
        let Some(Node { value: Value::List(plugins), .. }) = wasm else {
            return;
        };
        for plugin in plugins {
            let text = plugin.get("config").map_or_else(|| Text::missing(plugin.at), Text::nodes);
            self.kubernetes("EnvoyExtensionPolicy", object, plugin.text_at("name"), text);
        }
    }

    fn kubernetes(&mut self, kind: &str, object: &Node, plugin: Option<&str>, text: Text) {
        let mut place = place(kind, object);
        if let Some(plugin) = plugin {
            place.push_str(&format!(", plugin {plugin}"));
        }
        let name = plugin.or_else(|| object.get("metadata")?.text_at("name"));
        let name = Some(name.unwrap_or("without a name").to_owned());
        // Envoy Gateway binds all listeners to all addresses of the pod. What Istio does, other objects say.
        let reachable = (kind == "EnvoyExtensionPolicy").then(|| "all addresses".to_owned());
        self.found.push(Finding { place, name, text, reachable });
    }
}

/// An object of Kubernetes, for people.
pub(super) fn place(kind: &str, object: &Node) -> String {
    let metadata = object.get("metadata");
    let field = |name| metadata.and_then(|metadata| metadata.text_at(name));
    let name = field("name").unwrap_or("without a name");
    match field("namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// The address of a listener, if it is none of the loopback interface.
fn reachable(listener: &Node) -> Option<String> {
    let address = listener.get("address")?.get("socket_address")?.text_at("address")?;
    let address: std::net::IpAddr = address.parse().ok()?;
    (!address.is_loopback()).then(|| address.to_string())
}

/// The message of a wasm filter, if this is one: plain, or in a `TypedStruct`.
pub(super) fn wasm_filter(node: &Node) -> Option<&Node> {
    let is = |key| node.text_at(key).is_some_and(|url| url.ends_with(WASM_FILTER));
    if is("@type") {
        Some(node)
    } else if is("type_url") {
        node.get("value")
    } else {
        None
    }
}

/// All values of a key, however deep.
fn values_of<'n>(key: &str, node: &'n Node, found: &mut Vec<&'n Node>) {
    match &node.value {
        Value::Scalar { .. } => {}
        Value::List(nodes) => nodes.iter().for_each(|node| values_of(key, node, found)),
        Value::Map(entries) => {
            for (name, node) in entries {
                if name.name == key {
                    found.push(node);
                } else {
                    values_of(key, node, found);
                }
            }
        }
    }
}
