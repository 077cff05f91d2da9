//! What was measured, one file for each sheet, so that a run can be broken off and resumed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::machine::Machine;
use crate::plot;
use crate::sheet::Sheet;

/// A sheet, where it comes from, and every single measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) machine: Machine,
    pub(crate) sheet: Sheet,
    /// Down to the single burst. What is kept for the docs goes without.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) raw: Value,
}

/// A folder of them.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    folder: PathBuf,
    resume: bool,
}

impl Results {
    pub(crate) fn in_folder(folder: PathBuf, resume: bool) -> Self {
        Self { folder, resume }
    }

    /// Measures a sheet, and writes it down with its plot; or leaves it alone, if it is there and the
    /// run is to be resumed.
    pub(crate) async fn sheet(
        &self,
        name: &str,
        measure: impl Future<Output = Result<(Sheet, Value)>>,
    ) -> Result<()> {
        let path = self.path(name);
        if self.resume && path.exists() {
            eprintln!("{name} is there: {}", path.display());
            return Ok(());
        }
        eprintln!("{name}");
        let machine = Machine::describe()?;
        let (sheet, raw) = measure.await.with_context(|| name.to_owned())?;
        anyhow::ensure!(sheet.name == name, "{} was measured as {name}", sheet.name);
        self.write(&Measured { machine, sheet, raw })
    }

    /// Writes down what follows from other sheets.
    pub(crate) fn sheet_anew(&self, sheet: Sheet) -> Result<()> {
        self.write(&Measured { machine: Machine::describe()?, sheet, raw: Value::Null })
    }

    /// Writes one down, and its plot.
    pub(crate) fn write(&self, measured: &Measured) -> Result<()> {
        fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let path = self.path(&measured.sheet.name);
        let context = || format!("cannot write {}", path.display());
        fs::write(&path, serde_json::to_vec_pretty(measured)?).with_context(context)?;
        if let Some(svg) = plot::of(&measured.sheet) {
            fs::write(path.with_extension("svg"), svg).with_context(context)?;
        }
        Ok(())
    }

    /// Those of these names that are there, in this order.
    pub(crate) fn there(
        &self,
        names: impl IntoIterator<Item = &'static str>,
    ) -> Result<Vec<Measured>> {
        let paths = names.into_iter().map(|name| self.path(name));
        paths.filter(|path| path.exists()).map(|path| read(&path)).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

fn read(path: &Path) -> Result<Measured> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Estimate;

    async fn measured(results: &Results, value: f64) -> Result<()> {
        let mut sheet = Sheet::new("cost", "what it costs").column("all", 0);
        sheet.row("ours", vec![Some(Estimate::exact(value))]);
        results.sheet("cost", async { Ok((sheet, Value::Null)) }).await
    }

    #[tokio::test]
    async fn a_resumed_run_leaves_alone_what_was_measured() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let value = || {
            let results = Results::in_folder(folder.path().to_owned(), true);
            let there = results.there(["nothing", "cost"]).expect("sheets");
            there[0].sheet.cell("ours", "all").expect("a cell").value
        };
        let anew = Results::in_folder(folder.path().to_owned(), false);
        measured(&anew, 1.0).await?;
        measured(&Results { resume: true, ..anew.clone() }, 2.0).await?;
        assert_eq!(value(), 1.0);
        measured(&anew, 3.0).await?;
        assert_eq!(value(), 3.0);
        Ok(())
    }
}
