//! The breaker as a filter of Envoy's, in either form.

use super::text::Text;
use crate::document::{Node, Position};

const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
const NATIVE: &str = "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter";
const STRING_VALUE: &str = "google.protobuf.StringValue";
const STRUCT: &str = "google.protobuf.Struct";

/// The name of the dynamic module's filter, and of the module, where a filter has no name.
const NAME: &str = "edge_breaker";

/// What runs the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Wasm,
    /// Envoy itself, by the dynamic module.
    Native,
}

/// A filter that was found.
#[derive(Debug)]
pub(super) struct Filter<'n> {
    pub(super) form: Form,
    pub(super) name: Option<&'n str>,
    /// Filters of one form share their breakers with those of the same namespace.
    pub(super) namespace: &'n str,
    configuration: Option<&'n Node>,
    at: Position,
}

impl<'n> Filter<'n> {
    /// The filter, if this is one, or the message of one: plain, or in a `TypedStruct`.
    pub(super) fn of(node: &'n Node) -> Option<Self> {
        let message = node.get("typed_config").unwrap_or(node);
        if let Some(message) = as_type(message, WASM) {
            let plugin = message.get("config").unwrap_or(message);
            let vm_id = plugin.get("vm_config").and_then(|vm| vm.text_at("vm_id"));
            return Some(Self {
                form: Form::Wasm,
                name: plugin.text_at("name"),
                namespace: vm_id.unwrap_or_default(),
                configuration: plugin.get("configuration"),
                at: plugin.at,
            });
        }
        let filter = as_type(message, NATIVE)?;
        let named = filter.text_at("filter_name").unwrap_or_default();
        if named.is_empty() && !is_breaker(filter.get("dynamic_module_config")?) {
            return None;
        }
        Some(Self {
            form: Form::Native,
            name: node.text_at("name"),
            namespace: namespace(named)?,
            configuration: filter.get("filter_config"),
            at: filter.at,
        })
    }

    /// Whether the module gets something else than the text that it wants.
    pub(super) fn is_given_otherwise(&self) -> bool {
        self.configuration.is_some_and(|any| !is(any, STRING_VALUE) && !self.is_struct(any))
    }

    /// The configuration, as the module gets it.
    pub(super) fn text(&self) -> Text {
        let Some(any) = self.configuration else {
            return Text::missing(self.at);
        };
        match any.get("value") {
            Some(value) if is(any, STRING_VALUE) => Text::string(value),
            Some(value) if self.is_struct(any) => Text::nodes(value),
            None if is(any, STRING_VALUE) || self.is_struct(any) => Text::missing(any.at),
            // It reaches the module as the bytes of a message.
            _ => Text::message(any),
        }
    }

    /// Envoy makes JSON of it for a dynamic module.
    fn is_struct(&self, any: &Node) -> bool {
        self.form == Form::Native && is(any, STRUCT)
    }
}

/// What the name of a dynamic module's filter says beside that it is the breaker; `None`: it is another.
pub(super) fn namespace(filter_name: &str) -> Option<&str> {
    match filter_name.strip_prefix(NAME).unwrap_or(filter_name) {
        "" => Some(""),
        rest => rest.strip_prefix('/').filter(|_| filter_name.starts_with(NAME)),
    }
}

/// Whether a dynamic module is the breaker's, by its name or that of its file.
fn is_breaker(module: &Node) -> bool {
    let source = module.get("module");
    let file = source.and_then(|it| it.get("local")).and_then(|it| it.text_at("filename"));
    let uri = source.and_then(|it| it.get("remote")?.get("http_uri")?.text_at("uri"));
    let named = [module.text_at("name"), file, uri];
    named.into_iter().flatten().any(|name| name.contains(NAME))
}

/// The message of this type, if it is one: plain, or in a `TypedStruct`.
fn as_type<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    if is(node, name) {
        Some(node)
    } else if node.text_at("type_url").is_some_and(|url| url.ends_with(name)) {
        node.get("value")
    } else {
        None
    }
}

fn is(node: &Node, name: &str) -> bool {
    node.text_at("@type").is_some_and(|url| url.ends_with(name))
}
