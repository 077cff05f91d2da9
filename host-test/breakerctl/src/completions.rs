//! `breakerctl completions`: what a shell completes while one types.

use clap_complete::Shell;

use crate::output::Answer;

/// Print what a shell needs to complete commands and flags
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  source <(breakerctl completions bash)
  breakerctl completions bash > ~/.local/share/bash-completion/completions/breakerctl
  breakerctl completions zsh > ~/.zfunc/_breakerctl
  breakerctl completions fish > ~/.config/fish/completions/breakerctl.fish

Exit status: 0.")]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args, mut command: clap::Command) -> anyhow::Result<Answer> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "breakerctl", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(Answer::Yes)
}
