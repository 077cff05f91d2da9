//! What a proxy uses while nothing is asked of it: 1,000 services, all closed, each with a health
//! check every 200 ms, of which none is made, since none is open.

use anyhow::Result;
use serde_json::{Value, json};

use crate::cpu::upstream::Upstream;
use crate::cpu::{PLAIN, filters};
use crate::effort::Effort;
use crate::machine::Cpus;
use crate::memory::subjects;
use crate::sheet::Sheet;
use crate::statistics::Estimate;

pub(super) const NAME: &str = "memory-idle";
pub(super) const ADDED: &str = "added % of a core";

const WORKERS: u32 = 2;
const ALL: &str = "% of a core";

pub(super) async fn measure(effort: &Effort, cpus: Cpus) -> Result<(Sheet, Value)> {
    let mut configuration = filters::one_of_a_thousand();
    for service in configuration["services"].as_array_mut().into_iter().flatten() {
        service["health_check"]["interval"] = json!("200ms");
        service["health_check"]["timeout"] = json!("200ms");
    }
    let subjects = subjects(&configuration)?;
    let mut shares = vec![Vec::new(); subjects.len()];
    for _ in 0..effort.processes.min(3) {
        for (subject, shares) in subjects.iter().zip(&mut shares) {
            let upstream = Upstream::start().await?;
            let envoy = subject.clone().workers(WORKERS).start(upstream.address, cpus).await?;
            envoy.listener_addr("ingress").await?;
            // What a start leaves to be done.
            tokio::time::sleep(effort.idle / 6).await;
            let before = envoy.cpu_time()?;
            tokio::time::sleep(effort.idle).await;
            let used = envoy.cpu_time()?.saturating_sub(before);
            shares.push(100.0 * used.as_secs_f64() / effort.idle.as_secs_f64());
            anyhow::ensure!(upstream.requests() == 0, "a health check was made");
        }
    }
    let mut sheet =
        Sheet::new(NAME, "CPU while nothing is asked: 1,000 closed services, 2 workers")
            .column(ALL, 2)
            .column(ADDED, 2)
            .plotted(ADDED);
    let plain = shares.first().cloned().unwrap_or_default();
    for (subject, shares) in subjects.iter().zip(&shares) {
        let added: Vec<_> = shares.iter().zip(&plain).map(|(share, plain)| share - plain).collect();
        let added = (subject.name != PLAIN).then(|| Estimate::of_few(&added)).flatten();
        sheet.row(&subject.name, vec![Estimate::of_few(shares), added]);
    }
    sheet.note(format!(
        "{} s each, {} times: the middle, and the least and the most.",
        effort.idle.as_secs(),
        plain.len(),
    ));
    Ok((sheet, Value::Null))
}
