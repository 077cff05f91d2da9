//! `breakerctl demo`.

use crate::support::run;

#[test]
fn the_four_scenarios_go_as_the_recipe_says_without_envoy() {
    let ran = run(&["demo", "--exit"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("All 4 scenarios went as the recipe says."), "{ran:?}");
    assert_eq!(ran.stderr, "");
}
