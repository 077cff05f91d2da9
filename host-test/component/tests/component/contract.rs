//! The component as a contract: what it asks of a host, what it offers, how it is described.

use std::fs;
use std::path::Path;

use crate::world::ARTEFACT;

/// A new one has to be justified here: a host that lacks it cannot load the component at all.
const IMPORTS: [&str; 1] = ["edge-breaker:guard/store@0.1.0"];
const EXPORTS: [&str; 1] = ["edge-breaker:guard/breaker@0.1.0"];

/// A host that compiles it at its start waits for each byte.
const LARGEST: u64 = 848 * 1024;

#[test]
fn the_component_asks_for_a_store_and_nothing_else() {
    assert_eq!(ARTEFACT.imports(), IMPORTS);
}

#[test]
fn the_component_offers_the_breaker_and_nothing_else() {
    assert_eq!(ARTEFACT.exports(), EXPORTS);
}

#[test]
fn the_component_stays_small() {
    let size = fs::metadata(artifacts::component().unwrap()).unwrap().len();
    assert!(size <= LARGEST, "{size} bytes, more than {LARGEST}");
}

#[test]
fn every_declaration_in_the_world_is_documented() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut declared = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut before = "";
        for line in text.lines().map(str::trim) {
            let plain = ["///", "//", "}", "import ", "export "];
            if !line.is_empty() && !plain.iter().any(|start| line.starts_with(start)) {
                assert!(before.starts_with("///"), "{}: {line}", path.display());
                declared += 1;
            }
            before = line;
        }
    }
    assert!(declared > 100, "{declared} declarations");
}
