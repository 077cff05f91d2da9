//! What a name costs that a client makes up, however many came before: `{host}` with the default of
//! 1,024 breakers.

use std::time::Instant;

use serde_json::{Value, json};

use crate::figures::Figures;
use crate::worker::{Run, Worker};

/// Which new names are looked at: one of the first, one that finds a free slot among the last, and one
/// that has another make room.
const LOOKED_AT: [usize; 3] = [10, 1_000, 10_000];

fn configuration() -> Value {
    json!({"services": [{"name": "{host}", "match": {"hosts": ["*.example"]}}]})
}

fn call(worker: &mut Worker, number: usize) {
    let sent = worker.send_to(&format!("h{number:05}.example"), "/");
    worker.answer(sent, 200);
}

/// What the first call of each costs, and how many microseconds it takes here.
fn measured() -> Vec<(Figures, u128)> {
    let mut workers = [Run::Plain, Run::Counting].map(|run| Worker::start(run, &configuration()));
    let mut all = Vec::new();
    for number in 1..=10_000 {
        let begun = Instant::now();
        let usage = workers.each_mut().map(|worker| {
            drop(worker.take_usage());
            call(worker, number);
            worker.take_usage()
        });
        let micros = begun.elapsed().as_micros() / 2;
        if LOOKED_AT.contains(&number) {
            let [plain, counting] = usage;
            let callbacks = plain
                .keys()
                .map(|name| ((*name).to_owned(), Figures::new(&plain[name], &counting[name])));
            all.push((Figures::sum(&callbacks.collect()), micros));
        }
    }
    all
}

#[test]
fn a_new_name_costs_what_the_tenth_did() {
    let measured = measured();
    for (number, (figures, micros)) in LOOKED_AT.iter().zip(&measured) {
        let Figures { instructions, host_calls, .. } = figures;
        let calls: u64 = host_calls.values().sum();
        println!(
            "name {number}: {instructions} instructions, {calls} host calls, {micros} us here"
        );
        println!("  {host_calls:?}");
    }
    let [tenth, others @ ..] = measured.as_slice() else { panic!("nothing was measured") };
    for (other, _) in others {
        let calls = |figures: &Figures| figures.host_calls.values().sum::<u64>();
        assert!(calls(other) <= calls(&tenth.0), "{other:?}");
        // To find the name that makes room takes a look at each; no copy, no host call, no memory.
        assert!(other.instructions <= tenth.0.instructions * 3, "{other:?}");
    }
}

/// In the closed state, once its first few calls are over.
#[test]
fn a_name_that_is_known_makes_the_host_calls_that_a_plain_one_does() {
    let plain = json!({"services": [{"name": "h00001", "match": {"hosts": ["*.example"]}}]});
    let calls = [configuration(), plain].map(|configuration| {
        let mut worker = Worker::start(Run::Plain, &configuration);
        (0..20).for_each(|_| call(&mut worker, 1));
        worker.advance(std::time::Duration::from_secs(1));
        assert!(worker.tick().is_empty(), "a call");
        call(&mut worker, 1);
        drop(worker.take_usage());
        call(&mut worker, 1);
        let usage = worker.take_usage();
        let names =
            usage.keys().map(|name| ((*name).to_owned(), Figures::new(&usage[name], &usage[name])));
        Figures::sum(&names.collect()).host_calls
    });
    assert_eq!(calls[0], calls[1]);
}
