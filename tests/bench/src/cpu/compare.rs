//! What the bursts come to: differences and ratios, and how sure they are.

use crate::cpu::measure::{Burst, Sample};
use crate::cpu::scenes::{Kind, Set};
use crate::cpu::{AGAIN, PLAIN};
use crate::effort::Effort;
use crate::sheet::Sheet;
use crate::statistics::{Estimate, Round, estimate, median};

/// How far an interval may reach from its figure, and how much of it the same proxy again may differ.
const SURE: f64 = 0.10;

pub(crate) const P99_TIMES_PLAIN: &str = "p99 x plain";
const ADDED: &str = "added";
pub(crate) const TWO_TIMES_ONE: &str = "two x one, over plain's";

/// The column of ratios to this proxy.
pub(crate) fn times(other: &str) -> String {
    format!("x {other}")
}

/// Whether every figure that has a bar is: its interval is narrow, and the plain route again differs
/// from the plain one by less than that.
pub(crate) fn is_sure(kind: Kind, sheet: &Sheet) -> bool {
    crate::cpu::bars().iter().all(|bar| {
        let narrow = |figure: Estimate| figure.is_within(SURE);
        let quiet = || noise(kind, sheet, bar.row()).is_none_or(|noise| noise <= SURE);
        bar.figure(sheet).is_none_or(|figure| narrow(figure) && quiet())
    })
}

/// What the plain route again differs by, as a share of what a row shows.
fn noise(kind: Kind, sheet: &Sheet, row: &str) -> Option<f64> {
    let again = |column| sheet.cell(AGAIN, column).map(|it| it.value);
    match kind {
        Kind::Cpu => Some((again(ADDED)? / sheet.cell(row, ADDED)?.value).abs()),
        Kind::Workers => Some((again(TWO_TIMES_ONE)? - 1.0).abs()),
        Kind::Latency => Some((again(P99_TIMES_PLAIN)? - 1.0).abs()),
    }
}

pub(crate) fn sheet(set: &Set, samples: &[Sample], effort: &Effort) -> Sheet {
    let scene = Samples(samples);
    let sheet = Sheet::new(set.scene.name, set.scene.title);
    let mut sheet = match set.scene.kind {
        Kind::Cpu => by_pairs(sheet, set, &scene),
        Kind::Workers => by_workers(sheet, samples),
        Kind::Latency => by_latency(sheet, &scene),
    };
    let starts = samples.first().map_or(&[][..], |sample| &sample.starts);
    sheet.note(format!(
        "{} starts, {} rounds each, {} requests to each proxy a round, {} connections. \
         `[ ]`: where the figure lies in 95 of 100 cases.",
        starts.len(),
        starts.first().map_or(0, Vec::len),
        effort.requests,
        effort.connections,
    ));
    if !is_sure(set.scene.kind, &sheet) {
        sheet.note(
            "Not sure enough: an interval reaches further than a tenth of its figure, or the plain \
             route again differs by more.",
        );
    }
    for sample in samples {
        if let Some(crossings) = &sample.crossings {
            sheet.note(format!("{}: {crossings}", sample.name));
        }
    }
    sheet
}

/// CPU time: all of it, what a filter adds, and that against what another adds.
fn by_pairs(sheet: Sheet, set: &Set, scene: &Samples<'_>) -> Sheet {
    let mut others: Vec<&str> = Vec::new();
    for (_, other) in &set.pairs {
        if !others.contains(other) {
            others.push(other);
        }
    }
    let mut sheet = sheet.column("all", 0).column(ADDED, 0).plotted(ADDED);
    for other in &others {
        sheet = sheet.column(times(other), 2);
    }
    for sample in scene.0 {
        let mut cells = vec![Some(scene.all(sample)), None];
        if sample.name != PLAIN {
            cells[1] = scene.added(&sample.name);
        }
        cells.extend(others.iter().map(|other| {
            let asked = set.pairs.contains(&(&sample.name, other));
            asked.then(|| scene.ratio(&sample.name, other)).flatten()
        }));
        sheet.row(&sample.name, cells);
    }
    sheet.note(
        "added: to the plain route, the median of the differences round by round. \
         x another: what a proxy adds against what the other does, of which the difference between \
         the two is taken round by round as well.",
    );
    sheet
}

