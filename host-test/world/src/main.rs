//! Simulates worlds for as long as asked, each of another seed, and prints the one that fails.
//!
//! `world 10m`: so long; `world 100000`: so many requests; with a second
//! argument, the first seed. Seeds come from the clock otherwise.

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use host_test_proxy_wasm::{Module, Options};
use world::{Rules, Setup, simulate};

/// How long to go on.
enum Limit {
    Time(Duration),
    Requests(u64),
}

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let limit = Limit::parse(&arguments.next().unwrap_or_else(|| "1m".to_owned()))?;
    let seed = arguments.next().map(|seed| seed.parse()).transpose().context("the seed")?;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let first = seed.unwrap_or_else(|| u64::from(clock.subsec_nanos()) ^ (clock.as_secs() << 20));
    let bytes = std::fs::read(artifacts::proxy_wasm()?)?;
    let module = Module::new(&bytes, &Options { metered: false, ..Options::default() })?;
    let (begun, mut requests) = (Instant::now(), 0);
    for (seed, rules) in (first..).zip(Rules::samples().into_iter().cycle()) {
        if limit.is_over(begun.elapsed(), requests) {
            break;
        }
        let setup = Setup { seed, rules, requests: 20_000, ..Setup::default() };
        match simulate(&module, setup) {
            Ok(report) => {
                requests += report.requests;
                println!("{:>7.1} s  seed {seed}  {report}", begun.elapsed().as_secs_f64());
            }
            Err(violation) => {
                eprintln!("{violation}");
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    println!("{requests} requests in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

impl Limit {
    fn parse(text: &str) -> Result<Self> {
        match text.parse() {
            Ok(requests) => Ok(Self::Requests(requests)),
            Err(_) => config::duration::parse(text).map(Self::Time).with_context(|| {
                format!("{text:?}: give a number of requests, or a duration such as 30s, 10m, 2h")
            }),
        }
    }

    fn is_over(&self, time: Duration, requests: u64) -> bool {
        match self {
            Self::Time(limit) => time >= *limit,
            Self::Requests(limit) => requests >= *limit,
        }
    }
}
