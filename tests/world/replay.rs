//! A seed is a schedule.

use world::{Setup, simulate};

use crate::MODULE;

#[test]
fn the_same_seed_gives_the_same_world() {
    let setup = Setup { seed: 7, requests: 3_000, ..Setup::default() };
    let first = simulate(&MODULE, setup).unwrap_or_else(|violation| panic!("{violation}"));
    let second = simulate(&MODULE, setup).unwrap_or_else(|violation| panic!("{violation}"));
    assert_eq!(first, second);
    let other = simulate(&MODULE, Setup { seed: 8, ..setup });
    let other = other.unwrap_or_else(|violation| panic!("{violation}"));
    assert_ne!(first.trace, other.trace);
}
