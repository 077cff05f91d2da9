//! `breakerctl serve`: the module as a real proxy on this machine, for trying it without Envoy.
//!
//! Each worker is a thread with a VM and a runtime of its own, as in Envoy; what they share is the
//! module's store. Messages are passed on as a whole, once they are complete: this is for trying a
//! configuration, not for production.

mod clusters;
mod exchange;
mod upstream;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, ensure};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use wasm_host::Process;

use crate::module::ModuleArgs;
use crate::output::{Answer, BAD};
use clusters::{Cluster, Clusters, Route};
use worker::Settings;

/// Run the breaker as a local HTTP proxy
///
/// An HTTP/1.1 proxy with the module in it, without Envoy: several workers, real calls, real health
/// checks. A request goes to the cluster that the breaker names, else to that of the first --route
/// whose prefix its path has, else to the first --cluster. Messages are passed on once they are
/// whole. On SIGTERM or Ctrl-C what is under way is finished first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  breakerctl serve --config breaker.json --cluster payment=127.0.0.1:8081
  breakerctl serve --config breaker.json --cluster payment=127.0.0.1:8081 \\
      --cluster stock=127.0.0.1:8082 --cluster fallback=127.0.0.1:8083 \\
      --route /stock=stock --workers 4

With \"admin\": {} in the configuration, its API answers on the same address:
  breakerctl status --admin http://127.0.0.1:10000/circuit-breaker

Exit status: 0 ended by a signal, 1 the configuration is refused, 2 wrong usage or environment.")]
pub(crate) struct Args {
    /// The plugin's configuration, as JSON
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A cluster and its address
    #[arg(long = "cluster", value_name = "NAME=ADDR", required = true)]
    clusters: Vec<Cluster>,
    /// The cluster of paths with a prefix
    #[arg(long = "route", value_name = "PREFIX=CLUSTER")]
    routes: Vec<Route>,
    /// Where clients call; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:10000")]
    listen: SocketAddr,
    /// How many workers
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,
    /// Tell where it listens as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    module: ModuleArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Answer> {
    let file = args.config.display();
    let configuration = std::fs::read(&args.config).with_context(|| format!("reading {file}"))?;
    let clusters = Clusters { clusters: args.clusters.clone(), routes: args.routes.clone() };
    for route in &clusters.routes {
        let known = clusters.address(&route.cluster).is_some();
        ensure!(known, "--route {}: there is no cluster {}", route.prefix, route.cluster);
    }
    let module = args.module.load()?;
    if let Some(refusal) = module.refusal(&configuration)? {
        anstream::eprintln!("{BAD}refused{BAD:#}: {file}: {refusal}");
        return Ok(Answer::No);
    }
    let process = Process::new();
    process.set_clusters(clusters.clusters.iter().map(|cluster| cluster.name.clone()));
    let settings = Arc::new(Settings {
        module,
        configuration,
        clusters,
        process,
        started: std::time::Instant::now(),
        clock: std::sync::Mutex::default(),
    });
    let mut threads = Vec::new();
    let mut seats = Vec::new();
    for _ in 0..args.workers {
        let (seat, connections) = mpsc::unbounded_channel();
        let settings = Arc::clone(&settings);
        seats.push(seat);
        threads.push(thread::spawn(move || worker::run(&settings, connections)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let accepted = runtime.block_on(accept(args, &seats));
    // Without a seat to come from there are no more connections.
    drop(seats);
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a worker has panicked"))??;
    }
    accepted.map(|()| Answer::Yes)
}

/// Hands connections to the workers in turn, until a signal comes.
async fn accept(
    args: &Args,
    seats: &[mpsc::UnboundedSender<std::net::TcpStream>],
) -> anyhow::Result<()> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listening on {}: take another with --listen", args.listen))?;
    let address = listener.local_addr()?;
    if args.json {
        println!("{}", serde_json::json!({ "listen": address, "workers": args.workers }));
    } else {
        println!("listening on http://{address} with {} workers", args.workers);
    }
    for seat in seats.iter().cycle() {
        let connection = tokio::select! {
            _ = interrupted.recv() => return Ok(()),
            _ = terminated.recv() => return Ok(()),
            connection = listener.accept() => connection,
        };
        match connection {
            Ok((connection, _)) => seat.send(connection.into_std()?)?,
            // Out of file descriptors, or the client is gone already.
            Err(error) => {
                anstream::eprintln!("{BAD}error{BAD:#}: accepting: {error}");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
    Ok(())
}
