//! No module is older than what it is made of.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

const TARGET: &str = "wasm32-unknown-unknown";
const MANIFEST: &str = "[package]\nname = \"answer\"\nedition = \"2024\"\n\
    [lib]\npath = \"lib.rs\"\ncrate-type = [\"cdylib\"]\n\
    [profile.module]\ninherits = \"release\"\n[workspace]\n";

/// Writes a module that answers this, and builds it.
fn build(workspace: &Path, answer: u8) -> Vec<u8> {
    let code = format!("#[unsafe(no_mangle)] pub extern \"C\" fn answer() -> u8 {{ {answer} }}\n");
    fs::write(workspace.join("Cargo.toml"), MANIFEST).unwrap();
    fs::write(workspace.join("lib.rs"), code).unwrap();
    let built = artifacts::build(workspace, "answer", TARGET).unwrap();
    fs::read(built).unwrap()
}

#[test]
fn a_module_whose_source_was_edited_is_another_one() {
    let workspace = tempfile::tempdir().unwrap();
    let first = build(workspace.path(), 1);
    assert_ne!(first, build(workspace.path(), 2));
    assert_eq!(first, build(workspace.path(), 1), "what was taken back is as it was");
}

#[test]
fn a_source_that_cannot_be_built_is_an_error_with_what_the_compiler_says() {
    let workspace = tempfile::tempdir().unwrap();
    build(workspace.path(), 1);
    fs::write(workspace.path().join("lib.rs"), "fn no_end() {").unwrap();
    let error = artifacts::build(workspace.path(), "answer", TARGET).unwrap_err();
    assert!(error.to_string().contains("unclosed delimiter"), "{error}");
}

/// Each source of the module, by the list that the compiler writes beside it.
#[test]
fn the_modules_are_no_older_than_their_sources() {
    let modified = |path: &Path| -> SystemTime { fs::metadata(path).unwrap().modified().unwrap() };
    for (module, package, target) in [
        (artifacts::proxy_wasm(), "plugin-proxy-wasm-module", artifacts::TARGET),
        (artifacts::component(), "plugin-component", TARGET),
    ] {
        let module = module.unwrap();
        let built = artifacts::build(&artifacts::root(), package, target).unwrap();
        let list = fs::read_to_string(built.with_extension("d")).unwrap();
        let (_, sources) = list.split_once(": ").unwrap();
        let sources: Vec<_> = sources.split_whitespace().map(Path::new).collect();
        assert!(sources.iter().any(|it| it.ends_with("plugin/breaker/src/lib.rs")), "{sources:?}");
        for source in sources {
            assert!(modified(source) <= modified(&module), "{} is newer", source.display());
        }
    }
}
