//! Memory over many requests.

use anyhow::Result;
use serde_json::Value;

use crate::cpu::load::{Connection, send};
use crate::cpu::upstream::Upstream;
use crate::cpu::{OURS_NATIVE, OURS_WASM, PLAIN, filters};
use crate::effort::Effort;
use crate::machine::Cpus;
use crate::memory::{resident, subjects};
use crate::sheet::Sheet;
use crate::statistics::Estimate;

pub(super) const NAME: &str = "memory-growth";

/// How often it is looked at.
const LOOKS: u32 = 100;
/// From which look on it should not grow any more.
const WARM: usize = 9;

pub(super) async fn measure(effort: &Effort, cpus: Cpus) -> Result<(Sheet, Value)> {
    let mut sheet = Sheet::new(NAME, "Memory over many requests")
        .column("requests", 0)
        .column("MiB after a tenth", 1)
        .column("MiB at the end", 1)
        .column("KiB more per million requests", 1);
    let mut raw = serde_json::Map::new();
    for subject in subjects(&filters::one(filters::service()))? {
        if ![PLAIN, OURS_WASM, OURS_NATIVE].contains(&subject.name.as_str()) {
            continue;
        }
        let upstream = Upstream::start().await?;
        let envoy = subject.start(upstream.address, cpus).await?;
        let address = envoy.listener_addr("ingress").await?;
        let mut connections = Vec::new();
        for _ in 0..effort.connections {
            connections.push(Connection::open(address).await?);
        }
        let each = effort.memory_requests / LOOKS;
        let mut sizes = Vec::new();
        for _ in 0..LOOKS {
            send(&mut connections, each).await?;
            sizes.push(resident::of(envoy.pid())?);
        }
        let requests = f64::from(each * LOOKS);
        subject.check_path(&envoy, upstream.requests()).await?;
        let (warm, end) = (sizes[WARM], sizes[sizes.len() - 1]);
        let millions = requests * (1.0 - (WARM + 1) as f64 / f64::from(LOOKS)) / 1e6;
        let more = (end - warm) * 1024.0 / millions;
        let cells = [requests, warm, end, more].map(|it| Some(Estimate::exact(it)));
        sheet.row(&subject.name, cells.into());
        raw.insert(subject.name, serde_json::to_value(sizes)?);
    }
    Ok((sheet, Value::Object(raw)))
}
