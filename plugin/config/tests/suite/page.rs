//! The tables of docs/configuration.md are what the table of fields says.

use std::path::Path;

use config::Form;
use config::about::{Described, Remarks, remark};
use config::field::{Field, Kind, Missing};
use serde_json::Value;

const BEGIN: &str = "<!-- fields: ";
const END: &str = "<!-- end of fields -->";
const COLUMNS: [&str; 5] = ["field", "type", "default", "bounds", ""];

#[test]
fn the_tables_of_the_page_are_what_the_fields_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (mut due, mut rest, mut tables) = (String::new(), page.as_str(), 0);
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (objects, after) = after.split_once(" -->\n").unwrap();
        let (_, after) = after.split_once(END).unwrap();
        due += &format!("{before}{BEGIN}{objects} -->\n{}{END}", table(objects));
        (rest, tables) = (after, tables + 1);
    }
    due += rest;
    assert_eq!(tables, 14);
    if std::env::var_os("UPDATE_PAGE").is_some() {
        std::fs::write(&file, &due).unwrap();
    }
    let page = std::fs::read_to_string(&file).unwrap();
    for (is, due) in page.lines().zip(due.lines()) {
        assert_eq!(is, due, "UPDATE_PAGE=1 cargo test -p config --test suite page writes it");
    }
}

/// The fields of an object, and of those in it, which are told by their names: `retry.Retry`.
fn table(objects: &str) -> String {
    let schema = config::schema();
    let mut rows = Vec::new();
    for object in objects.split(", ") {
        let (prefix, name) = object
            .rsplit_once('.')
            .map_or(("", object), |(prefix, name)| (object.get(..=prefix.len()).unwrap(), name));
        let described = config::objects().find(|it| it.shape.name == name).expect(name);
        rows.extend(rows_of(&described, prefix, &schema));
    }
    let is_used = |column: &usize| {
        COLUMNS[*column].is_empty()
            || rows.iter().any(|row| !["", "none"].contains(&row[*column].as_str()))
    };
    let columns: Vec<_> = (0..COLUMNS.len()).filter(is_used).collect();
    let line = |cells: Vec<&str>| {
        let cells: String =
            cells.iter().map(|cell| format!("| {cell} ").replace("|  ", "| ")).collect();
        format!("{cells}|\n")
    };
    let mut table = line(columns.iter().map(|column| COLUMNS[*column]).collect());
    table += &line(vec!["---"; columns.len()]);
    for row in &rows {
        table += &line(columns.iter().map(|column| row[*column].as_str()).collect());
    }
    table
}

fn rows_of(described: &Described, prefix: &str, schema: &Value) -> Vec<[String; 5]> {
    let name = described.shape.name;
    let schema = if name == "Config" { schema } else { &schema["$defs"][name] };
    let fields = described.shape.fields.iter().zip(described.fields);
    let row = |(field, (text, remarks)): (&Field, &(&str, Remarks))| {
        let default = schema["properties"][field.name].get("default");
        [
            format!("`{prefix}{}`", field.name),
            or(remarks, "page type", || kind(field.kind)),
            or(remarks, "page default", || default_of(field, default)),
            or(remarks, "page bounds", || bounds(field, remarks)),
            sentence(text.trim()).replace('|', "\\|"),
        ]
    };
    fields.map(row).collect()
}

fn or(remarks: Remarks, column: &str, plain: impl Fn() -> String) -> String {
    remark(remarks, column).map_or_else(plain, str::to_owned)
}

/// One sentence of a cell ends without a full stop.
fn sentence(text: &str) -> String {
    let single = text.strip_suffix('.').filter(|text| !text.contains(". "));
    single.unwrap_or(text).to_owned()
}

fn kind(kind: Kind) -> String {
    let plain = match kind {
        Kind::Flag => "`true`, `false`",
        Kind::Count => "count",
        Kind::Number(number) => number.name,
        Kind::Span => "duration",
        Kind::Window => "duration, or count",
        Kind::Word(words) => {
            let words: Vec<_> = words.words.iter().map(|word| format!("`{word:?}`")).collect();
            return words.join(", ");
        }
        Kind::Text(Form::Any) => "string",
        Kind::Text(Form::Cluster) => "cluster",
        Kind::Text(Form::Host) => "host, with or without a port",
        Kind::Text(Form::Method) => "method",
        Kind::Text(Form::Path) => "path",
        Kind::Text(Form::PathPrefix) => "path, without a slash at its end",
        Kind::Text(Form::Token) => "printable ASCII without spaces",
        Kind::Status => "status",
        Kind::Statuses => "statuses",
        Kind::GrpcStatus => "gRPC status",
        Kind::GrpcStatuses => "gRPC statuses",
        Kind::Pairs => "object of strings",
        Kind::Object(_) => "object",
        Kind::List(entry) => return format!("list of {}s", self::kind(*entry)),
    };
    plain.to_owned()
}

fn default_of(field: &Field, default: Option<&Value>) -> String {
    match (field.kind, default) {
        (_, Some(Value::Number(number))) => number.to_string(),
        (Kind::GrpcStatuses, Some(Value::Array(names))) if !names.is_empty() => {
            let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
            format!("`{}`", names.join("`, `"))
        }
        (_, Some(value)) => format!("`{value}`"),
        (_, None) => match field.missing {
            Missing::Fine => "none".to_owned(),
            Missing::NotNull => "see there".to_owned(),
            Missing::Never | Missing::Refused(..) => "required".to_owned(),
        },
    }
}

fn bounds(field: &Field, remarks: Remarks) -> String {
    let at_least = remark(remarks, "minItems").map_or(field.from, |it| it.parse().unwrap());
    match (field.kind, at_least, field.to) {
        (Kind::Count | Kind::List(_), 0, u32::MAX) => String::new(),
        (Kind::Count | Kind::List(_), 0, to) => format!("at most {to}"),
        (Kind::List(_), _, u32::MAX) => String::new(),
        (Kind::Count, from, u32::MAX) => format!("at least {from}"),
        (Kind::Count | Kind::List(_), from, to) => format!("{from} to {to}"),
        (Kind::Span, 0, DAY) => "at most a day".to_owned(),
        (Kind::Span, from, DAY) => format!("at least {}, at most a day", millis(from)),
        (Kind::Span, from, to) => format!("{} to {}", millis(from), millis(to)),
        (Kind::Number(number), ..) => format!("{} to {}", number.from, number.to),
        (Kind::Text(Form::Cluster), ..) => "a cluster of the proxy".to_owned(),
        (Kind::Text(Form::Path), ..) => "begins with a slash".to_owned(),
        _ => String::new(),
    }
}

const DAY: u32 = 24 * 60 * 60 * 1000;

fn millis(millis: u32) -> String {
    match (millis % 60_000, millis % 1_000) {
        (0, _) if millis > 0 => format!("`\"{}m\"`", millis / 60_000),
        (_, 0) => format!("`\"{}s\"`", millis / 1_000),
        _ => format!("`\"{millis}ms\"`"),
    }
}
