//! The tables of docs/configuration.md are what the table of fields says.

use std::path::Path;

use config::about::{Described, Remarks};
use config::columns;
use config::field::Field;

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
    assert_eq!(tables, 16);
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
    let mut rows = Vec::new();
    for object in objects.split(", ") {
        let (prefix, name) = object
            .rsplit_once('.')
            .map_or(("", object), |(prefix, name)| (object.get(..=prefix.len()).unwrap(), name));
        let described = config::objects().find(|it| it.shape.name == name).expect(name);
        rows.extend(rows_of(&described, prefix));
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

fn rows_of(described: &Described, prefix: &str) -> Vec<[String; 5]> {
    let fields = described.shape.fields.iter().zip(described.fields);
    let row = |(field, (text, remarks)): (&Field, &(&str, Remarks))| {
        let [kind, default, bounds] = columns(field, remarks);
        let text = sentence(text.trim()).replace('|', "\\|");
        [format!("`{prefix}{}`", field.name), kind, default, bounds, text]
    };
    fields.map(row).collect()
}

/// One sentence of a cell ends without a full stop.
fn sentence(text: &str) -> String {
    let single = text.strip_suffix('.').filter(|text| !text.contains(". "));
    single.unwrap_or(text).to_owned()
}
