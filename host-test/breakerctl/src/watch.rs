//! `breakerctl watch`: the breakers, live.

mod screen;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::admin::{AdminArgs, Services};
use crate::input::duration;
use crate::output::{Answer, BAD, BETWEEN, FAINT};
use crate::table;
use screen::Screen;

/// Show the breakers live, until Ctrl-C
///
/// On a terminal the table is drawn anew each time. Elsewhere, and with --json, it is printed
/// whenever something has changed, one line of JSON each time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl watch
  breakerctl watch --interval 250ms
  breakerctl watch --json | jq -c '.services[] | [.service_name, .state]'

Exit status: 0 ended by Ctrl-C, 2 no answer at the start.")]
pub(crate) struct Args {
    /// How often to look
    #[arg(long, default_value = "1s", value_parser = duration)]
    interval: Duration,
    /// Print JSON, one line for each change
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Answer> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(watch(args))
}

async fn watch(args: &Args) -> anyhow::Result<Answer> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    // A wrong address is told at once. What is lost later may come back.
    let admin = args.admin.open()?;
    let mut shown = admin.services().await?;
    let live = !args.json && std::io::stdout().is_terminal();
    let mut screen = live.then(|| Screen::open(anstream::stdout())).transpose()?;
    print(args, screen.as_mut(), &shown, None)?;
    let mut ticks = tokio::time::interval(args.interval.max(Duration::from_millis(50)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interrupted.recv() => return Ok(Answer::Yes),
            _ = terminated.recv() => return Ok(Answer::Yes),
            _ = ticks.tick() => {}
        }
        let (changed, trouble) = match admin.services().await {
            Ok(services) => (std::mem::replace(&mut shown, services) != shown, None),
            Err(error) => (false, Some(format!("{error:#}"))),
        };
        if changed || screen.is_some() {
            print(args, screen.as_mut(), &shown, trouble.as_deref())?;
        }
    }
}

fn print(
    args: &Args,
    screen: Option<&mut Screen<anstream::Stdout>>,
    services: &Services,
    trouble: Option<&str>,
) -> anyhow::Result<()> {
    let mut picture = Vec::new();
    if args.json {
        serde_json::to_writer(&mut picture, services)?;
        writeln!(picture)?;
    } else {
        table::write(&mut picture, &services.services)?;
        if let Some(note) = &services.note {
            writeln!(picture, "{BETWEEN}none{BETWEEN:#}: {note}")?;
        }
    }
    match screen {
        Some(screen) => {
            match trouble {
                Some(trouble) => writeln!(picture, "\n{BAD}{trouble}{BAD:#}")?,
                None => {
                    writeln!(picture, "\n{FAINT}every {:?}; Ctrl-C ends{FAINT:#}", args.interval)?
                }
            }
            screen.draw(&picture)?;
        }
        None => {
            let mut out = anstream::stdout();
            out.write_all(&picture)?;
            out.flush()?;
        }
    }
    Ok(())
}
