//! The measurement: starts, rounds and bursts.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use envoy_harness::Envoy;
use serde::Serialize;

use crate::cpu::compare;
use crate::cpu::crossings::Crossings;
use crate::cpu::load::{Connection, send, send_at};
use crate::cpu::scenes::{self, Kind, Set};
use crate::cpu::subject::Subject;
use crate::cpu::upstream::{FAILING, Upstream};
use crate::effort::Effort;
use crate::machine::Cpus;
use crate::statistics::{Round, quantile};

/// Time for a proxy to put away the last request of a burst.
const SETTLING: Duration = Duration::from_millis(1);

/// Requests that fail, so that a breaker opens.
const FAILURES: u32 = 3;

/// The header of an answer in the service's stead.
const FALLBACK: &str = "x-circuit-breaker-fallback";

/// What was measured of one proxy.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) name: String,
    /// What passes between proxy and module per request, if there is a module.
    pub(crate) crossings: Option<Crossings>,
    /// By start, then by round.
    pub(crate) starts: Vec<Vec<Burst>>,
}

/// What was measured of one proxy in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Burst {
    /// Nanoseconds of CPU time per request.
    pub(crate) cpu: f64,
    /// Requests per second, while every connection is always busy.
    pub(crate) throughput: f64,
    /// Nanoseconds from when a request should have been sent to its answer, at a fixed rate: half
    /// of them take no longer, and 99 of 100.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The share of the time for which the proxy was busy while every connection was.
    pub(crate) busy: f64,
}

impl Sample {
    /// Its rounds, by start.
    pub(crate) fn rounds(&self) -> Vec<Vec<Round>> {
        let of_start = |(start, rounds): (usize, &Vec<Burst>)| {
            (0..rounds.len()).map(|index| Round { start, index }).collect()
        };
        self.starts.iter().enumerate().map(of_start).collect()
    }
}

/// Starts and rounds, until the decisive comparisons are sure or patience is at its end.
pub(crate) async fn measure(set: &Set, effort: &Effort, cpus: Cpus) -> Result<Vec<Sample>> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut samples = Vec::new();
    for subject in &set.subjects {
        // That of the closed path, once.
        let crossings = match set.scene.name == scenes::CLOSED {
            true => Crossings::count(subject).await.with_context(|| subject.name.clone())?,
            false => None,
        };
        samples.push(Sample { name: subject.name.clone(), crossings, starts: Vec::new() });
    }
    for start in 1..=*effort.starts.end() {
        eprintln!("  start {start}");
        let upstream = Upstream::start().await?;
        let mut proxies = Vec::new();
        for subject in &set.subjects {
            let proxy = Proxy::start(subject, &upstream, set.scene.tripped, effort, cpus).await;
            proxies.push(proxy.with_context(|| subject.name.clone())?);
        }
        rounds(set.scene.kind, effort, &mut proxies, &mut samples, &mut random).await?;
        check(&proxies, &upstream).await?;
        if start >= *effort.starts.start() {
            let sheet = compare::sheet(set, &samples, effort);
            if compare::is_sure(set.scene.kind, &sheet) {
                break;
            }
        }
    }
    Ok(samples)
}

/// All rounds of one start.
async fn rounds(
    kind: Kind,
    effort: &Effort,
    proxies: &mut [Proxy<'_>],
    samples: &mut [Sample],
    random: &mut fastrand::Rng,
) -> Result<()> {
    for (proxy, sample) in proxies.iter_mut().zip(&mut *samples) {
        proxy.send(effort.start_up).await?;
        sample.starts.push(Vec::new());
    }
    // Half of what the plain route takes, which all are then asked for.
    let plain = proxies.first_mut().context("nothing to measure")?;
    let rate = plain.burst(effort).await?.throughput / 2.0;
    let mut order: Vec<usize> = (0..proxies.len()).collect();
    // A round of latencies takes longer, and has many of them.
    let rounds = if kind == Kind::Latency { effort.rounds.div_ceil(4) } else { effort.rounds };
    for _ in 0..rounds {
        random.shuffle(&mut order);
        for &index in &order {
            let proxy = &mut proxies[index];
            let burst = match kind {
                Kind::Cpu | Kind::Workers => proxy.burst(effort).await,
                Kind::Latency => proxy.paced(effort, rate).await,
            };
            let burst = burst.with_context(|| proxy.subject.name.clone())?;
            samples[index].starts.last_mut().context("no start")?.push(burst);
        }
    }
    Ok(())
}

/// Every request went all the way, and through the filter.
async fn check(proxies: &[Proxy<'_>], upstream: &Upstream) -> Result<()> {
    let sent: u64 = proxies.iter().map(|proxy| proxy.sent).sum();
    let arrived = upstream.requests();
    ensure!(arrived == sent, "{arrived} of {sent} requests came to the upstream");
    for proxy in proxies {
        let checked = proxy.subject.check_path(&proxy.envoy, proxy.sent).await;
        checked.with_context(|| proxy.subject.name.clone())?;
    }
    Ok(())
}

/// A proxy under measurement.
struct Proxy<'a> {
    subject: &'a Subject,
    envoy: Envoy,
    connections: Vec<Connection>,
    /// Requests, but for those that were to fail.
    sent: u64,
}

impl<'a> Proxy<'a> {
    async fn start(
        subject: &'a Subject,
        upstream: &Upstream,
        tripped: bool,
        effort: &Effort,
        cpus: Cpus,
    ) -> Result<Self> {
        let envoy = subject.start(upstream.address, cpus).await?;
        let address = envoy.listener_addr("ingress").await?;
        let mut sent = 0;
        if tripped && subject.can_trip() {
            let mut failing = Connection::open_for(address, FAILING).await?;
            for _ in 0..FAILURES {
                failing.send().await?;
            }
            let answer = Connection::open(address).await?.send().await?;
            ensure!(answer.headers.contains_key(FALLBACK), "it did not open: {answer:?}");
            sent += 1;
        }
        let mut connections = Vec::new();
        for _ in 0..effort.connections {
            connections.push(Connection::open(address).await?);
        }
        Ok(Self { subject, envoy, connections, sent })
    }

    async fn send(&mut self, requests: u32) -> Result<()> {
        self.sent += u64::from(requests);
        send(&mut self.connections, requests).await
    }

    /// Some requests, as fast as they are answered.
    async fn burst(&mut self, effort: &Effort) -> Result<Burst> {
        self.send(effort.warm_up).await?;
        tokio::time::sleep(SETTLING).await;
        let (before, begun) = (self.envoy.cpu_time()?, Instant::now());
        self.send(effort.requests).await?;
        let took = begun.elapsed().as_secs_f64();
        tokio::time::sleep(SETTLING).await;
        let used = self.envoy.cpu_time()?.saturating_sub(before).as_secs_f64();
        let requests = f64::from(effort.requests);
        let (cpu, throughput) = (used * 1e9 / requests, requests / took);
        Ok(Burst { cpu, throughput, busy: used / took, ..Burst::default() })
    }

    /// The same, and then some requests at a fixed rate.
    async fn paced(&mut self, effort: &Effort, rate: f64) -> Result<Burst> {
        let burst = self.burst(effort).await?;
        let times = send_at(&mut self.connections, rate, effort.at_fixed_rate).await?;
        self.sent += times.len() as u64;
        Ok(Burst { p50: quantile(&times, 0.5), p99: quantile(&times, 0.99), ..burst })
    }
}
