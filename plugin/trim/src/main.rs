//! `module-trim INPUT OUTPUT`

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [input, output] = paths.as_slice() else {
        bail!("usage: module-trim INPUT OUTPUT");
    };
    let module = std::fs::read(input).with_context(|| input.display().to_string())?;
    std::fs::write(output, module_trim::trimmed(&module)?)
        .with_context(|| output.display().to_string())
}
