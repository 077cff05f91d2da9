//! What a filter takes beside its requests: a start, memory, and CPU while nothing is asked of it.

mod growth;
mod idle;
mod resident;
mod start;

use anyhow::Result;
use serde_json::Value;

use crate::Run;
use crate::bars::Bar;
use crate::cpu::subject::{SUCCEEDED, Subject, Witness};
use crate::cpu::{EMPTY_NATIVE, EMPTY_WASM, OURS_NATIVE, OURS_WASM, PLAIN, filters};
use crate::machine::Cpus;

/// Measures all of it.
pub(crate) async fn measure(run: &Run<'_>) -> Result<()> {
    let cpus = Cpus::choose(run.args.cpu)?;
    cpus.pin_this_thread()?;
    run.sheet(start::NAME, start::measure(&run.effort, cpus)).await?;
    run.sheet(idle::NAME, idle::measure(&run.effort, cpus)).await?;
    run.sheet(growth::NAME, growth::measure(&run.effort, cpus)).await
}

pub(crate) fn sheets() -> Vec<&'static str> {
    vec![start::NAME, idle::NAME, growth::NAME]
}

pub(crate) fn bars() -> Vec<Bar> {
    let of = |(form, percent): (&str, f64)| {
        let what = format!("{form}, idle, 1,000 services, 2 workers: % of a core");
        Bar::new(what, idle::NAME, form, idle::ADDED, percent)
    };
    [(OURS_WASM, 3.0), (OURS_NATIVE, 1.0)].map(of).into()
}

/// Proxies that differ by one filter, with this configuration for ours.
fn subjects(configuration: &Value) -> Result<Vec<Subject>> {
    Ok(vec![
        Subject::plain(PLAIN),
        Subject::with(EMPTY_WASM, filters::empty_wasm()?, Witness::None),
        Subject::with(
            OURS_WASM,
            filters::wasm(&artifacts::proxy_wasm()?, configuration)?,
            SUCCEEDED,
        ),
        Subject::with(EMPTY_NATIVE, filters::empty_native()?, Witness::None),
        Subject::with(OURS_NATIVE, filters::native(configuration)?, SUCCEEDED),
    ])
}
