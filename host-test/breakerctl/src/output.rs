//! How answers are shown, and what they mean for the exit status.

use std::io::Write as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// What is as it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What somebody has to look at.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is on its way.
pub(crate) const BETWEEN: Style = AnsiColor::Yellow.on_default();
/// What one need not read.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The answer to what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is fine.
    Yes,
    /// It is not: refused, open.
    No,
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl From<Answer> for ExitCode {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Yes => Self::SUCCESS,
            Answer::No => Self::from(1),
        }
    }
}

/// Prints a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}
