//! Fleets with a store that works: what they learn of each other, and what it costs.

use breaker::StateName;

use crate::sim::guard::policy;
use crate::sim::{SERVICE, Sim, millis, seconds};

/// 50 calls a second, and one in ten seconds.
const BUSY: u64 = millis(20);
const IDLE: u64 = seconds(10);

/// Two syncs and a timeout.
const TO_LEAVE: u64 = seconds(2) + millis(500);

const SEEDS: std::ops::Range<u64> = 0..40;

/// A region of proxies with a call every so often each, that has run for a while.
fn region(every: &[u64], in_fleet: bool, seed: u64) -> Sim {
    let mut sim = Sim::new(&["a"], seed);
    for every in every {
        sim.add("a", *every, in_fleet);
    }
    sim.run(seconds(30));
    sim
}

fn two_busy_and_seven_idle() -> Vec<u64> {
    [vec![BUSY; 2], vec![IDLE; 7]].concat()
}

fn take_down(sim: &mut Sim, region: &str) {
    sim.down.insert(region.to_owned());
}

/// Runs until a check passes; when that was.
fn first_check_that_passes(sim: &mut Sim) -> u64 {
    let before = sim.checks.len();
    let passed = |sim: &Sim| sim.checks[before..].iter().any(|check| check.well);
    sim.run_until(seconds(60), passed).expect("a check that passes");
    sim.checks.iter().rev().find(|check| check.well).unwrap().at
}

