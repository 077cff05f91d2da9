//! The invariants bite: the module's own code, with a bug in it, is found out.
//!
//! Each mutant is the plugin as it is but for a line or two. A patch that does not apply any more
//! is an error, so that no mutant gets lost when the code moves on.

mod build;

use std::fmt;
use std::fs;
use std::time::Instant;

use host_test_proxy_wasm::{Module, Options};
use world::{Rules, Setup, simulate};

use build::Workshop;

/// Within so many requests.
const REQUESTS: u64 = 100_000;

/// A bug.
pub(crate) struct Mutant {
    /// What the module does.
    does: &'static str,
    /// Files, what stands there once, and what takes its place.
    patches: &'static [(&'static str, &'static str, &'static str)],
    /// Under which rules it shows.
    shows: fn(&Rules) -> bool,
}

/// The bugs that are to be found.
const MUTANTS: [Mutant; 18] = [
    Mutant {
        does: "it writes unconditionally, with a version of 0",
        patches: &[(
            "plugin/proxy-wasm/src/proxy.rs",
            "expected.map_or(ABSENT, Version::get)",
            "expected.map_or(ABSENT, |_| 0)",
        )],
        shows: anywhere,
    },
    Mutant {
        does: "it counts results of other generations",
        patches: &[
            (
                "plugin/breaker/src/breaker/settlement.rs",
                "if permit.generation != self.generation {",
                "if permit.generation.next().number() == 1 {",
            ),
            (
                "plugin/breaker/src/breaker/settlement.rs",
                "let late = call.permit.generation != self.generation;",
                "let late = call.permit.generation.next().number() == 1;",
            ),
        ],
        shows: anywhere,
    },
    Mutant {
        does: "it takes no slot back from a trial that hangs",
        patches: &[(
            "plugin/breaker/src/trials.rs",
            "if *at <= now && !is_reserved(*at, now) {",
            "if *at < FREE {",
        )],
        shows: anywhere,
    },
    Mutant {
        does: "it releases slots that another trial has taken since",
        patches: &[(
            "plugin/breaker/src/trials.rs",
            "**held == slot.deadline && now < slot.deadline",
            "**held != FREE && now.since(FREE) > Duration::ZERO",
        )],
        shows: anywhere,
    },
    Mutant {
        does: "it takes leases of health checks that have no end",
        patches: &[
            (
                "plugin/breaker/src/check.rs",
                "self.leased_until = now.after(lease(policy));",
                "self.leased_until = now.after(Duration::MAX);",
            ),
            (
                "plugin/breaker/src/check.rs",
                "self.leased_until = self.leased_until.min(now.after(lease(policy)));",
                "",
            ),
        ],
        shows: with_checks,
    },
    Mutant {
        does: "it makes health checks that another makes",
        patches: &[(
            "plugin/breaker/src/check.rs",
            "if now < self.free_at() {",
            "if now < self.due {",
        )],
        shows: with_checks,
    },
    Mutant {
        does: "it asks a service again at once that has turned a trial away",
        patches: &[(
            "plugin/breaker/src/state.rs",
            "if now < self.retry_at {",
            "if now < Timestamp::default() {",
        )],
        shows: anywhere,
    },
    Mutant {
        does: "it waits no longer for a health check that has lied",
        patches: &[(
            "plugin/breaker/src/backoff.rs",
            "let shortest = if trips > 1 { pause } else { Duration::ZERO };",
            "let shortest = if trips > u32::MAX - 1 { pause } else { Duration::ZERO };",
        )],
        shows: with_checks,
    },
    Mutant {
        does: "it forgets to write trips",
        patches: &[(
            "plugin/filter/src/store.rs",
            "Update::Changed(result, transition) => Decision::Store((result, transition)),",
            "Update::Changed(result, Some(Transition { to: breaker::StateName::Open, .. })) => \
             {\n                    Decision::Keep((result, None))\n                }\n                \
             Update::Changed(result, transition) => Decision::Store((result, transition)),",
        )],
        shows: anywhere,
    },
    Mutant {
        does: "it remembers a clean record for as long as it may, whoever writes",
        patches: &[(
            "plugin/filter/src/store.rs",
            "(host.gauges()?.read(gauge()) == Some(version)).then_some(clean)",
            "(host.gauges()?.read(gauge()) >= Some(version)).then_some(clean)",
        )],
        shows: anywhere,
    },
    Mutant {
        does: "it forgets no call of its window",
        patches: &[(
            "plugin/breaker/src/window/timed.rs",
            "*bucket = Counts::NONE;",
            "let _ = &bucket;",
        )],
        shows: with_a_rate,
    },
    Mutant {
        does: "it never writes down the good calls that a worker has kept to itself",
        patches: &[(
            "plugin/breaker/src/breaker/settlement.rs",
            "closed.measured.window.add(counts, end.min(at), at);",
            "let _ = (&closed, end);",
        )],
        shows: with_a_rate,
    },
    Mutant {
        does: "it looks at the rate with the next call only",
        patches: &[(
            "plugin/breaker/src/trip.rs",
            "self.rates?.reached(",
            "self.rates.filter(|_| call.failures == 0)?.reached(",
        )],
        shows: with_a_rate,
    },
    Mutant {
        does: "it reads the clock before the record, when it looks for a check to be made",
        patches: &[
            (
                "plugin/filter/src/health.rs",
                "let taken = self.update(host, effects, |breaker| {",
                "let early = host.now().monotonic;\n    \
                 let taken = self.update(host, effects, |breaker| {",
            ),
            (
                "plugin/filter/src/health.rs",
                "breaker.take_check(&self.service.policy, host.now().monotonic)",
                "breaker.take_check(&self.service.policy, early)",
            ),
        ],
        shows: with_checks,
    },
    Mutant {
        does: "it makes a trial with each call while the adaptive rule diverts all",
        patches: &[(
            "plugin/breaker/src/adaptive/admit.rs",
            "self.diverts_all() && now >= self.outage.next_trial",
            "self.diverts_all() && now >= Timestamp::default()",
        )],
        shows: with_the_adaptive_rule,
    },
    Mutant {
        does: "it takes a share of the calls for all of them",
        patches: &[(
            "plugin/breaker/src/adaptive.rs",
            "self.phase == Phase::Limited && self.outage.diverted == Share::WHOLE",
            "self.phase == Phase::Limited && self.outage.diverted >= Share::HALF",
        )],
        shows: with_the_adaptive_rule,
    },
    Mutant {
        does: "it goes on with the same period when the adaptive rule lets calls come back",
        patches: &[(
            "plugin/breaker/src/breaker/adapting.rs",
            "AdaptiveChange::Returning => {\n                    \
             self.begin_period();",
            "AdaptiveChange::Returning => {",
        )],
        shows: with_the_adaptive_rule,
    },
    Mutant {
        does: "it never tells the adaptive rule of the good calls that a worker has kept to itself",
        patches: &[(
            "plugin/breaker/src/adaptive/settle.rs",
            "if tally.is_empty() {",
            "if tally.is_empty() || tally.good > 0 {",
        )],
        shows: with_the_adaptive_rule,
    },
];

