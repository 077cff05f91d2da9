//! `breakerctl serve`: the module as a real proxy on this machine, for trying it without Envoy.
//!
//! As in Envoy each worker is a thread with a VM of its own for each listener, and so is the main
//! thread, which only ticks; what they share is the module's store.

mod ask;
mod connection;
mod drain;
mod envoy;
mod exchange;
mod flags;
mod message;
mod pipe;
mod plan;
mod upstream;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use host_test_proxy_wasm::Origin;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::input::{self, duration};
use crate::module::{Loaded, ModuleArgs};
use crate::output::{Answer, BAD, FAINT};
use drain::{Phase, Signals};
use flags::{ClusterArg, Given, RouteArg};
use plan::Plan;
use worker::{Log, Settings};

const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 10_000);

/// Run the breaker as a local HTTP proxy
///
/// An HTTP/1.1 proxy with the module in it, without Envoy: several workers, real calls, real health
/// checks. FILE is an Envoy configuration, of which listeners, routes with their retries and clusters
/// are served as they stand; or the plugin's own JSON, with clusters and routes from the command line:
/// a request goes to the cluster that the breaker names, else to that of the first --route whose
/// prefix its path has, else to the first --cluster. On SIGTERM or Ctrl-C what is under way is
/// finished first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl serve --config envoy/recipe.yaml
  breakerctl serve --config breaker.json --cluster payment=127.0.0.1:8081
  breakerctl serve --config breaker.json --cluster payment=127.0.0.1:8081 \\
      --cluster stock=127.0.0.1:8082 --cluster fallback=127.0.0.1:8083 \\
      --route /stock=stock --workers 4 --admin 127.0.0.1:10001

Then, in another terminal:
  breakerctl status --admin http://127.0.0.1:10001/circuit-breaker

Exit status: 0 ended by a signal, 1 the configuration is refused, 2 wrong usage or environment.")]
pub(crate) struct Args {
    /// An Envoy configuration, or the plugin's own as JSON
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A cluster and its address
    #[arg(long = "cluster", value_name = "NAME=ADDR")]
    clusters: Vec<ClusterArg>,
    /// The cluster of paths with a prefix
    #[arg(long = "route", value_name = "PREFIX=CLUSTER")]
    routes: Vec<RouteArg>,
    /// Where clients call, 127.0.0.1:10000 if nothing is said; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the admin API answers, and then there alone
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// How long a service may take for all of its answer, 15s if nothing is said; 0s is for ever
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// How many workers
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// How long after a signal what is under way may take; then it is cut off
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    drain_time: Duration,
    /// Tell where it listens as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    module: ModuleArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Answer> {
    let began = Instant::now();
    let plan = plan(args)?;
    let module = args.module.load()?;
    for listener in &plan.listeners {
        let plugin = &listener.plugin;
        if let Some(refusal) = module.refusal(&plugin.configuration)? {
            anstream::eprintln!("{BAD}refused{BAD:#}: {}: {refusal}", plugin.place);
            return Ok(Answer::No);
        }
    }
    let settings = Settings::new(plan, args.workers, Log::Printed);
    let origin = module.origin;
    let served = serve(settings, &module, args.drain_time, |plan, sockets| {
        tell(args, plan, sockets, origin, began.elapsed())
    })?;
    if !served {
        anstream::eprintln!("{FAINT}what was still under way has been cut off{FAINT:#}");
    }
    Ok(Answer::Yes)
}

/// Serves a configuration of Envoy in the background until the process ends, without a word: with these
/// addresses instead of those of its listeners and clusters. Returns where each listener listens.
///
/// # Errors
///
/// If it cannot be served, or an address is taken.
pub(crate) fn in_background(
    configuration: &str,
    listeners: &[(&str, SocketAddr)],
    clusters: &[(&str, SocketAddr)],
    module: Loaded,
    workers: u16,
) -> anyhow::Result<Vec<(String, SocketAddr)>> {
    let plan = envoy::plan(configuration).map_err(|(at, why)| anyhow::anyhow!("{at}: {why}"))?;
    let mut plan = plan.context("no configuration of Envoy")?;
    for listener in &mut plan.listeners {
        let of = listeners.iter().find(|(name, _)| *name == listener.name);
        listener.address = of.map_or(listener.address, |(_, address)| *address);
    }
    for cluster in &mut plan.clusters {
        let of = clusters.iter().find(|(name, _)| *name == cluster.name);
        cluster.address = of.map_or(cluster.address, |(_, address)| *address);
    }
    let settings = Settings::new(plan, workers, Log::Dropped);
    let (sender, ready) = std::sync::mpsc::channel();
    let failed = sender.clone();
    thread::spawn(move || {
        let served = serve(settings, &module, Duration::ZERO, |plan, sockets| {
            let names = plan.listeners.iter().map(|listener| listener.name.clone());
            let addresses = sockets.iter().map(TcpListener::local_addr);
            let addresses: Vec<_> = addresses.collect::<Result<_, _>>()?;
            // Whoever has started this is there, or nobody needs it.
            let _ = sender.send(Ok(names.zip(addresses).collect()));
            Ok(())
        });
        if let Err(error) = served {
            let _ = failed.send(Err(error));
        }
    });
    ready.recv().context("the proxy has ended")?
}

