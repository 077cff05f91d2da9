//! A module that was compiled before is not compiled again.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::support::breakerctl;

#[test]
fn a_module_is_compiled_once_for_all_starts() {
    let room = tempfile::tempdir().unwrap();
    let config = room.path().join("config.json");
    std::fs::write(&config, r#"{ "services": [{ "name": "a" }] }"#).unwrap();
    let start = |more: &[&str]| {
        let mut tool = breakerctl();
        tool.env("XDG_CACHE_HOME", room.path());
        tool.args(["serve", "--json", "--listen", "127.0.0.1:0", "--cluster", "a=127.0.0.1:1"]);
        tool.arg("--config").arg(&config).args(more);
        let mut child = tool.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(told["ready_ms"].is_u64(), "{told}");
        told["module"].as_str().unwrap().to_owned()
    };
    assert_eq!(start(&[]), "compiled");
    assert_eq!(start(&[]), "from the cache");
    assert_eq!(start(&["--no-cache"]), "compiled");
}
