//! The measurement: starts, rounds and bursts.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use envoy_harness::{Envoy, EnvoyOptions};

use crate::args::Args;
use crate::crossings::Crossings;
use crate::load::{Connection, send};
use crate::statistics::Round;
use crate::subject::{Kind, Subject, subjects};
use crate::upstream::Upstream;

/// Time for a proxy to put away the last request of a burst.
const SETTLING: Duration = Duration::from_millis(1);

/// What was measured of one proxy: nanoseconds per request, one number per round.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// What passes between proxy and module per request, if there is a module.
    pub(crate) crossings: Option<Crossings>,
    /// By start, then by round.
    pub(crate) starts: Vec<Vec<f64>>,
}

pub(crate) async fn measure(args: &Args, cpu: usize) -> Result<Vec<Sample>> {
    let subjects = subjects(args)?;
    let mut random = fastrand::Rng::with_seed(args.seed);
    let mut samples = Vec::new();
    for subject in &subjects {
        let sample = Sample::of(subject).await;
        samples.push(sample.with_context(|| subject.name.clone())?);
    }
    for start in 1..=args.starts {
        eprintln!("start {start} of {}", args.starts);
        let upstream = Upstream::start().await?;
        let mut proxies = Vec::new();
        for subject in &subjects {
            let proxy = Proxy::start(args, subject, &upstream, cpu).await;
            proxies.push(proxy.with_context(|| subject.name.clone())?);
        }
        run(args, &mut proxies, &mut samples, &mut random).await?;
        check(args, &proxies, &upstream).await?;
    }
    Ok(samples)
}

/// All rounds of one start.
async fn run(
    args: &Args,
    proxies: &mut [Proxy<'_>],
    samples: &mut [Sample],
    random: &mut fastrand::Rng,
) -> Result<()> {
    for (proxy, sample) in proxies.iter_mut().zip(&mut *samples) {
        send(&mut proxy.connections, args.start_up).await?;
        sample.starts.push(Vec::new());
    }
    let mut order: Vec<usize> = (0..proxies.len()).collect();
    for _ in 0..args.rounds {
        random.shuffle(&mut order);
        for &index in &order {
            let cost = proxies[index].burst(args).await?;
            samples[index].starts.last_mut().context("no start")?.push(cost);
        }
    }
    Ok(())
}

/// Every request went all the way, and through the filter.
async fn check(args: &Args, proxies: &[Proxy<'_>], upstream: &Upstream) -> Result<()> {
    let per_proxy =
        u64::from(args.start_up) + u64::from(args.rounds) * u64::from(args.warm_up + args.requests);
    let (arrived, expected) = (upstream.requests(), per_proxy * proxies.len() as u64);
    ensure!(arrived == expected, "{arrived} of {expected} requests came to the upstream");
    for proxy in proxies {
        let checked = proxy.subject.check_path(&proxy.envoy, per_proxy).await;
        checked.with_context(|| proxy.subject.name.clone())?;
    }
    Ok(())
}

/// A proxy under measurement.
struct Proxy<'a> {
    subject: &'a Subject,
    envoy: Envoy,
    connections: Vec<Connection>,
}

impl<'a> Proxy<'a> {
    async fn start(
        args: &Args,
        subject: &'a Subject,
        upstream: &Upstream,
        cpu: usize,
    ) -> Result<Self> {
        let options = EnvoyOptions::new(subject.bootstrap(upstream.address)).pin_to_cpu(cpu);
        let envoy = options.start().await?;
        let address = envoy.listener_addr("ingress").await?;
        let mut connections = Vec::new();
        for _ in 0..args.connections {
            connections.push(Connection::open(address).await?);
        }
        Ok(Self { subject, envoy, connections })
    }

    /// Nanoseconds of CPU time per request.
    async fn burst(&mut self, args: &Args) -> Result<f64> {
        send(&mut self.connections, args.warm_up).await?;
        tokio::time::sleep(SETTLING).await;
        let before = self.envoy.cpu_time()?;
        let sent = send(&mut self.connections, args.requests).await;
        sent.with_context(|| self.subject.name.clone())?;
        tokio::time::sleep(SETTLING).await;
        let used = self.envoy.cpu_time()?.saturating_sub(before);
        Ok(used.as_secs_f64() * 1e9 / f64::from(args.requests))
    }
}

impl Sample {
    async fn of(subject: &Subject) -> Result<Self> {
        let (name, kind) = (subject.name.clone(), subject.kind);
        let crossings = match kind {
            Kind::Empty | Kind::Calls | Kind::Ours => Some(Crossings::count(subject).await?),
            Kind::Plain | Kind::Lua => None,
        };
        Ok(Self { name, kind, crossings, starts: Vec::new() })
    }

    /// Its rounds, by start.
    pub(crate) fn rounds(&self) -> Vec<Vec<Round>> {
        let of_start = |(start, rounds): (usize, &Vec<f64>)| {
            (0..rounds.len()).map(|index| Round { start, index }).collect()
        };
        self.starts.iter().enumerate().map(of_start).collect()
    }
}
