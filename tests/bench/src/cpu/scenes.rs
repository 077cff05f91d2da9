//! Which proxies are compared with which.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use crate::args::Args;
use crate::cpu::subject::{DIVERTED, SUCCEEDED, Subject, Witness};
use crate::cpu::{
    ADMISSION, AGAIN, CALLS, EMPTY_NATIVE, EMPTY_WASM, LUA, OURS_NATIVE, OURS_WASM, PLAIN, filters,
};

/// What is measured in a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// CPU time per request.
    Cpu,
    /// CPU time per request with two workers and with one.
    Workers,
    /// Throughput, and latency at half of what a plain route is able to.
    Latency,
}

/// A comparison that is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
    /// Whether breakers are open.
    pub(crate) tripped: bool,
    /// Its proxies.
    subjects: fn(&Args) -> Result<Vec<Subject>>,
    /// A proxy, and the one that it is compared with. Only those that are there count.
    pairs: &'static [(&'static str, &'static str)],
}

/// The same with the proxies that are there. The first is the plain one, the second the same again.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) scene: Scene,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) pairs: Vec<(&'static str, &'static str)>,
}

impl Scene {
    pub(crate) fn set(self, args: &Args) -> Result<Set> {
        let subjects = (self.subjects)(args)?;
        let is_there = |name: &str| subjects.iter().any(|subject| subject.name == name);
        let pairs = self.pairs.iter().copied();
        let pairs = pairs.filter(|(one, other)| is_there(one) && is_there(other)).collect();
        Ok(Set { scene: self, subjects, pairs })
    }
}

/// The scene of which more is told.
pub(crate) const CLOSED: &str = "cpu-closed";

const RATES_WASM: &str = "ours, Wasm: rates, slow calls, bulkhead";
const RATES_NATIVE: &str = "ours, native: rates, slow calls, bulkhead";
const MANY_WASM: &str = "ours, Wasm: 1,000 services";
const MANY_NATIVE: &str = "ours, native: 1,000 services";

/// All of them.
pub(crate) fn all() -> [Scene; 5] {
    let cpu = Scene {
        name: CLOSED,
        title: "CPU time per request in nanoseconds, breakers closed",
        kind: Kind::Cpu,
        tripped: false,
        subjects: closed,
        pairs: &[
            (OURS_NATIVE, EMPTY_WASM),
            (OURS_NATIVE, ADMISSION),
            (OURS_WASM, CALLS),
            (OURS_WASM, EMPTY_WASM),
            (CALLS, EMPTY_WASM),
            (LUA, EMPTY_WASM),
            (EMPTY_NATIVE, EMPTY_WASM),
            (ADMISSION, EMPTY_WASM),
            (OURS_NATIVE, EMPTY_NATIVE),
        ],
    };
    let diverted = Scene {
        name: "cpu-diverted",
        title: "CPU time per request in nanoseconds, breakers open: diverted to the fallback",
        tripped: true,
        subjects: diverted,
        pairs: &[(OURS_WASM, LUA), (OURS_NATIVE, LUA)],
        ..cpu
    };
    let policies = Scene {
        name: "cpu-policies",
        title: "CPU time per request in nanoseconds, by what is configured",
        subjects: policies,
        pairs: &[
            (RATES_WASM, OURS_WASM),
            (MANY_WASM, OURS_WASM),
            (RATES_NATIVE, OURS_NATIVE),
            (MANY_NATIVE, OURS_NATIVE),
        ],
        ..cpu
    };
    let workers = Scene {
        name: "cpu-workers",
        title: "CPU time per request in nanoseconds, with one worker and with two",
        kind: Kind::Workers,
        subjects: workers,
        pairs: &[],
        ..cpu
    };
    let latency = Scene {
        name: "cpu-latency",
        title: "Throughput of one worker, and latency at half of the plain route's",
        kind: Kind::Latency,
        subjects: closed,
        pairs: &[],
        ..cpu
    };
    [cpu, diverted, policies, workers, latency]
}

