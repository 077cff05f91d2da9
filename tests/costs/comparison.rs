//! What is measured against what is recorded.

use std::collections::BTreeSet;

use crate::figures::{Costs, Figures, INSTRUCTIONS};

/// How much the instructions of a callback may differ, in percent. Everything else is what the
/// code says, and exact. How many instructions that takes is for the compiler to decide: it is
/// pinned, but where a clone lies is in the names that it orders functions by, and so in what it
/// inlines.
const TOLERANCE: u64 = 3;

/// How much those of a path may differ, over all of its callbacks: what the compiler takes from one
/// it often gives to another.
const TOLERANCE_OF_SUM: u64 = 2;

/// Each figure that differs, in words.
pub(crate) fn differences(recorded: &Costs, measured: &Costs) -> Vec<String> {
    let mut differences = Vec::new();
    let paths: BTreeSet<_> = recorded.keys().chain(measured.keys()).collect();
    for path in paths {
        let [before, now] = [recorded, measured].map(|costs| costs.get(path).cloned());
        let (before, now) = (before.unwrap_or_default(), now.unwrap_or_default());
        let callbacks: BTreeSet<_> = before.keys().chain(now.keys()).collect();
        for callback in callbacks {
            let [before, now] = [&before, &now]
                .map(|of| of.get(callback).map(|figures| figures.named()).unwrap_or_default());
            let names: BTreeSet<_> = before.keys().chain(now.keys()).collect();
            for name in names {
                let [before, now] = [&before, &now].map(|of| of.get(name).copied().unwrap_or(0));
                let allowed = if name == INSTRUCTIONS { before * TOLERANCE / 100 } else { 0 };
                if before.abs_diff(now) > allowed {
                    differences.push(format!("  {path}, {callback}: {name}: {before} -> {now}"));
                }
            }
        }
        if !before.is_empty() && !now.is_empty() {
            let [before, now] = [&before, &now].map(|of| Figures::sum(of).instructions);
            if before.abs_diff(now) > before * TOLERANCE_OF_SUM / 100 {
                differences.push(format!("  {path}, in all: {INSTRUCTIONS}: {before} -> {now}"));
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn figures(instructions: u64, reads: u64) -> Figures {
        let host_calls = BTreeMap::from([("proxy_get_shared_data".to_owned(), reads)]);
        Figures { instructions, host_calls, ..Figures::default() }
    }

    fn costs(instructions: u64, reads: u64) -> Costs {
        let log = ("log".to_owned(), figures(instructions, reads));
        BTreeMap::from([("closed".to_owned(), BTreeMap::from([log]))])
    }

    /// A path of two callbacks, the first of which is as expensive as the other.
    fn halves(instructions: [u64; 2]) -> Costs {
        let names = ["headers", "log"].map(str::to_owned);
        let callbacks = names.into_iter().zip(instructions.map(|each| figures(each, 1)));
        BTreeMap::from([("closed".to_owned(), callbacks.collect())])
    }

    #[test]
    fn a_host_call_more_is_told() {
        let told = differences(&costs(1000, 1), &costs(1000, 2));
        assert_eq!(told, ["  closed, log: calls of proxy_get_shared_data: 1 -> 2"]);
    }

    #[test]
    fn instructions_may_differ_by_what_compilers_do_and_no_more() {
        let before = halves([1000, 1000]);
        assert!(differences(&before, &halves([1030, 970])).is_empty());
        for told in [1031, 969] {
            assert_eq!(
                differences(&before, &halves([told, 1000])),
                [format!("  closed, headers: instructions: 1000 -> {told}")]
            );
        }
    }

    #[test]
    fn all_callbacks_together_may_differ_by_less_than_each_alone() {
        let before = halves([1000, 1000]);
        assert!(differences(&before, &halves([1020, 1020])).is_empty());
        for (each, sum) in [(1021, 2042), (979, 1958)] {
            assert_eq!(
                differences(&before, &halves([each, each])),
                [format!("  closed, in all: instructions: 2000 -> {sum}")]
            );
        }
    }

    #[test]
    fn a_path_or_a_callback_that_comes_or_goes_is_told() {
        let some = costs(1000, 1);
        assert_eq!(differences(&some, &Costs::new()).len(), 2);
        assert_eq!(differences(&Costs::new(), &some).len(), 2);
    }
}
