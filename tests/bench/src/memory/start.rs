//! What a start takes, and what each worker holds.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::cpu::filters;
use crate::cpu::load::{Connection, send};
use crate::cpu::subject::Subject;
use crate::cpu::upstream::Upstream;
use crate::effort::Effort;
use crate::machine::Cpus;
use crate::memory::{resident, subjects};
use crate::sheet::Sheet;
use crate::statistics::Estimate;

pub(super) const NAME: &str = "memory-start";

/// The workers of the larger proxy.
const WORKERS: u32 = 4;
/// Requests to each worker: what is made when it is first needed is there after them.
const REQUESTS: u32 = 200;

pub(super) async fn measure(effort: &Effort, cpus: Cpus) -> Result<(Sheet, Value)> {
    let subjects = subjects(&filters::one(filters::service()))?;
    let mut starts = vec![Vec::new(); subjects.len()];
    for _ in 0..effort.processes {
        for (subject, starts) in subjects.iter().zip(&mut starts) {
            let one = started(subject.clone(), cpus).await?;
            let many = started(subject.clone().workers(WORKERS), cpus).await?;
            starts.push([one, many]);
        }
    }
    let mut sheet = Sheet::new(NAME, "A start, and memory")
        .column("CPU to start, ms", 0)
        .column("MiB with 1 worker", 1)
        .column(format!("MiB with {WORKERS}"), 1)
        .column("MiB for each further worker", 1)
        .plotted("MiB for each further worker");
    for (subject, starts) in subjects.iter().zip(&starts) {
        let of = |figure: fn(&[Started; 2]) -> f64| {
            Estimate::of_few(&starts.iter().map(figure).collect::<Vec<_>>())
        };
        sheet.row(
            &subject.name,
            vec![
                of(|[one, _]| one.cpu.as_secs_f64() * 1e3),
                of(|[one, _]| one.memory),
                of(|[_, many]| many.memory),
                of(|[one, many]| (many.memory - one.memory) / f64::from(WORKERS - 1)),
            ],
        );
    }
    sheet.note(format!(
        "{} starts each: the middle, and the least and the most. Memory is what is resident after \
         {REQUESTS} requests to each worker.",
        effort.processes,
    ));
    Ok((sheet, Value::Null))
}

#[derive(Clone, Copy, Debug)]
struct Started {
    /// Until its listener was there.
    cpu: Duration,
    /// MiB.
    memory: f64,
}

async fn started(subject: Subject, cpus: Cpus) -> Result<Started> {
    let upstream = Upstream::start().await?;
    let envoy = subject.start(upstream.address, cpus).await?;
    let address = envoy.listener_addr("ingress").await?;
    let cpu = envoy.cpu_time()?;
    let mut connections = Vec::new();
    for _ in 0..subject.workers {
        connections.push(Connection::open(address).await?);
    }
    send(&mut connections, REQUESTS * subject.workers).await?;
    Ok(Started { cpu, memory: resident::of(envoy.pid())? })
}