/// CPU time with one worker and with two. The samples come in pairs, the plain ones first.
fn by_workers(sheet: Sheet, samples: &[Sample]) -> Sheet {
    let mut sheet = sheet
        .column("one worker", 0)
        .column("two workers", 0)
        .column(TWO_TIMES_ONE, 3)
        .plotted(TWO_TIMES_ONE);
    let scene = Samples(samples);
    let [plain_one, plain_two, ..] = samples else { return sheet };
    for pair in samples.chunks_exact(2) {
        let [one, two] = pair else { continue };
        let figure = scene.figure(one, |round| {
            let ratio = |one, two| cpu(two, round) / cpu(one, round);
            ratio(one, two) / ratio(plain_one, plain_two)
        });
        let ratio = (one.name != PLAIN).then_some(figure);
        sheet.row(&one.name, vec![Some(scene.all(one)), Some(scene.all(two)), ratio]);
    }
    sheet.note("With two workers, client and upstream share one of their CPUs.");
    sheet
}

fn by_latency(sheet: Sheet, scene: &Samples<'_>) -> Sheet {
    let mut sheet = sheet
        .column("requests/s", 0)
        .column("busy, %", 0)
        .column("p50, us", 0)
        .column("p99, us", 0)
        .column(P99_TIMES_PLAIN, 3)
        .plotted(P99_TIMES_PLAIN);
    let Some(plain) = scene.find(PLAIN) else { return sheet };
    for sample in scene.0 {
        let figure = |of: fn(&Burst) -> f64| Some(scene.figure(sample, |it| of(burst(sample, it))));
        let times = scene.figure(sample, |it| burst(sample, it).p99 / burst(plain, it).p99);
        sheet.row(
            &sample.name,
            vec![
                figure(|it| it.throughput),
                figure(|it| it.busy * 100.0),
                figure(|it| it.p50 / 1e3),
                figure(|it| it.p99 / 1e3),
                (sample.name != PLAIN).then_some(times),
            ],
        );
    }
    sheet.note(
        "busy: how much of a CPU the proxy used while every connection was busy. Latencies are at \
         half of the plain route's throughput, sent at fixed times whether or not the requests \
         before were answered, and counted from those times.",
    );
    sheet
}

/// All that was measured of a scene.
struct Samples<'a>(&'a [Sample]);

impl Samples<'_> {
    fn find(&self, name: &str) -> Option<&Sample> {
        self.0.iter().find(|sample| sample.name == name)
    }

    /// The median of a number that each round gives.
    fn figure(&self, sample: &Sample, of: impl Fn(&Round) -> f64) -> Estimate {
        estimate(&sample.rounds(), |rounds| median(&rounds.iter().map(&of).collect::<Vec<_>>()))
    }

    fn all(&self, sample: &Sample) -> Estimate {
        self.figure(sample, |round| cpu(sample, round))
    }

    /// What a proxy uses more than the plain one.
    fn added(&self, name: &str) -> Option<Estimate> {
        let (sample, plain) = (self.find(name)?, self.find(PLAIN)?);
        Some(self.figure(sample, |round| cpu(sample, round) - cpu(plain, round)))
    }

    /// What one proxy adds as a multiple of what another does, by the difference between the two:
    /// that is taken in one step, so that the noise of the plain one is in it only once.
    fn ratio(&self, one: &str, other: &str) -> Option<Estimate> {
        let (one, other, plain) = (self.find(one)?, self.find(other)?, self.find(PLAIN)?);
        Some(estimate(&one.rounds(), |rounds| {
            1.0 + difference(one, other, rounds) / difference(other, plain, rounds)
        }))
    }
}

fn difference(one: &Sample, other: &Sample, rounds: &[Round]) -> f64 {
    let of_round = |round: &Round| cpu(one, round) - cpu(other, round);
    median(&rounds.iter().map(of_round).collect::<Vec<_>>())
}

fn cpu(sample: &Sample, round: &Round) -> f64 {
    burst(sample, round).cpu
}

