//! How connections come, and how they go: nothing that was taken in is lost.
//!
//! After a signal the connections that are there, those in the kernel's queue included, are served on,
//! and each answer says that it is the last of its connection. A connection on which nothing is asked
//! for a while is closed then, and what is still under way when the time is over is cut off.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::output::BAD;

/// A connection on which nothing is asked for so long may be closed: its client would have said
/// something by now, if it had something to say.
const IDLE: Duration = Duration::from_secs(1);

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not begun.
    Open,
    /// Each answer is the last of its connection.
    Draining,
    /// Connections without a request are closed.
    Closing,
    /// All are.
    Over,
}

/// Held by each connection while it is there.
pub(super) type Alive = mpsc::Sender<()>;

/// A connection on its way to a worker.
pub(super) struct Accepted {
    pub(super) listener: usize,
    pub(super) connection: TcpStream,
    pub(super) alive: Alive,
}

/// The signals that end all.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Hands connections to the workers in turn until a signal comes, and then sees them off. Says
/// whether all ended by themselves.
///
/// # Errors
///
/// If a worker is gone.
pub(super) async fn serve(
    listeners: Vec<TcpListener>,
    queues: Vec<mpsc::UnboundedSender<Accepted>>,
    phase: &watch::Sender<Phase>,
    mut signals: Signals,
    drain_time: Duration,
) -> anyhow::Result<bool> {
    let (alive, mut all) = mpsc::channel::<()>(1);
    let tasks: Vec<_> = listeners
        .into_iter()
        .enumerate()
        .map(|(listener, socket)| {
            let (queues, alive) = (queues.clone(), alive.clone());
            tokio::task::spawn_local(accept(listener, socket, queues, alive, phase.subscribe()))
        })
        .collect();
    drop((queues, alive));
    signals.next().await;
    phase.send_replace(Phase::Draining);
    for task in tasks {
        task.await.context("a listener has panicked")??;
    }
    let end = async {
        let idle = IDLE.min(drain_time);
        tokio::time::sleep(idle).await;
        phase.send_replace(Phase::Closing);
        tokio::time::sleep(drain_time.saturating_sub(idle)).await;
    };
    let finished = tokio::select! {
        biased;
        _ = all.recv() => true,
        () = end => false,
        () = signals.next() => false,
    };
    phase.send_replace(Phase::Over);
    Ok(finished)
}

/// Takes connections in, and at the end those that the kernel has taken in already.
async fn accept(
    listener: usize,
    socket: TcpListener,
    queues: Vec<mpsc::UnboundedSender<Accepted>>,
    alive: Alive,
    mut phase: watch::Receiver<Phase>,
) -> anyhow::Result<()> {
    let mut queues = queues.iter().cycle();
    let mut hand_over = |connection| {
        let accepted = Accepted { listener, connection, alive: alive.clone() };
        let queue = queues.next().context("no worker")?;
        queue.send(accepted).ok().context("a worker is gone")
    };
    loop {
        let connection = tokio::select! {
            connection = socket.accept() => connection,
            _ = phase.changed() => break,
        };
        match connection {
            Ok((connection, _)) => hand_over(connection.into_std()?)?,
            // Out of file descriptors, or the client is gone already.
            Err(error) => {
                anstream::eprintln!("{BAD}error{BAD:#}: accepting: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let socket = socket.into_std()?;
    while let Ok((connection, _)) = socket.accept() {
        connection.set_nonblocking(true)?;
        hand_over(connection)?;
    }
    Ok(())
}
