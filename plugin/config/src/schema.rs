//! The JSON Schema of the configuration, for editors and linters: what the table of fields says, and
//! what is said of it.

#![allow(clippy::indexing_slicing, reason = "it is a tool's, and in no module")]

use serde_json::{Map, Value, json};

use crate::about::{Described, Remarks, remark};
use crate::columns::{columns, default_of};
use crate::field::{Field, Kind, Missing};
use crate::fields::{DEFAULTS, OBJECTS, WORDS};
use crate::form::Form;
use crate::status::GRPC_NAMES;

/// Numbers with units, the longest unit first.
const DURATION: &str = concat!(
    r"^([0-9]+(\.[0-9]{1,9})?h)?([0-9]+(\.[0-9]{1,9})?m)?([0-9]+(\.[0-9]{1,9})?s)?",
    r"([0-9]+(\.[0-9]{1,9})?ms)?([0-9]+(\.[0-9]{1,9})?us)?([0-9]+(\.[0-9]{1,9})?ns)?$",
);
/// A class, a code or a range.
const STATUS: &str = "^([1-5]xx|[1-5][0-9][0-9](-[1-5][0-9][0-9])?)$";

/// What holds for an object as a whole.
const OBJECTS_AS_A_WHOLE: &[(&str, &str)] = &[
    (
        "HeaderMatch",
        r#"{
            "oneOf": [
                {"required": ["exact"], "properties": {"exact": {"type": "string"}}},
                {"required": ["prefix"], "properties": {"prefix": {"type": "string"}}},
                {"required": ["present"], "properties": {"present": {"type": "boolean"}}}
            ]
        }"#,
    ),
    (
        "Service",
        r#"{
            "if": {
                "required": ["name"],
                "properties": {"name": {"type": "string", "pattern": "\\{host\\}"}}
            },
            "then": {
                "required": ["match"],
                "properties": {"match": {"type": "object", "required": ["hosts"], "properties": {"hosts": {"type": "array"}}}}
            }
        }"#,
    ),
    ("Fleet", r#"{"required": ["store", "cluster"]}"#),
    ("Notify", r#"{"required": ["cluster"]}"#),
    ("Partition", r#"{"required": ["name", "match", "max_concurrent_calls"]}"#),
];

/// The JSON Schema.
#[must_use]
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for it in WORDS {
        let words = it.words.words.iter().zip(it.each);
        let words: Vec<_> = words
            .map(
                |(word, text)| json!({"const": word, "description": text.trim(), "type": "string"}),
            )
            .collect();
        let schema = json!({"description": it.text.trim(), "oneOf": words});
        definitions.insert(it.words.name.to_owned(), schema);
    }
    for described in objects() {
        definitions.insert(described.shape.name.to_owned(), object(&described));
    }
    let mut schema = definitions.remove("Config").unwrap_or_default();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Edge Breaker");
    schema["$defs"] = definitions.into();
    schema
}

/// The objects with what is said of them.
pub fn objects() -> impl Iterator<Item = Described> {
    let service = OBJECTS.iter().find(|it| it.shape.name == "Service");
    let defaults = service.map(|service| {
        let skipped = service.fields.len() - DEFAULTS.fields.len();
        let fields = service.fields.get(skipped..).unwrap_or_default();
        Described { shape: &DEFAULTS, text: " What services have in common.", fields }
    });
    OBJECTS.iter().copied().chain(defaults)
}

fn object(described: &Described) -> Value {
    let mut fields = Map::new();
    let mut required = Vec::new();
    for (field, (text, remarks)) in described.shape.fields.iter().zip(described.fields) {
        fields.insert(field.name.to_owned(), schema_of(field, text, remarks));
        required.extend((field.missing == Missing::Never).then_some(field.name));
    }
    let mut schema = json!({
        "type": "object", "description": described.text.trim(), "properties": fields,
        "additionalProperties": false
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let fields = || described.shape.fields.iter().zip(described.fields);
    let any = fields().filter(|(_, (_, remarks))| remark(remarks, "object any").is_some());
    let any: Vec<_> = any.map(|(field, _)| json!({"required": [field.name]})).collect();
    let needs = fields().filter_map(|(Field { name, .. }, (_, remarks))| {
        let needed = remark(remarks, "object needs")?;
        let is_given = json!({"required": [name], "properties": {*name: {"type": "number"}}});
        Some(json!({"if": is_given, "then": {"required": [needed]}}))
    });
    let needs: Vec<_> = needs.collect();
    for (keyword, all) in [("anyOf", any), ("allOf", needs)] {
        if !all.is_empty() {
            schema[keyword] = all.into();
        }
    }
    let whole = OBJECTS_AS_A_WHOLE.iter().find(|(name, _)| *name == described.shape.name);
    for (key, value) in whole.into_iter().flat_map(|(_, more)| of_text(more)) {
        schema[key] = value;
    }
    schema
}

fn schema_of(field: &Field, text: &str, remarks: Remarks) -> Value {
    let mut schema = kind(field.kind);
    match field.kind {
        Kind::Count => {
            (schema["minimum"], schema["maximum"]) = (json!(field.from), json!(field.to));
        }
        Kind::List(_) if field.to < u32::MAX => schema["maxItems"] = json!(field.to),
        _ => {}
    }
    if let Some(default) = default_of(field, remarks) {
        schema["default"] = default;
    }
    for (keyword, remark) in remarks {
        match *keyword {
            "default" => {}
            "pattern" => schema["pattern"] = json!(remark),
            "items.pattern" => schema["items"]["pattern"] = json!(remark),
            keyword if keyword.starts_with("page ") || keyword.starts_with("object ") => {}
            keyword => schema[keyword] = serde_json::from_str(remark).unwrap_or_default(),
        }
    }
    if !matches!(field.missing, Missing::NotNull | Missing::Never) {
        nullable(&mut schema);
    }
    let [_, default, bounds] = columns(field, remarks);
    let mut text = without_links(text.trim());
    if !bounds.is_empty() {
        text += &format!(" Bounds: {bounds}.");
    }
    text += &match default.as_str() {
        "none" | "required" | "see there" => String::new(),
        // Together with another field.
        default if default.starts_with("required") => format!(" It is {default}."),
        default => format!(" Default: {default}."),
    };
    schema["description"] = json!(text);
    schema
}

/// Lets a field be `null` as well.
fn nullable(schema: &mut Value) {
    match schema.get("type").cloned() {
        Some(Value::Array(mut types)) => {
            types.push(json!("null"));
            schema["type"] = types.into();
        }
        Some(plain) => schema["type"] = json!([plain, "null"]),
        None => {
            if let Some(referred) = schema.as_object_mut().and_then(|it| it.remove("$ref")) {
                schema["anyOf"] = json!([{"$ref": referred}, {"type": "null"}]);
            }
        }
    }
}

fn kind(kind: Kind) -> Value {
    let referred = |name: &str| json!({"$ref": format!("#/$defs/{name}")});
    match kind {
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Count => json!({"type": "integer"}),
        Kind::Number(number) => {
            let bound = |bound: f64| {
                if bound.fract() == 0.0 { json!(bound as u32) } else { json!(bound) }
            };
            json!({"type": "number", "minimum": bound(number.from), "maximum": bound(number.to)})
        }
        Kind::Span => json!({
            "type": "string", "pattern": DURATION, "minLength": 2,
            "examples": ["250ms", "30s", "1m30s"]
        }),
        Kind::LongSpan => json!({
            "type": "string", "pattern": DURATION, "minLength": 2, "examples": ["720h"]
        }),
        Kind::Window => json!({
            "type": ["string", "integer"], "pattern": DURATION, "minLength": 2,
            "examples": ["10s", 100]
        }),
        Kind::Text(form) => {
            let mut schema = json!({"type": "string"});
            if !matches!(form, Form::Any | Form::HeaderValue | Form::Path | Form::PathPrefix) {
                schema["minLength"] = json!(1);
            }
            if let Some(pattern) = form.pattern() {
                schema["pattern"] = json!(pattern);
            }
            schema
        }
        Kind::Word(words) => referred(words.name),
        Kind::Status => json!({"type": "string", "pattern": STATUS}),
        Kind::Statuses => json!({
            "type": "array", "items": self::kind(Kind::Status),
            "examples": [["5xx", "429", "200-299"]]
        }),
        Kind::GrpcStatus => json!({"enum": GRPC_NAMES}),
        Kind::GrpcStatuses => json!({"type": "array", "items": self::kind(Kind::GrpcStatus)}),
        Kind::Pairs => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Kind::List(entry) => json!({"type": "array", "items": self::kind(*entry)}),
        Kind::Object(shape) => referred(shape.name),
    }
}

/// Takes the targets of links away, which lead from the page to other sections.
fn without_links(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        let parts = link.split_once("](").and_then(|(shown, target)| {
            let (_, after) = target.split_once(')')?;
            Some((shown, after)).filter(|_| !shown.contains(['[', ']', '`']))
        });
        rest = match parts {
            Some((shown, after)) => {
                plain.push_str(shown);
                after
            }
            None => {
                plain.push('[');
                link
            }
        };
    }
    plain + rest
}

fn of_text(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_default()
}
