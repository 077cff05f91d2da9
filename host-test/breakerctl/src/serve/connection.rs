//! Connections of a worker.

use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use host_test_proxy_wasm::Worker;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::drain::{Accepted, Phase};
use super::exchange;
use super::worker::{self, Proxy, Settings};

/// Serves connections until no more can come, and those that are there are done.
///
/// # Errors
///
/// If it cannot be begun.
pub(super) fn serve(
    settings: &Arc<Settings>,
    workers: Vec<Worker>,
    mut connections: mpsc::UnboundedReceiver<Accepted>,
    mut phase: watch::Receiver<Phase>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let proxies = worker::run(settings, workers, &phase)?;
        while let Some(Accepted { listener, connection, alive }) = connections.recv().await {
            let (Some(proxy), Ok(())) = (proxies.get(listener), connection.set_nodelay(true))
            else {
                continue;
            };
            let Ok(connection) = TcpStream::from_std(connection) else {
                continue;
            };
            let (proxy, phase) = (Rc::clone(proxy), phase.clone());
            tokio::task::spawn_local(async move {
                carry(proxy, connection, phase).await;
                drop(alive);
            });
        }
        // All are done, or are not waited for any longer.
        let _ = phase.wait_for(|phase| *phase == Phase::Over).await;
        Ok(())
    })
}

/// Serves a connection to its end. One that ends in an error has had its client gone.
async fn carry(proxy: Rc<Proxy>, connection: TcpStream, mut phase: watch::Receiver<Phase>) {
    // One that is gone already has nobody to be served.
    let Ok(peer) = connection.peer_addr() else {
        return;
    };
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let service = service_fn(move |request| exchange::handle(Rc::clone(&proxy), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(connection), service);
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            changed = phase.changed() => match (changed, *phase.borrow_and_update()) {
                (Err(_), _) | (_, Phase::Over) => return,
                (_, Phase::Closing) => connection.as_mut().graceful_shutdown(),
                (_, Phase::Open | Phase::Draining) => {}
            },
        }
    }
}
