//! Where in a file configurations of plugins are.

use super::embedded;
use super::filter::{self, Filter, Form};
use super::text::Text;
use crate::document::{self, Key, Node, Position, Value};

const ISTIO: &str = "extensions.istio.io";
const HIGRESS: &str = "extensions.higress.io";

/// What is in a file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) plugins: Vec<Finding>,
    /// All of it, if it is more than a plugin's own configuration; documents in strings, too.
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
    /// `None`: the file does not say.
    pub(crate) form: Option<Form>,
    /// Where it listens, if others than this machine can come there.
    pub(crate) reachable: Option<String>,
    /// The number of the document that it is in.
    pub(crate) document: usize,
    pub(crate) home: Home,
}

/// What brings a configuration to its proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// Nothing that is in the file.
    Unknown,
    Envoy {
        namespace: String,
    },
    Istio,
    /// Higress, which has a default, and rules about whose requests get another one.
    Higress {
        rules: Option<Position>,
    },
    /// Envoy Gateway, with the kinds and names of what the policy is for.
    Gateway {
        targets: Vec<(String, String)>,
    },
}

impl Finding {
    /// The configuration; null if it is not JSON.
    pub(crate) fn config(&self) -> serde_json::Value {
        serde_json::from_slice(self.text.bytes()).unwrap_or_default()
    }
}

/// Finds the configurations of a file, all or those of plugins of these names.
///
/// # Errors
///
/// If it cannot be read, or there is none.
pub(crate) fn find_in(file: &str, text: &str, only: &[String]) -> anyhow::Result<Found> {
    let mut found =
        find(text).map_err(|(at, problem)| anyhow::anyhow!("{file}:{at}: {problem}"))?;
    if !only.is_empty() {
        found.plugins.retain(|finding| finding.name.as_ref().is_some_and(|it| only.contains(it)));
    }
    if found.plugins.is_empty() {
        let whose = if only.is_empty() { "" } else { " of that name" };
        anyhow::bail!(
            "{file}: no plugin{whose} is configured here; looked for wasm filters and the dynamic module's of \
             Envoy, for WasmPlugin, TrafficExtension, EnvoyFilter and EnvoyExtensionPolicy, for these in a \
             ConfigMap, and for `services` or another field of the plugin's own configuration"
        );
    }
    Ok(found)
}

/// Finds all configurations of a file.
///
/// A file that holds none of the objects known here, and is an object or wants to be one, is the
/// plugin's own configuration. If it cannot be read the module has the word.
///
/// # Errors
///
/// If it is neither JSON nor YAML, with the place.
fn find(text: &str) -> Result<Found, (Position, String)> {
    let own = |text| Found { plugins: vec![own(text, 0)], documents: Vec::new() };
    let is_json = text.trim_start().starts_with('{');
    let mut documents = match document::parse_json(text) {
        Some(node) => vec![node],
        None if is_json => return Ok(own(Text::whole_file(text))),
        None => document::parse_yaml(text)?,
    };
    let inner = documents.iter().map(embedded::documents).collect::<Result<Vec<_>, _>>()?;
    documents.extend(inner.into_iter().flatten());
    let mut search = Search::default();
    for (number, document) in documents.iter().enumerate() {
        search.document = number;
        search.look(document);
    }
    let envelope = documents.iter().any(is_envelope);
    if is_json && !envelope && search.found.is_empty() {
        return Ok(own(Text::whole_file(text)));
    }
    // As YAML, or as one of several entries of a ConfigMap.
    for (number, document) in documents.iter().enumerate() {
        if is_own(document) {
            search.found.push(self::own(Text::nodes(document), number));
        }
    }
    Ok(Found { plugins: search.found, documents })
}

/// The plugin's own configuration.
fn own(text: Text, document: usize) -> Finding {
    let place = "plugin configuration".to_owned();
    let home = Home::Unknown;
    Finding { place, name: None, text, form: None, reachable: None, document, home }
}

/// Whether this is a document that has configurations in it, or could have.
fn is_envelope(node: &Node) -> bool {
    ["kind", "apiVersion", "static_resources", "resources", "typed_config", "@type"]
        .iter()
        .any(|key| node.get(key).is_some())
}

/// Whether this is the plugin's own configuration, by what no other file has so.
fn is_own(node: &Node) -> bool {
    let is_list = |key| matches!(node.get(key), Some(Node { value: Value::List(_), .. }));
    let is_map = |key| matches!(node.get(key), Some(Node { value: Value::Map(_), .. }));
    !is_envelope(node) && (is_list("services") || (is_map("defaults") && is_map("admin")))
}

