//! `breakerctl watch`: the breakers, live.

mod openings;
mod picture;
mod screen;
mod story;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::admin::{AdminArgs, Services};
use crate::input::duration;
use crate::output::{Answer, BAD, BETWEEN, FAINT};
use crate::table;
use openings::Openings;
use screen::Screen;

/// Show the breakers live, until Ctrl-C
///
/// A terminal says in words how each breaker is, why, since when, and what comes next, as the admin page does.
/// Elsewhere, and with --json, the table is printed whenever something has changed, or one line of JSON.
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
    let mut openings = Openings::default();
    match &mut screen {
        Some(screen) => {
            openings.look(&admin, None, &shown).await;
            draw(args, screen, &shown, &openings, None)?;
        }
        None => print(args, &shown)?,
    }
    let mut ticks = tokio::time::interval(args.interval.max(Duration::from_millis(50)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interrupted.recv() => return Ok(Answer::Yes),
            _ = terminated.recv() => return Ok(Answer::Yes),
            _ = ticks.tick() => {}
        }
        let (before, trouble) = match admin.services().await {
            Ok(services) => (Some(std::mem::replace(&mut shown, services)), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        match &mut screen {
            Some(screen) => {
                if before.is_some() {
                    openings.look(&admin, before.as_ref(), &shown).await;
                }
                draw(args, screen, &shown, &openings, trouble.as_deref())?;
            }
            None if before.is_some_and(|before| !before.shows_the_same(&shown)) => {
                print(args, &shown)?;
            }
            None => {}
        }
    }
}

/// Draws a terminal anew.
fn draw(
    args: &Args,
    screen: &mut Screen<anstream::Stdout>,
    services: &Services,
    openings: &Openings,
    trouble: Option<&str>,
) -> anyhow::Result<()> {
    let mut drawn = Vec::new();
    picture::write(&mut drawn, services, openings)?;
    match trouble {
        Some(trouble) => writeln!(drawn, "\n{BAD}{trouble}{BAD:#}")?,
        None => writeln!(drawn, "\n{FAINT}every {:?}; Ctrl-C ends{FAINT:#}", args.interval)?,
    }
    screen.draw(&drawn)?;
    Ok(())
}

/// Prints what has changed.
fn print(args: &Args, services: &Services) -> anyhow::Result<()> {
    let mut printed = Vec::new();
    if args.json {
        serde_json::to_writer(&mut printed, services)?;
        writeln!(printed)?;
    } else {
        table::write(&mut printed, &services.services)?;
        if let Some(note) = &services.note {
            writeln!(printed, "{BETWEEN}none{BETWEEN:#}: {note}")?;
        }
    }
    let mut out = anstream::stdout();
    out.write_all(&printed)?;
    out.flush()?;
    Ok(())
}
