//! What was found out, and the file it is written to.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::args::Args;
use crate::crossings::Crossings;
use crate::machine::Machine;
use crate::measure::Sample;
use crate::statistics::{Estimate, Round, estimate, median, quantile};
use crate::subject::Kind;

/// Everything, down to the single burst.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) starts: u32,
    pub(crate) rounds_per_start: u32,
    pub(crate) requests_per_burst: u32,
    pub(crate) connections: u32,
    pub(crate) rows: Vec<Row>,
}

/// One proxy. Times are nanoseconds of CPU time per request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The median over all rounds.
    pub(crate) per_request: f64,
    /// What it costs more than the plain proxy, but for the plain proxy itself.
    pub(crate) added: Option<Added>,
    /// The same as a multiple of what the empty filter costs, if there is a filter.
    pub(crate) ratio: Option<Estimate>,
    /// What passes between proxy and module per request, if there is a module.
    pub(crate) crossings: Option<Crossings>,
    /// Each burst, by start and round.
    bursts: Vec<Vec<f64>>,
}

/// The differences to the plain proxy, round by round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Added {
    pub(crate) median: Estimate,
    /// Half of the differences lie between these two.
    pub(crate) quartiles: [f64; 2],
}

impl Report {
    pub(crate) fn new(args: &Args, samples: &[Sample], machine: Machine) -> Result<Self> {
        let [plain, others @ ..] = samples else { anyhow::bail!("nothing was measured") };
        let empty = samples.iter().find(|it| it.kind == Kind::Empty).context("no empty filter")?;
        let mut random = fastrand::Rng::with_seed(args.seed);
        let mut rows = vec![Row::of(plain)];
        for sample in others {
            let mut row = Row::of(sample);
            row.added = Some(added(sample, plain, &mut random));
            row.ratio =
                (sample.kind != Kind::Plain).then(|| ratio(sample, empty, plain, &mut random));
            rows.push(row);
        }
        Ok(Self {
            machine,
            starts: args.starts,
            rounds_per_start: args.rounds,
            requests_per_burst: args.requests,
            connections: args.connections,
            rows,
        })
    }

    /// Whether no measured module costs more than this multiple of the empty filter's cost.
    pub(crate) fn is_within(&self, allowed: f64) -> bool {
        let ours = self.rows.iter().filter(|row| row.kind == Kind::Ours);
        ours.filter_map(|row| row.ratio).all(|ratio| ratio.value <= allowed)
    }

    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        let context = || format!("cannot write {}", path.display());
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).with_context(context)?;
        }
        fs::write(path, serde_json::to_vec_pretty(self)?).with_context(context)
    }
}

impl Row {
    fn of(sample: &Sample) -> Self {
        Self {
            name: sample.name.clone(),
            kind: sample.kind,
            per_request: median(&sample.starts.concat()),
            added: None,
            ratio: None,
            crossings: sample.crossings.clone(),
            bursts: sample.starts.clone(),
        }
    }
}

fn added(sample: &Sample, plain: &Sample, random: &mut fastrand::Rng) -> Added {
    let median =
        estimate(&sample.rounds(), random, |rounds| median(&differences(sample, plain, rounds)));
    let all = differences(sample, plain, &sample.rounds().concat());
    Added { median, quartiles: [quantile(&all, 0.25), quantile(&all, 0.75)] }
}

fn ratio(sample: &Sample, empty: &Sample, plain: &Sample, random: &mut fastrand::Rng) -> Estimate {
    estimate(&sample.rounds(), random, |rounds| {
        median(&differences(sample, plain, rounds)) / median(&differences(empty, plain, rounds))
    })
}

fn differences(sample: &Sample, plain: &Sample, rounds: &[Round]) -> Vec<f64> {
    let of = |sample: &Sample, round: &Round| sample.starts[round.start][round.index];
    rounds.iter().map(|round| of(sample, round) - of(plain, round)).collect()
}
