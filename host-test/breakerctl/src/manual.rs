//! `breakerctl man`: the help as pages of the manual.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::output::Answer;

/// Print the page of the manual, or write those of all commands
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl man | man -l -
  breakerctl man --to ~/.local/share/man/man1 && man breakerctl-simulate

Exit status: 0 done, 2 the pages cannot be written.")]
pub(crate) struct Args {
    /// Write all pages into this folder, a file for each command
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, command: clap::Command) -> anyhow::Result<Answer> {
    // It has no page of its own.
    let command = command.disable_help_subcommand(true);
    if let Some(folder) = &args.to {
        let place = || folder.display().to_string();
        std::fs::create_dir_all(folder).with_context(place)?;
        clap_mangen::generate_to(command, folder).with_context(place)?;
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        std::io::stdout().lock().write_all(&page)?;
    }
    Ok(Answer::Yes)
}
