//! Where Envoy cannot be had, the scenarios run without it.

use std::process::Command;

#[test]
fn without_envoy_the_scenarios_go_as_the_recipe_says_by_breakerctl_and_it_says_so() {
    let demo = Command::new(env!("CARGO_BIN_EXE_demo"))
        .env("ENVOY", "/nowhere/envoy")
        .env("DEMO_EXIT", "1")
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&demo.stdout);
    let error = String::from_utf8_lossy(&demo.stderr);
    assert!(text.contains("scenarios on breakerctl serve"), "{text}{error}");
    assert!(text.contains("ENVOY is set to /nowhere/envoy"), "{text}{error}");
    assert!(text.contains("All 4 scenarios went as the recipe says."), "{text}{error}");
    assert_eq!(demo.status.code(), Some(0), "{text}{error}");
}