/// The checks of a region, each with the time since the one before.
fn gaps(sim: &Sim, region: &str) -> Vec<u64> {
    let of_region = |proxy: usize| sim.proxies[proxy].region == region;
    let times: Vec<_> =
        sim.checks.iter().filter(|it| of_region(it.proxy)).map(|check| check.at).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn interval() -> u64 {
    u64::try_from(policy().health_check.unwrap().interval.as_nanos()).unwrap()
}

#[test]
fn seven_idle_proxies_open_after_ten_failed_calls_by_the_word_of_two_busy_ones() {
    let mut worst = 0;
    for seed in SEEDS {
        let mut sim = region(&two_busy_and_seven_idle(), true, seed);
        take_down(&mut sim, "a");
        sim.run_until(seconds(60), |sim| sim.all(StateName::Open)).expect("all open");
        worst = worst.max(sim.failed_calls());
    }
    println!("failed calls until all are open, worst of {SEEDS:?}: {worst}");
    assert!(worst <= 10, "{worst} failed calls");
    let mut alone = region(&two_busy_and_seven_idle(), false, 1);
    take_down(&mut alone, "a");
    alone.run_until(seconds(60), |sim| sim.all(StateName::Open)).expect("all open");
    assert_eq!(alone.failed_calls(), 27);
}

#[test]
fn none_of_nine_busy_proxies_fails_more_calls_than_alone() {
    for seed in SEEDS {
        let outage = |in_fleet| {
            let mut sim = region(&[BUSY; 9], in_fleet, seed);
            take_down(&mut sim, "a");
            sim.run(seconds(60));
            sim.down.clear();
            sim.run(seconds(60));
            assert!(sim.all(StateName::Closed));
            sim
        };
        let (fleet, alone) = (outage(true), outage(false));
        for proxy in 0..9 {
            let calls = (fleet.failed_calls_of(proxy), alone.failed_calls_of(proxy));
            assert!(calls.0 <= calls.1, "seed {seed}, proxy {proxy}: {calls:?}");
        }
    }
}

#[test]
fn a_region_makes_one_check_at_most_in_an_interval() {
    for seed in SEEDS {
        let mut sim = region(&two_busy_and_seven_idle(), true, seed);
        take_down(&mut sim, "a");
        sim.run(seconds(120));
        let gaps = gaps(&sim, "a");
        assert!(gaps.len() > 12, "seed {seed}: {} checks", gaps.len());
        assert!(gaps.iter().all(|gap| *gap >= interval()), "seed {seed}: {gaps:?}");
    }
}

#[test]
fn all_others_leave_the_open_state_within_two_syncs_and_a_timeout_after_a_check_that_passes() {
    let mut worst = 0;
    for seed in SEEDS {
        let mut sim = region(&two_busy_and_seven_idle(), true, seed);
        take_down(&mut sim, "a");
        sim.run(seconds(40) + millis(seed * 130));
        assert!(sim.all(StateName::Open), "seed {seed}: {:?}", sim.open());
        sim.down.clear();
        let passed = first_check_that_passes(&mut sim);
        sim.run_until(seconds(60), |sim| sim.open().is_empty()).expect("none open");
        worst = worst.max(sim.now - passed);
        sim.run(seconds(25));
        assert!(sim.all(StateName::Closed), "seed {seed}");
    }
    println!("all have left the open state after {} ms at the latest", worst / millis(1));
    assert!(worst <= TO_LEAVE, "{} ms", worst / millis(1));
}

#[test]
fn a_service_that_came_back_opens_nobody_again() {
    for seed in SEEDS {
        let mut sim = region(&two_busy_and_seven_idle(), true, seed);
        take_down(&mut sim, "a");
        sim.run(seconds(40));
        sim.down.clear();
        sim.run_until(seconds(60), |sim| sim.open().is_empty()).expect("none open");
        let opened = sim.run_until(seconds(60), |sim| !sim.open().is_empty());
        assert_eq!(opened, None, "seed {seed}: {:?}", sim.open());
    }
}

#[test]
fn three_proxies_of_thirty_that_cannot_reach_the_service_open_alone() {
    for seed in 0..15 {
        let mut sim = region(&[millis(100); 30], true, seed);
        sim.cut_off.extend([0, 1, 2]);
        sim.run(seconds(10));
        assert_eq!(sim.open(), [0, 1, 2].into(), "seed {seed}");
        let others = |sim: &Sim| sim.open().iter().any(|proxy| *proxy > 2);
        assert_eq!(sim.run_until(seconds(120), others), None, "seed {seed}");
        assert!((0..3).all(|proxy| sim.proxies[proxy].guard.tripped()), "seed {seed}");
    }
}

#[test]
fn those_that_cannot_reach_the_service_are_not_sent_back_to_it_by_those_that_can() {
    for seed in 0..15 {
        let mut sim = region(&[vec![BUSY; 3], vec![IDLE; 27]].concat(), true, seed);
        sim.cut_off.extend([0, 1, 2]);
        sim.run(seconds(300));
        // Three each, and one trial on the word of others.
        assert!((0..3).all(|proxy| sim.failed_calls_of(proxy) <= 4), "seed {seed}");
        // The idle ones were opened once, and not again.
        let idle = 3..30;
        assert!(idle.clone().all(|proxy| sim.state(proxy) == StateName::Closed), "seed {seed}");
    }
}

#[test]
fn a_service_that_is_down_in_one_region_opens_nobody_elsewhere() {
    for seed in 0..15 {
        let mut sim = Sim::new(&["a", "b", "c"], seed);
        for region in ["a", "b", "c"] {
            for every in [BUSY, BUSY, IDLE] {
                sim.add(region, every, true);
            }
        }
        sim.run(seconds(30));
        take_down(&mut sim, "b");
        sim.run(seconds(6));
        assert_eq!(sim.open(), [3, 4, 5].into(), "seed {seed}");
        let elsewhere = |sim: &Sim| sim.open().iter().any(|proxy| !(3..6).contains(proxy));
        assert_eq!(sim.run_until(seconds(60), elsewhere), None, "seed {seed}");
        let shown = sim.proxies[0].fleet.as_ref().unwrap();
        assert!(shown.services().contains(&SERVICE), "it is shown");
    }
}

#[test]
fn others_have_left_the_open_state_within_two_checks_and_two_syncs_if_the_prober_cannot_reach_the_service()
 {
    for seed in SEEDS {
        let mut sim = region(&two_busy_and_seven_idle(), true, seed);
        take_down(&mut sim, "a");
        sim.run(seconds(40) + millis(seed * 130));
        let prober = sim.checks.last().unwrap().proxy;
        sim.cut_off.insert(prober);
        sim.down.clear();
        let left = |sim: &Sim| sim.open().iter().all(|proxy| *proxy == prober);
        let took = sim.run_until(seconds(60), left).expect("the others have left");
        assert!(took <= 2 * interval() + 2 * seconds(1), "seed {seed}: {} ms", took / millis(1));
    }
}

#[test]
fn the_last_holder_of_the_lease_is_the_last_to_take_it_again() {
    for seed in SEEDS {
        let mut sim = region(&two_busy_and_seven_idle(), true, seed);
        take_down(&mut sim, "a");
        sim.run(seconds(120));
        let holders: Vec<_> = sim.checks.iter().map(|check| check.proxy).collect();
        assert!(holders.windows(2).all(|pair| pair[0] != pair[1]), "seed {seed}: {holders:?}");
    }
}

#[test]
fn a_thousand_proxies_that_trip_at_once_write_twenty_times_a_second_at_most() {
    let mut worst = 0;
    for seed in 0..2 {
        let mut sim = Sim::new(&["a"], seed);
        sim.network.latency = millis(50);
        (0..1_000).for_each(|_| _ = sim.add("a", millis(100), true));
        sim.run(seconds(14));
        assert_eq!(sim.writes.len(), 0, "nothing is written while nothing is open");
        take_down(&mut sim, "a");
        sim.run(seconds(20));
        sim.down.clear();
        sim.run(seconds(10));
        worst = worst.max(sim.most_writes_per_second("a"));
        assert!(sim.all(StateName::Closed), "seed {seed}");
    }
    println!("at most {worst} writes a second");
    assert!(worst <= 20, "{worst} writes a second");
}

#[test]
fn a_fleet_reads_once_an_interval_and_writes_nothing_while_nothing_is_open() {
    let mut sim = region(&[BUSY; 10], true, 1);
    sim.reads.clear();
    sim.run(seconds(100));
    assert!((990..=1_010).contains(&sim.reads.len()), "{} reads", sim.reads.len());
    assert_eq!(sim.writes.len(), 0);
}
