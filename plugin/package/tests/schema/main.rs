//! The schema says what the filter's own reader says, as far as a schema can know.

mod agreement;
mod bounds;
mod page;
mod written;

use std::path::PathBuf;
use std::sync::LazyLock;

use config::Config;
use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Value> = LazyLock::new(config::schema);
static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&SCHEMA).unwrap());

/// The file that is handed out, and included in `breakerctl`.
const FILE: &str = "envoy/edge-breaker.schema.json";

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Why the schema refuses a configuration, if it does.
fn refused(config: &Value) -> Option<String> {
    let error = VALIDATOR.iter_errors(config).next()?;
    Some(format!("{}: {error}", error.instance_path()))
}

/// Why the filter refuses it.
fn refused_by_filter(config: &Value) -> Option<String> {
    Config::parse(config.to_string().as_bytes()).err().map(|error| error.to_string())
}

#[test]
fn the_schema_is_a_valid_json_schema() {
    assert!(jsonschema::draft202012::meta::is_valid(&SCHEMA));
}

#[test]
fn the_file_is_what_the_types_say() {
    let file = repository().join(FILE);
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&file, package::schema::text()).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == package::schema::text(),
        "{FILE} is not up to date: UPDATE_SCHEMA=1 cargo test --workspace --test schema writes it"
    );
}