#[derive(Default)]
struct Search {
    /// The listener around what is looked at.
    listener: Option<String>,
    /// Where that listens, if others than this machine can come there.
    reachable: Option<String>,
    document: usize,
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
                if let Some(filter) = Filter::of(node) {
                    self.envoy(&filter);
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

    fn envoy(&mut self, filter: &Filter<'_>) {
        let mut place = format!("filter {}", filter.name.unwrap_or("without a name"));
        if let Some(listener) = &self.listener {
            place.push_str(&format!(" of listener {listener}"));
        }
        if filter.is_given_otherwise() {
            place.push_str(", which is not a google.protobuf.StringValue");
        }
        let text = filter.text();
        self.found.push(Finding {
            place: told(place, &text),
            name: filter.name.map(str::to_owned),
            text,
            form: Some(filter.form),
            reachable: self.reachable.clone(),
            document: self.document,
            home: Home::Envoy { namespace: filter.namespace.to_owned() },
        });
    }

    fn istio(&mut self, kind: &str, object: &Node) {
        let group = object.text_at("apiVersion").and_then(|it| it.split('/').next());
        let Some(spec) = object.get("spec") else {
            return self.kubernetes(kind, object, None, Text::missing(object.at), Home::Istio);
        };
        let mut configs = Vec::new();
        values_of("pluginConfig", spec, &mut configs);
        let mut home = Home::Istio;
        // Its kind is called the same, and is in a group of its own.
        if group != Some(ISTIO) && (group == Some(HIGRESS) || spec.get("defaultConfig").is_some()) {
            let rules = spec.get("matchRules");
            home = Home::Higress { rules: rules.map(|rules| rules.at) };
            if let Some(rules) = rules {
                let config = with_rules(spec.get("defaultConfig"), rules);
                return self.kubernetes(kind, object, None, Text::nodes(&config), home);
            }
            configs.extend(spec.get("defaultConfig"));
        }
        if configs.is_empty() {
            self.kubernetes(kind, object, None, Text::missing(spec.at), home.clone());
        }
        for config in configs {
            self.kubernetes(kind, object, None, Text::nodes(config), home.clone());
        }
    }

    fn gateway(&mut self, object: &Node) {
        let Some(spec) = object.get("spec") else {
            return;
        };
        let targets = spec.items("targetRefs").iter().chain(spec.get("targetRef"));
        let targets = targets.filter_map(|target| {
            Some((target.text_at("kind")?.to_owned(), target.text_at("name")?.to_owned()))
        });
        let home = Home::Gateway { targets: targets.collect() };
        let is_breaker = |plugin: &&Node| {
            filter::namespace(plugin.text_at("filterName").unwrap_or_default()).is_some()
        };
        let native = spec.items("dynamicModule").iter().filter(is_breaker);
        let native = native.map(|plugin| (Form::Native, plugin));
        let wasm = spec.items("wasm").iter().map(|plugin| (Form::Wasm, plugin));
        for (form, plugin) in wasm.chain(native) {
            let text = plugin.get("config").map_or_else(|| Text::missing(plugin.at), Text::nodes);
            let name = plugin.text_at("name");
            self.kubernetes("EnvoyExtensionPolicy", object, name, text, home.clone());
            self.found.last_mut().into_iter().for_each(|found| found.form = Some(form));
        }
    }

    /// An object that brings a Wasm module to its proxy.
    fn kubernetes(
        &mut self,
        kind: &str,
        object: &Node,
        plugin: Option<&str>,
        text: Text,
        home: Home,
    ) {
        let mut place = place(kind, object);
        if let Some(plugin) = plugin {
            place.push_str(&format!(", plugin {plugin}"));
        }
        let name = plugin.or_else(|| object.get("metadata")?.text_at("name"));
        let name = Some(name.unwrap_or("without a name").to_owned());
        // Envoy Gateway binds all listeners to all addresses of the pod. What Istio does, other objects say.
        let reachable = (kind == "EnvoyExtensionPolicy").then(|| "all addresses".to_owned());
        let (place, document) = (told(place, &text), self.document);
        let form = Some(Form::Wasm);
        self.found.push(Finding { place, name, text, form, reachable, document, home });
    }
}

/// A place that says so where there is no configuration, which is one.
fn told(mut place: String, text: &Text) -> String {
    if text.bytes().is_empty() {
        place.push_str(", without a configuration: a breaker for each cluster");
    }
    place
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

/// A configuration as Higress makes it where there are rules about whose requests get another one.
fn with_rules(config: Option<&Node>, rules: &Node) -> Node {
    let entry = |name: &str| (Key { at: rules.at, name: name.to_owned() }, rules.clone());
    let mut entries = match config.map(|config| &config.value) {
        Some(Value::Map(entries)) => entries.clone(),
        _ => Vec::new(),
    };
    entries.push(entry("_rules_"));
    Node { at: config.map_or(rules.at, |config| config.at), value: Value::Map(entries) }
}

/// The address of a listener, if it is none of the loopback interface.
fn reachable(listener: &Node) -> Option<String> {
    let address = listener.get("address")?.get("socket_address")?.text_at("address")?;
    let address: std::net::IpAddr = address.parse().ok()?;
    (!address.is_loopback()).then(|| address.to_string())
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
