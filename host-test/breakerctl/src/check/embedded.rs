//! Documents inside of strings: an `envoy.yaml` in a ConfigMap, a bootstrap in an EnvoyProxy.

use crate::document::{self, Node, Position, Style, Value};

/// What a configuration that was meant to be found has in it.
const SIGNS: [&str; 2] = ["filters.http.wasm.v3.Wasm", "WasmPlugin"];

/// All documents in strings of an object, at their places in the file.
///
/// # Errors
///
/// If one that has the filter in it cannot be read, with the place.
pub(super) fn documents(node: &Node) -> Result<Vec<Node>, (Position, String)> {
    let mut found = Vec::new();
    look(node, &mut found)?;
    Ok(found)
}

fn look(node: &Node, found: &mut Vec<Node>) -> Result<(), (Position, String)> {
    match (node.text_at("kind"), &node.value) {
        (_, Value::Scalar { .. }) => {}
        (Some("ConfigMap"), _) => {
            for entry in node.get("data").map(Node::values).into_iter().flatten() {
                found.extend(parse(entry)?);
            }
        }
        (Some("Secret"), _) => {
            for entry in node.get("stringData").map(Node::values).into_iter().flatten() {
                found.extend(parse(entry)?);
            }
        }
        (Some("EnvoyProxy"), _) => {
            let bootstrap = node.get("spec").and_then(|spec| spec.get("bootstrap"));
            if let Some(value) = bootstrap.and_then(|bootstrap| bootstrap.get("value")) {
                found.extend(parse(value)?);
            }
        }
        _ => node.values().try_for_each(|node| look(node, found))?,
    }
    Ok(())
}

/// The objects in a string, if there are any.
fn parse(node: &Node) -> Result<Vec<Node>, (Position, String)> {
    let Value::Scalar { text, style } = &node.value else {
        return Ok(Vec::new());
    };
    let at = node.at;
    let to = |inner: Position| match style {
        Style::Literal => {
            Position { line: at.line + inner.line - 1, column: at.column + inner.column - 1 }
        }
        Style::Plain | Style::Text => at,
    };
    let nodes = match document::parse_json(text) {
        Some(node) => vec![node],
        None => match document::parse_yaml(text) {
            Ok(nodes) => nodes,
            Err((inner, problem)) if SIGNS.iter().any(|sign| text.contains(sign)) => {
                return Err((to(inner), problem));
            }
            // A ConfigMap may hold anything.
            Err(_) => Vec::new(),
        },
    };
    let is_object = |node: &Node| matches!(node.value, Value::Map(_));
    Ok(nodes.into_iter().filter(is_object).map(|node| node.moved(&to)).collect())
}
