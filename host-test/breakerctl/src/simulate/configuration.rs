//! The configuration that is tried.

use std::path::Path;

use anyhow::bail;

use crate::check::finding::{self, Finding};
use crate::input;
use crate::module::Loaded;
use crate::output::BAD;

/// A configuration, and where it stands.
#[derive(Debug)]
pub(super) struct Configuration {
    file: String,
    found: Finding,
}

/// Reads the one configuration that a file has for calls: the plugin's own, or that of one plugin among
/// others.
///
/// # Errors
///
/// If there is none, or more than one.
pub(super) fn read(path: &Path, only: &[String]) -> anyhow::Result<Configuration> {
    let (file, text) = input::read(path)?;
    let mut plugins = finding::find_in(&file, &text, only)?.plugins;
    // One that has the admin API is for its listener, if others are for calls.
    let is_for_calls = |finding: &Finding| finding.config().get("admin").is_none();
    if plugins.iter().any(is_for_calls) {
        plugins.retain(is_for_calls);
    }
    plugins.dedup_by(|a, b| a.text.bytes() == b.text.bytes());
    if let [_, _, ..] = &plugins[..] {
        let places = plugins.iter().map(|it| format!("{} ({})", it.place, it.text.at()));
        let places = places.collect::<Vec<_>>().join(", ");
        bail!("{file}: there are several plugins in it: choose one by --only NAME, of {places}");
    }
    match plugins.pop() {
        Some(found) => Ok(Configuration { file, found }),
        None => bail!("{file}: no plugin is configured here"),
    }
}

impl Configuration {
    pub(super) fn bytes(&self) -> &[u8] {
        self.found.text.bytes()
    }

    /// Whether the module refuses it, which is told.
    ///
    /// # Errors
    ///
    /// If the module has no opinion.
    pub(super) fn is_refused(&self, module: &Loaded) -> anyhow::Result<bool> {
        let Some(mut refusal) = module.refusal(self.bytes())? else {
            return Ok(false);
        };
        let at = self.found.text.locate(&mut refusal);
        anstream::eprintln!("{BAD}refused{BAD:#}: {}:{at}: {refusal}", self.file);
        Ok(true)
    }
}
