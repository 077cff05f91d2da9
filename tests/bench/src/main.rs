//! What the filter costs: CPU time per request that it adds to a plain route.
//!
//! The proxies under comparison all run at once, on one CPU; client and upstream are this process,
//! on another. A round is one short burst of requests to each proxy, in shuffled order, so that
//! whatever else the machine does hits all of them alike; what counts is the difference to the
//! plain proxy in the same round, and of those the median. Time is the process's CPU clock, not
//! the wall's. Since two processes of the very same proxy differ a little, by where their memory
//! happens to lie, all of them are started anew several times; the second plain proxy shows what
//! noise is left.

mod args;
mod awake;
mod crossings;
mod load;
mod machine;
mod measure;
mod report;
mod statistics;
mod subject;
mod table;
mod upstream;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::args::Args;
use crate::awake::Awake;
use crate::report::Report;

/// How much of an empty filter's cost ours may have.
const ALLOWED_RATIO: f64 = 1.5;

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let (proxies, ours) = machine::two_cpus(&args)?;
    // Before any other thread starts: they inherit it.
    machine::pin_this_process(ours)?;
    let machine = machine::describe(proxies, ours)?;
    let _awake = Awake::keep([proxies, ours]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let samples = runtime.block_on(measure::measure(&args, proxies))?;

    let report = Report::new(&args, &samples, machine)?;
    print!("{report}");
    report.write_json(&args.json)?;
    println!("\nwritten to {}", args.json.display());
    if args.check && !report.is_within(ALLOWED_RATIO) {
        eprintln!("over {ALLOWED_RATIO} times the empty filter's cost");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