/// This filter in the forms that have a name.
fn ours(
    names: BTreeMap<&str, &str>,
    configuration: &Value,
    witness: Witness,
) -> Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    if let Some(name) = names.get(OURS_WASM) {
        let filter = filters::wasm(&artifacts::proxy_wasm()?, configuration)?;
        subjects.push(Subject::with(name, filter, witness));
    }
    if let Some(name) = names.get(OURS_NATIVE) {
        subjects.push(Subject::with(name, filters::native(configuration)?, witness));
    }
    Ok(subjects)
}

fn both() -> BTreeMap<&'static str, &'static str> {
    [(OURS_WASM, OURS_WASM), (OURS_NATIVE, OURS_NATIVE)].into()
}

fn plain() -> Vec<Subject> {
    vec![Subject::plain(PLAIN), Subject::plain(AGAIN)]
}

/// One execution per direction.
const LUA_RAN: Witness = Witness::Counters(["http.ingress.lua.executions", ""], 2);
const CALLS_RAN: Witness = Witness::Counters(["wasmcustom.calls", ""], 1);
const ADMITTED: Witness = Witness::Counters(["admission_control.rq_success", ""], 1);

fn closed(args: &Args) -> Result<Vec<Subject>> {
    let configuration = filters::one(filters::service());
    let mut subjects = plain();
    subjects.push(Subject::with(EMPTY_WASM, filters::empty_wasm()?, Witness::None));
    subjects.push(Subject::with(CALLS, filters::calls()?, CALLS_RAN));
    subjects.push(Subject::with(EMPTY_NATIVE, filters::empty_native()?, Witness::None));
    subjects.extend(ours(both(), &configuration, SUCCEEDED)?);
    for module in &args.module {
        let filter = filters::wasm(&module.path, &configuration)?;
        subjects.push(Subject::with(&module.name, filter, SUCCEEDED));
    }
    subjects.push(Subject::with(LUA, filters::lua_breaker(), LUA_RAN));
    subjects.push(Subject::with(ADMISSION, filters::admission_control(), ADMITTED));
    Ok(subjects)
}

fn diverted(_: &Args) -> Result<Vec<Subject>> {
    let configuration = filters::one(filters::service_that_stays_open());
    let mut subjects = plain();
    subjects.extend(ours(both(), &configuration, DIVERTED)?);
    subjects.push(Subject::with(LUA, filters::lua_breaker(), Witness::None));
    Ok(subjects)
}

fn policies(_: &Args) -> Result<Vec<Subject>> {
    let mut subjects = plain();
    subjects.extend(ours(both(), &filters::one(filters::service()), SUCCEEDED)?);
    let rates = filters::one(filters::service_with_rates());
    let names = [(OURS_WASM, RATES_WASM), (OURS_NATIVE, RATES_NATIVE)];
    subjects.extend(ours(names.into(), &rates, SUCCEEDED)?);
    let names = [(OURS_WASM, MANY_WASM), (OURS_NATIVE, MANY_NATIVE)];
    subjects.extend(ours(names.into(), &filters::one_of_a_thousand(), SUCCEEDED)?);
    Ok(subjects)
}

/// Each with one worker, and right after it with two.
fn workers(_: &Args) -> Result<Vec<Subject>> {
    let mut subjects = plain();
    subjects.extend(ours(both(), &filters::one(filters::service()), SUCCEEDED)?);
    let pairs = subjects.into_iter().map(|subject| [subject.clone(), subject.workers(2)]);
    Ok(pairs.flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_which_one_is_not_there_is_left_out() {
        fn subjects(_: &Args) -> Result<Vec<Subject>> {
            Ok([PLAIN, AGAIN, EMPTY_WASM, LUA].map(Subject::plain).into())
        }
        let args = <Args as clap::Parser>::parse_from(["bench"]);
        let set = Scene { subjects, ..all()[0] }.set(&args).expect("a set");
        assert_eq!(set.pairs, [(LUA, EMPTY_WASM)]);
    }
}
