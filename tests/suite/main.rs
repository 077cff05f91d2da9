//! The scenarios of `tests/scenarios` on each host that can run them, and tests of the suite itself.

mod bites;
mod callouts;
mod component;
mod docs;
mod files;
mod hosts;
mod module;
mod native;
mod random;
mod recipe;
mod record;
mod rows;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    trials.extend(bites::trials());
    trials.extend(docs::trials());
    trials.extend(random::trials());
    trials.extend(recipe::trials());
    trials.extend(rows::trials());
    trials.extend(files::trials());
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test that fails by a panic or an error.
fn trial(name: &str, test: impl FnOnce() -> anyhow::Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || test().map_err(|error| format!("{error:#}").into()))
}
