//! What a filter costs a request: CPU time, throughput and latency.
//!
//! The proxies under comparison all run at once, on one CPU; client and upstream are this process,
//! on another. A round is one short burst of requests to each proxy, in shuffled order, so that
//! whatever else the machine does hits all of them alike. Time is the process's CPU clock, not the
//! wall's. Two proxies are compared by the difference between their bursts of the same round. Since
//! two processes of the very same proxy differ a little, by where their memory happens to lie, all
//! of them are started anew several times; the second plain proxy shows what noise is left.

mod compare;
mod crossings;
pub(crate) mod filters;
pub(crate) mod load;
mod measure;
mod scenes;
pub(crate) mod subject;
pub(crate) mod upstream;

use anyhow::Result;

use crate::Run;
use crate::awake::Awake;
use crate::bars::Bar;
use crate::machine::Cpus;

pub(crate) const PLAIN: &str = "plain route";
pub(crate) const AGAIN: &str = "plain route again";
pub(crate) const EMPTY_WASM: &str = "empty Wasm filter";
pub(crate) const CALLS: &str = "the calls alone";
pub(crate) const OURS_WASM: &str = "ours, Wasm";
pub(crate) const EMPTY_NATIVE: &str = "empty native module";
pub(crate) const OURS_NATIVE: &str = "ours, native";
pub(crate) const LUA: &str = "breaker in Lua";
pub(crate) const ADMISSION: &str = "admission control, C++";

/// Measures all of it.
pub(crate) async fn measure(run: &Run<'_>) -> Result<()> {
    let cpus = Cpus::choose(run.args.cpu)?;
    // Before anything is started here: it inherits that.
    cpus.pin_this_thread()?;
    let _awake = Awake::keep(cpus);
    for scene in scenes::all() {
        let name = scene.name;
        run.sheet(name, async {
            let scene = scene.set(run.args)?;
            let samples = measure::measure(&scene, &run.effort, cpus).await?;
            let sheet = compare::sheet(&scene, &samples, &run.effort);
            Ok((sheet, serde_json::to_value(&samples)?))
        })
        .await?;
    }
    Ok(())
}

pub(crate) fn sheets() -> Vec<&'static str> {
    scenes::all().map(|scene| scene.name).into()
}

pub(crate) fn bars() -> Vec<Bar> {
    let added = |form: &str, other: &str, at_most| {
        let what = format!("{form}, closed, CPU added, x {other}");
        Bar::new(what, "cpu-closed", form, compare::times(other), at_most)
    };
    let mut bars = vec![
        added(OURS_NATIVE, EMPTY_WASM, 0.45),
        added(OURS_NATIVE, ADMISSION, 1.0),
        added(OURS_WASM, CALLS, 1.15),
        Bar::new(
            format!("{OURS_NATIVE}, p99 at half of saturation, x plain"),
            "cpu-latency",
            OURS_NATIVE,
            compare::P99_TIMES_PLAIN,
            1.10,
        ),
    ];
    for form in [OURS_NATIVE, OURS_WASM] {
        let what = format!("{form}, CPU per request of two workers, x one's, over plain's");
        bars.push(Bar::new(what, "cpu-workers", form, compare::TWO_TIMES_ONE, 1.03));
    }
    bars
}
