//! `breakerctl demo`: the recipe's four scenarios, with all that they need in this process.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context as _;
use recipe::{BREAKER_ADMIN, INGRESS, Proxy, WORKERS, free_or_any};
use tokio::signal::unix::{SignalKind, signal};

use crate::module::{Loaded, ModuleArgs};
use crate::output::Answer;
use crate::serve;

/// The very file that Envoy runs.
const SAMPLE: &str = include_str!("../../../envoy/recipe.yaml");

/// Show what a circuit breaker does: the recipe's four scenarios, without Envoy
///
/// A service that fails, its health check, a fallback, and the breaker as a proxy before them, all in this
/// process. Each request is shown with who answered it and what became of the breaker. Then all is left running,
/// to be tried by hand, until Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl demo
  breakerctl demo --exit

While it runs, in another terminal:
  breakerctl watch

Exit status: 0 all went as the recipe says, 1 something did not, 2 it cannot be shown here.")]
pub(crate) struct Args {
    /// End after the scenarios
    #[arg(long)]
    exit: bool,
    #[command(flatten)]
    module: ModuleArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Answer> {
    let module = args.module.load()?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(
        async {
            let mut interrupted = signal(SignalKind::interrupt())?;
            let mut terminated = signal(SignalKind::terminate())?;
            tokio::select! {
                answer = show(module, args.exit) => answer,
                // Whoever interrupts wants the terminal back, and no report.
                _ = interrupted.recv() => Ok(Answer::Yes),
                _ = terminated.recv() => Ok(Answer::Yes),
            }
        },
    )
}

async fn show(module: Loaded, exit: bool) -> anyhow::Result<Answer> {
    let services = recipe::services().await?;
    let free = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, free_or_any(port)));
    let listeners = [("ingress", free(INGRESS)), ("breaker-admin", free(BREAKER_ADMIN))];
    let clusters = [
        ("payment", services.downstream()),
        ("inventory", services.downstream()),
        ("fallback", services.fallback()),
        ("health", services.health()),
    ];
    let listening = serve::in_background(SAMPLE, &listeners, &clusters, module, WORKERS)?;
    let address = |wanted: &str| {
        let of = listening.iter().find(|(name, _)| name == wanted);
        of.map(|(_, address)| *address).with_context(|| format!("no listener {wanted}"))
    };
    let proxy = Proxy {
        name: "breakerctl serve".to_owned(),
        ingress: address("ingress")?,
        breaker_admin: address("breaker-admin")?,
        metrics_url: None,
    };
    Ok(Answer::from(recipe::play(&services, &proxy, exit).await?))
}