/// Serves until a signal comes, and says whether all that was under way then has ended by itself.
fn serve(
    settings: Settings,
    module: &Loaded,
    drain_time: Duration,
    ready: impl FnOnce(&Plan, &[TcpListener]) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let settings = Arc::new(settings);
    // One after the other, so that their numbers tell their threads; the main thread's come last.
    let mut vms = Vec::new();
    for _ in 0..=settings.workers {
        vms.push(settings.start(module)?);
    }
    let of_main_thread = vms.pop().unwrap_or_default();
    let (phase, phases) = watch::channel(Phase::Open);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        // From here on a signal is not the end at once.
        let signals = Signals::new()?;
        let sockets = listen(&settings.plan).await?;
        let (mut queues, mut threads) = (Vec::new(), Vec::new());
        for workers in vms {
            let (queue, connections) = mpsc::unbounded_channel();
            let (settings, phase) = (Arc::clone(&settings), phases.clone());
            queues.push(queue);
            threads.push(thread::spawn(move || {
                connection::serve(&settings, workers, connections, phase)
            }));
        }
        worker::run(&settings, of_main_thread, &phases)?;
        ready(&settings.plan, &sockets)?;
        let served = drain::serve(sockets, queues, &phase, signals, drain_time).await;
        phase.send_replace(Phase::Over);
        for thread in threads {
            thread.join().map_err(|_| anyhow::anyhow!("a worker has panicked"))??;
        }
        served
    })
}

/// What is to be served.
fn plan(args: &Args) -> anyhow::Result<Plan> {
    let (file, text) = input::read(&args.config)?;
    let of_envoy =
        envoy::plan(&text).map_err(|(at, message)| anyhow::anyhow!("{file}:{at}: {message}"))?;
    let Some(mut plan) = of_envoy else {
        let Args { clusters, routes, .. } = args;
        let timeout = args.timeout.unwrap_or(plan::TIMEOUT);
        let given = Given {
            clusters,
            routes,
            timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
            listen: args.listen.unwrap_or(LISTEN),
            admin: args.admin,
        };
        return flags::plan(&file, &text, &given);
    };
    ensure!(
        args.routes.is_empty()
            && args.listen.is_none()
            && args.admin.is_none()
            && args.timeout.is_none(),
        "{file} says where to listen and what to route where: --listen, --route, --admin and \
         --timeout are for the plugin's own configuration"
    );
    for ClusterArg { name, address } in &args.clusters {
        let cluster = plan.clusters.iter_mut().find(|cluster| cluster.name == *name);
        cluster.with_context(|| format!("--cluster {name}: {file} has no such cluster"))?.address =
            *address;
    }
    for listener in &mut plan.listeners {
        listener.plugin.place = format!("{file}:{}", listener.plugin.place);
    }
    Ok(plan)
}

async fn listen(plan: &Plan) -> anyhow::Result<Vec<TcpListener>> {
    let mut sockets = Vec::new();
    for listener in &plan.listeners {
        let address = listener.address;
        let socket = TcpListener::bind(address).await.with_context(|| {
            format!("listening on {address} for {}: is somebody there already?", listener.name)
        })?;
        sockets.push(socket);
    }
    Ok(sockets)
}

/// Says where it listens, and how long it took to get there.
fn tell(
    args: &Args,
    plan: &Plan,
    sockets: &[TcpListener],
    origin: Origin,
    took: Duration,
) -> anyhow::Result<()> {
    let addresses: Vec<_> =
        sockets.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    let names = plan.listeners.iter().map(|listener| listener.name.clone());
    let (workers, millis) = (args.workers, took.as_millis());
    if args.json {
        let all = names.zip(&addresses);
        let all: serde_json::Map<_, _> =
            all.map(|(name, address)| (name, address.to_string().into())).collect();
        let told = serde_json::json!({
            "listen": addresses.first(),
            "listeners": all,
            "workers": workers,
            "ready_ms": u64::try_from(millis)?,
            "module": origin.to_string(),
        });
        println!("{told}");
    } else {
        for (name, address) in names.zip(&addresses) {
            println!("listening on http://{address} ({name})");
        }
        println!("ready in {millis} ms with {workers} workers, the module {origin}");
    }
    Ok(())
}
