//! `breakerctl status`: how are the breakers now?

use std::io::Write as _;

use anyhow::Context as _;

use crate::admin::AdminArgs;
use crate::output::{self, Answer, BETWEEN};
use crate::table;

/// Show the breakers as they are now
///
/// Reads the admin API, which has to be configured: `"admin": {}` in the plugin's configuration,
/// on a listener that only operators reach.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl status
  breakerctl status payment-service --json
  breakerctl status payment-service || echo 'calls are diverted'
  breakerctl status --admin http://10.0.0.7:9000/circuit-breaker --token \"$TOKEN\"

Exit status: 0 fine, 1 SERVICE is open, 2 no answer, or no such service.")]
pub(crate) struct Args {
    /// Show this one alone, and exit with 1 while it is open
    service: Option<String>,
    /// Answer as JSON, with all that the admin API tells
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut all = runtime.block_on(args.admin.open()?.services())?;
    let Some(name) = &args.service else {
        if args.json {
            output::json(&all)?;
        } else {
            let mut out = anstream::stdout().lock();
            table::write(&mut out, &all.services)?;
            if let Some(note) = &all.note {
                writeln!(out, "{BETWEEN}none{BETWEEN:#}: {note}")?;
            }
        }
        return Ok(Answer::Yes);
    };
    let unknown = format!("there is no service {name}; {}", all.names());
    all.services.retain(|service| service.service_name == *name);
    let service = all.services.first().context(unknown)?;
    if args.json {
        output::json(service)?;
    } else {
        table::write(&mut anstream::stdout().lock(), &all.services)?;
    }
    Ok(Answer::from(!service.is_open()))
}
