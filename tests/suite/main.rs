//! The scenarios of `tests/scenarios` on each host that can run them, and tests of the suite itself.

mod bites;
mod docs;
mod fields;
mod files;
mod random;
mod recipe;
mod rows;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    // In a real proxy scenarios are mostly waits.
    arguments.test_threads.get_or_insert(8);
    let mut trials = Vec::new();
    trials.extend(bites::trials());
    trials.extend(docs::trials());
    trials.extend(fields::trials());
    trials.extend(random::trials());
    trials.extend(recipe::trials());
    trials.extend(rows::trials());
    trials.extend(files::trials());
    let conclusion = libtest_mimic::run(&arguments, trials);
    hosts::stop();
    conclusion.exit();
}

/// A test that fails by a panic or an error.
fn trial(name: &str, test: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || test().map_err(|error| format!("{error:#}").into()))
}
