//! What is measured against what is recorded.

use std::collections::BTreeSet;

use crate::figures::{Costs, INSTRUCTIONS};

/// How much the instructions of a callback may differ, in percent. Everything else is what the
/// code says, and exact. How many instructions that takes is for the compiler to decide: it is
/// pinned, but where a clone lies is in the names that it orders functions by, and so in what it
/// inlines.
const TOLERANCE: u64 = 3;

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
    }
    differences
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::figures::Figures;

    fn costs(instructions: u64, reads: u64) -> Costs {
        let host_calls = BTreeMap::from([("proxy_get_shared_data".to_owned(), reads)]);
        let figures = Figures { instructions, host_calls, ..Figures::default() };
        BTreeMap::from([("closed".to_owned(), BTreeMap::from([("log".to_owned(), figures)]))])
    }

    #[test]
    fn a_host_call_more_is_told() {
        let told = differences(&costs(1000, 1), &costs(1000, 2));
        assert_eq!(told, ["  closed, log: calls of proxy_get_shared_data: 1 -> 2"]);
    }

    #[test]
    fn instructions_may_differ_by_what_compilers_do_and_no_more() {
        assert!(differences(&costs(1000, 1), &costs(1030, 1)).is_empty());
        assert!(differences(&costs(1000, 1), &costs(970, 1)).is_empty());
        for told in [1031, 969] {
            assert_eq!(
                differences(&costs(1000, 1), &costs(told, 1)),
                [format!("  closed, log: instructions: 1000 -> {told}")]
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
