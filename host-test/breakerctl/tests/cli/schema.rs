//! `breakerctl schema`.

use std::fs;

use crate::support::{repository, run};

#[test]
fn the_command_prints_the_schema_that_is_published() {
    let ran = run(&["schema"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let file = fs::read_to_string(repository().join("envoy/edge-breaker.schema.json")).unwrap();
    assert_eq!(ran.stdout, file);
    let schema = ran.json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["properties"]["services"].is_object());
}

#[test]
fn the_command_shows_an_example_of_itself_as_help() {
    let ran = run(&["schema", "--help"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains("  breakerctl schema >"), "{ran:?}");
}
