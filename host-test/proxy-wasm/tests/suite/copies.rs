//! What the module that Envoy loads holds of requests that never end, in its one memory.

use host_test_proxy_wasm::{CallAnswer, Headers, Process, StreamId, Worker};

use crate::edge_breaker::worker;
use crate::support::{Outcome, answer, request};

const MIB: usize = 1024 * 1024;
/// As it is by default.
const BUDGET: usize = 32 * MIB;

/// One service that is never open, and whose failed calls the fallback answers.
fn config(max_request_bytes: usize) -> String {
    format!(
        r#"{{ "services": [{{
            "name": "payment-service",
            "trip": {{ "consecutive_failures": 1000000 }},
            "fallback": {{ "cluster": "payment-fallback", "max_request_bytes": {max_request_bytes} }}
        }}] }}"#
    )
}

/// An upload whose headers have come.
fn begin(worker: &mut Worker) -> StreamId {
    let stream = worker.open_stream();
    worker.request_headers(stream, request("POST", "/pay"), false);
    stream
}

/// The service fails the call: what the fallback was sent, if it was.
fn fails(worker: &mut Worker, stream: StreamId) -> Option<Vec<u8>> {
    let outcome = Outcome::from(answer(worker, stream, 503));
    let sent = outcome.calls.into_iter().next().map(|call| {
        worker.answer_call(call.token, CallAnswer::status(200, "from the fallback"));
        call.body
    });
    worker.end_stream(stream);
    sent
}

/// An upload that ends is sent to the fallback whole.
fn is_replayed(worker: &mut Worker, bytes: usize) -> bool {
    let stream = begin(worker);
    let body: Vec<_> = (0..bytes).map(|byte| byte as u8).collect();
    for piece in body.chunks(16 * 1024) {
        worker.request_body(stream, piece, false);
    }
    worker.request_body(stream, "", true);
    let sent = fails(worker, stream);
    assert!(sent.as_ref().is_none_or(|sent| *sent == body), "another body than came");
    sent.is_some()
}

fn skipped(process: &Process, reason: &str) -> u64 {
    let name = format!("cb_reason=.={reason};.;edge_breaker_copies_skipped_total");
    process.metric(&name).unwrap()
}

#[test]
fn large_uploads_that_never_end_take_no_more_memory_than_the_budget() {
    let process = Process::new();
    let mut worker = worker(&process, &config(16 * MIB));
    let before = worker.memory_size();
    let uploads: Vec<_> = (0..63).map(|_| begin(&mut worker)).collect();
    // A gigabyte, less a piece of each: no upload is too long.
    for _ in 0..63 {
        for upload in &uploads {
            worker.request_body(*upload, vec![b'x'; MIB / 4], false);
        }
    }
    let grown = worker.memory_size() - before;
    assert!(grown < BUDGET + 4 * MIB, "{grown} bytes more");
    assert!(is_replayed(&mut worker, 15 * MIB), "one that ends is sent on all the same");
    // It is put together, and handed over by the test as one more copy.
    let grown = worker.memory_size() - before;
    assert!(grown < BUDGET + 24 * MIB, "{grown} bytes more");
    worker.tick();
    assert!(skipped(&process, "evicted") + skipped(&process, "limit") >= 60);
}

#[test]
fn one_clients_uploads_do_not_switch_replays_off_for_others() {
    let process = Process::new();
    let mut worker = worker(&process, &config(64 * 1024));
    let before = worker.memory_size();
    let uploads: Vec<_> = (0..512).map(|_| begin(&mut worker)).collect();
    for upload in &uploads {
        for _ in 0..4 {
            worker.request_body(*upload, vec![b'x'; 16 * 1024], false);
        }
    }
    for bytes in [0, 1, 1000, 64 * 1024] {
        for _ in 0..10 {
            assert!(is_replayed(&mut worker, bytes), "{bytes}");
        }
    }
    worker.tick();
    assert_eq!(skipped(&process, "limit"), 0);
    let grown = worker.memory_size() - before;
    assert!(grown < BUDGET + 4 * MIB, "{grown} bytes more");
    for upload in uploads {
        worker.end_stream(upload);
    }
}

#[test]
fn bodies_of_all_sizes_in_pieces_of_all_sizes_leave_no_holes() {
    let process = Process::new();
    let mut worker = worker(&process, &config(16 * MIB));
    let before = worker.memory_size();
    let mut random = fastrand::Rng::with_seed(7);
    let mut open = Vec::new();
    for round in 0..20_000 {
        match random.u8(0..8) {
            0 => open.push(begin(&mut worker)),
            1 if open.len() > 50 => {
                let stream = open.swap_remove(random.usize(..open.len()));
                worker.request_body(stream, "", true);
                fails(&mut worker, stream);
            }
            2 if open.len() > 50 => drop(worker.end_stream(open.swap_remove(0))),
            _ if !open.is_empty() => {
                let size = 1 << random.u32(0..18);
                let stream = open[random.usize(..open.len())];
                worker.request_body(stream, vec![b'x'; random.usize(..size)], false);
            }
            _ => {}
        }
        let grown = worker.memory_size() - before;
        assert!(grown < BUDGET + 24 * MIB, "{grown} bytes more in {round}");
    }
}

#[test]
fn heads_of_uploads_that_never_end_take_no_more_memory_than_the_budget() {
    let process = Process::new();
    let mut worker = worker(&process, &config(64 * 1024));
    let before = worker.memory_size();
    let uploads: Vec<_> = (0..4_000)
        .map(|_| {
            let stream = worker.open_stream();
            let mut headers: Headers = request("POST", "/pay");
            headers.add("cookie", "x".repeat(32 * 1024));
            worker.request_headers(stream, headers, false);
            stream
        })
        .collect();
    let grown = worker.memory_size() - before;
    assert!(grown < BUDGET + 6 * MIB, "{grown} bytes more");
    assert!(is_replayed(&mut worker, 64 * 1024));
    drop(uploads);
}