fn burst<'a>(sample: &'a Sample, round: &Round) -> &'a Burst {
    &sample.starts[round.start][round.index]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::scenes;
    use crate::cpu::{ADMISSION, EMPTY_WASM, OURS_NATIVE};

    /// Rounds that all have some of the machine's noise in common.
    fn sample(name: &str, cpu: f64) -> Sample {
        let noise = |index: u32| f64::from(index % 7) * 1000.0;
        let rounds = (0..8).map(|it| Burst { cpu: cpu + noise(it), p99: cpu, ..Burst::default() });
        let starts = vec![rounds.collect(); 3];
        Sample { name: name.to_owned(), crossings: None, starts }
    }

    fn set(index: usize, pairs: &[(&'static str, &'static str)]) -> Set {
        Set { scene: scenes::all()[index], subjects: Vec::new(), pairs: pairs.to_vec() }
    }

    #[test]
    fn what_one_adds_is_a_multiple_of_what_the_other_does_whatever_they_have_in_common() {
        let samples = [sample(PLAIN, 1e5), sample(EMPTY_WASM, 1.1e5), sample(OURS_NATIVE, 1.04e5)];
        let ratio = Samples(&samples).ratio(OURS_NATIVE, EMPTY_WASM).expect("a ratio");
        assert!((ratio.value - 0.4).abs() < 1e-9 && ratio.is_within(1e-9), "{ratio:?}");
    }

    #[test]
    fn a_comparison_is_not_sure_while_the_same_proxy_again_differs_as_much() {
        let pair = [(OURS_NATIVE, ADMISSION)];
        let with = |again| {
            let of = [(PLAIN, 1e5), (AGAIN, 1e5 + again), (OURS_NATIVE, 1.1e5), (ADMISSION, 1.1e5)];
            of.map(|(name, cpu)| sample(name, cpu))
        };
        let is_sure =
            |again| is_sure(Kind::Cpu, &sheet(&set(0, &pair), &with(again), &Effort::QUICK));
        assert!(is_sure(900.0));
        assert!(!is_sure(1100.0));
    }

    #[test]
    fn a_comparison_is_not_sure_while_its_interval_is_wide() {
        let mut samples = [(PLAIN, 1e5), (AGAIN, 1e5), (ADMISSION, 1.1e5), (OURS_NATIVE, 1.1e5)]
            .map(|(name, cpu)| sample(name, cpu));
        for (start, rounds) in samples[3].starts.iter_mut().enumerate() {
            rounds.iter_mut().for_each(|burst| burst.cpu += 5000.0 * start as f64);
        }
        let sheet = sheet(&set(0, &[(OURS_NATIVE, ADMISSION)]), &samples, &Effort::QUICK);
        assert!(!is_sure(Kind::Cpu, &sheet), "{sheet}");
    }

    #[test]
    fn two_workers_are_held_against_what_two_workers_cost_the_plain_route() {
        let samples = [
            sample(PLAIN, 1e6),
            sample(PLAIN, 1.1e6),
            sample(OURS_NATIVE, 2e6),
            sample(OURS_NATIVE, 2.2e6),
        ];
        let sheet = sheet(&set(3, &[]), &samples, &Effort::QUICK);
        let cell = sheet.cell(OURS_NATIVE, TWO_TIMES_ONE).expect("a ratio");
        assert!((cell.value - 1.0).abs() < 1e-3, "{cell:?}");
    }

    #[test]
    fn the_bars_are_about_cells_that_there_are() {
        let names = [
            PLAIN,
            AGAIN,
            EMPTY_WASM,
            ADMISSION,
            OURS_NATIVE,
            crate::cpu::CALLS,
            crate::cpu::OURS_WASM,
        ];
        let samples = names.map(|name| sample(name, 1e5 + name.len() as f64));
        let pairs = [
            (OURS_NATIVE, EMPTY_WASM),
            (OURS_NATIVE, ADMISSION),
            (crate::cpu::OURS_WASM, crate::cpu::CALLS),
        ];
        let doubled: Vec<_> = samples.iter().flat_map(|it| [it.clone(), it.clone()]).collect();
        let sheets = [
            sheet(&set(0, &pairs), &samples, &Effort::QUICK),
            sheet(&set(3, &[]), &doubled, &Effort::QUICK),
            sheet(&set(4, &[]), &samples, &Effort::QUICK),
        ];
        for bar in crate::cpu::bars() {
            let verdict = bar.judge(&sheets).to_string();
            assert!(!verdict.starts_with("not measured"), "{verdict}");
        }
    }
}
