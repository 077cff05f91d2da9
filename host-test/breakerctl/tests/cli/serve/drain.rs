//! The end of a proxy that is at work.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::load::{CONFIG, CONNECTIONS, ask, connect};
use super::{Proxy, Service, background, eventually, send};

#[test]
fn a_signal_under_load_loses_no_request() {
    let payment = Service::start("payment");
    let mut proxy = Proxy::start(CONFIG, &[("payment", payment.address)]);
    let runtime = background();
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CONNECTIONS {
        let mut connection = runtime.block_on(connect(&proxy));
        let answered = Arc::clone(&answered);
        let client = async move {
            // Each request is sent without a pause, and has to be answered, up to the one whose
            // answer says that it is the last.
            while !ask(&mut connection, client).await {
                answered.fetch_add(1, Ordering::Relaxed);
            }
        };
        clients.spawn_on(client, runtime.handle());
    }
    eventually("the load is there", || answered.load(Ordering::Relaxed) > 20 * CONNECTIONS);
    proxy.signal("-TERM");
    runtime.block_on(async {
        while let Some(client) = clients.join_next().await {
            client.unwrap();
        }
    });
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
}

#[test]
fn connections_that_the_kernel_has_taken_in_are_served_to_the_end() {
    let payment = Service::start("payment");
    payment.gate.forget_permits(1_000_000);
    let mut proxy = Proxy::start(CONFIG, &[("payment", payment.address)]);
    // It does not run while they come, and then comes the signal before it can take them in.
    proxy.signal("-STOP");
    let mut connections: Vec<_> = (0..8).map(|_| proxy.connect()).collect();
    connections.iter_mut().for_each(|connection| send(connection, "/", "early"));
    proxy.signal("-TERM");
    proxy.signal("-CONT");
    eventually("all are asked for", || payment.calls() == 8);
    payment.gate.add_permits(8);
    for connection in connections {
        let (status, head, body) = super::receive(connection);
        assert_eq!((status, body.as_str()), (200, "payment:early"));
        assert!(head.contains("connection: close"), "{head}");
    }
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_call_that_takes_longer_than_the_drain_time_is_cut_off() {
    let payment = Service::start("payment");
    payment.gate.forget_permits(1_000_000);
    let clusters = [("payment", payment.address)];
    let mut proxy = Proxy::start_with(CONFIG, &clusters, &["--drain-time", "200ms"]);
    let mut connection = proxy.connect();
    send(&mut connection, "/", "never");
    eventually("the call is under way", || payment.calls() == 1);
    proxy.signal("-TERM");
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
    let mut answer = Vec::new();
    // It is closed or reset.
    let _ = connection.read_to_end(&mut answer);
    assert_eq!(answer, b"");
}