const fn anywhere(_: &Rules) -> bool {
    true
}

const fn with_checks(rules: &Rules) -> bool {
    rules.check.is_some()
}

const fn with_a_rate(rules: &Rules) -> bool {
    rules.rate.is_some()
}

const fn with_the_adaptive_rule(rules: &Rules) -> bool {
    rules.adaptive
}

#[test]
fn every_bug_has_its_place_in_the_code() {
    for mutant in &MUTANTS {
        for (file, healthy, _) in mutant.patches {
            let code = fs::read_to_string(build::root().join(file)).unwrap();
            assert_eq!(code.matches(healthy).count(), 1, "{mutant:?}: {file}: {healthy}");
        }
    }
}

#[test]
#[ignore = "make test-deep: builds the module with each bug"]
fn every_bug_of_the_module_is_found() {
    let workshop = Workshop::open().unwrap();
    let (begun, mut escaped) = (Instant::now(), Vec::new());
    for mutant in &MUTANTS {
        let module = compile(&workshop, mutant);
        match find(&module, mutant) {
            Some((requests, problem)) => {
                let problem: String = problem.chars().take(90).collect();
                println!("{mutant:?}: after {requests} requests: {problem}");
            }
            None => escaped.push(mutant),
        }
    }
    println!("{} mutants in {:.1} s", MUTANTS.len(), begun.elapsed().as_secs_f64());
    assert!(escaped.is_empty(), "not found within {REQUESTS} requests: {escaped:?}");
    // What was found is not how mutants are built.
    let none = Mutant { does: "nothing wrong", patches: &[], shows: anywhere };
    let module = compile(&workshop, &none);
    for rules in Rules::samples() {
        let setup = Setup { seed: 5, rules, requests: 5_000, ..Setup::default() };
        simulate(&module, setup).unwrap_or_else(|violation| panic!("{violation}"));
    }
}

fn compile(workshop: &Workshop, mutant: &Mutant) -> Module {
    let bytes = workshop.build(mutant).unwrap_or_else(|error| panic!("{error:#}"));
    Module::new(&bytes, &Options { metered: false, ..Options::default() }).unwrap()
}

/// After how many requests, of all policies in turn, it is found, and by what.
fn find(module: &Module, mutant: &Mutant) -> Option<(u64, String)> {
    let policies = Rules::samples().into_iter();
    let policies: Vec<Rules> = policies.filter(|rules| (mutant.shows)(rules)).collect();
    let (mut gone_by, mut seed) = (0, 5);
    while gone_by < REQUESTS {
        let rules = policies[seed as usize % policies.len()];
        let requests = 10_000.min(REQUESTS - gone_by);
        match simulate(module, Setup { seed, rules, requests, ..Setup::default() }) {
            Ok(report) => gone_by += report.requests,
            Err(found) => return Some((gone_by + found.requests, found.problem)),
        }
        seed += 1;
    }
    None
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.does)
    }
}
