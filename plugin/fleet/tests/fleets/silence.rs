//! Stores that are silent, late or wrong, processes that come and go: a fleet is never worse than
//! its proxies alone.

use breaker::StateName;

use crate::sim::store::Mood;
use crate::sim::{Network, Sim, millis, seconds};

const BUSY: u64 = millis(20);
const IDLE: u64 = seconds(10);

fn nine(in_fleet: bool, seed: u64) -> Sim {
    let mut sim = Sim::new(&["a"], seed);
    for every in [vec![BUSY; 2], vec![IDLE; 7]].concat() {
        sim.add("a", every, in_fleet);
    }
    sim.run(seconds(30));
    sim
}

fn mood(sim: &mut Sim, mood: Mood) {
    sim.store.moods.insert("a".to_owned(), mood);
}

fn take_down(sim: &mut Sim) {
    sim.down.insert("a".to_owned());
}

#[test]
fn no_breaker_stays_open_when_the_store_dies() {
    for silence in [Mood::Dead, Mood::Garbage, Mood::Throttling] {
        for seed in 0..15 {
            let mut sim = nine(true, seed);
            take_down(&mut sim);
            sim.run(seconds(20));
            assert!(sim.all(StateName::Open), "{silence:?}, seed {seed}");
            mood(&mut sim, silence);
            sim.run(millis(seed * 700));
            sim.down.clear();
            let left = sim.run_until(seconds(60), |sim| sim.open().is_empty());
            // Two checks of the fleet, and one of its own.
            assert!(left.is_some_and(|it| it <= seconds(15)), "{silence:?}, seed {seed}: {left:?}");
            sim.run(seconds(20));
            assert!(sim.all(StateName::Closed), "{silence:?}, seed {seed}");
        }
    }
}

#[test]
fn verdicts_are_as_alone_once_the_store_has_been_silent_for_max_staleness() {
    for silence in [Mood::Dead, Mood::Garbage, Mood::Throttling] {
        for seed in 0..10 {
            let outage = |in_fleet| {
                let mut sim = nine(in_fleet, seed);
                mood(&mut sim, silence);
                sim.run(seconds(10));
                take_down(&mut sim);
                sim.run_until(seconds(60), |sim| sim.all(StateName::Open)).expect("all open");
                (0..9).map(|proxy| sim.failed_calls_of(proxy)).collect::<Vec<_>>()
            };
            assert_eq!(outage(true), outage(false), "{silence:?}, seed {seed}");
        }
    }
}

#[test]
fn a_store_that_dies_in_an_outage_closes_nobody_whose_own_calls_fail() {
    for seed in 0..15 {
        let mut sim = nine(true, seed);
        take_down(&mut sim);
        sim.run(seconds(20));
        mood(&mut sim, Mood::Dead);
        let closed = |sim: &Sim| !sim.all(StateName::Open);
        assert_eq!(sim.run_until(seconds(50), closed), None, "seed {seed}");
    }
}

#[test]
fn a_store_that_comes_back_opens_and_closes_nobody() {
    for seed in 0..15 {
        let mut sim = nine(true, seed);
        take_down(&mut sim);
        sim.run(seconds(20));
        mood(&mut sim, Mood::Dead);
        sim.run(seconds(20));
        mood(&mut sim, Mood::Up);
        // In the outage all stay open.
        let closed = |sim: &Sim| !sim.all(StateName::Open);
        assert_eq!(sim.run_until(seconds(30), closed), None, "seed {seed}");
        // The outage ends while the store is silent again: what it says when it is back is old.
        mood(&mut sim, Mood::Dead);
        sim.down.clear();
        sim.run(seconds(60));
        assert!(sim.all(StateName::Closed), "seed {seed}");
        mood(&mut sim, Mood::Up);
        assert_eq!(sim.run_until(seconds(60), |sim| !sim.open().is_empty()), None, "seed {seed}");
    }
}

#[test]
fn a_store_that_is_silent_for_a_moment_opens_and_closes_nobody() {
    for seed in 0..15 {
        let mut sim = nine(true, seed);
        take_down(&mut sim);
        sim.run(seconds(20));
        for _ in 0..5 {
            mood(&mut sim, Mood::Dead);
            sim.run(seconds(1 + seed / 3));
            mood(&mut sim, Mood::Up);
            sim.run(seconds(5));
            assert!(sim.all(StateName::Open), "seed {seed}");
        }
    }
}

#[test]
fn a_fleet_that_was_stopped_while_open_does_not_start_open() {
    for seed in 0..15 {
        let mut sim = nine(true, seed);
        take_down(&mut sim);
        sim.run(seconds(20));
        (0..9).for_each(|proxy| sim.crash(proxy));
        sim.down.clear();
        sim.run(seconds(1));
        (0..9).for_each(|proxy| sim.start(proxy, true));
        assert_eq!(sim.run_until(seconds(60), |sim| !sim.open().is_empty()), None, "seed {seed}");
    }
}

#[test]
fn one_proxy_that_crashes_again_and_again_is_no_quorum() {
    for seed in 0..15 {
        let mut sim = Sim::new(&["a"], seed);
        let sick = sim.add("a", BUSY, true);
        (0..8).for_each(|_| _ = sim.add("a", IDLE, true));
        sim.cut_off.insert(sick);
        for round in 0..20 {
            sim.run(seconds(3 + (round + seed) % 14));
            assert!(sim.open().iter().all(|proxy| *proxy == sick), "seed {seed}: {:?}", sim.open());
            sim.crash(sick);
            sim.run(millis(100));
            sim.start(sick, true);
        }
    }
}

#[test]
fn a_prober_that_crashes_is_replaced() {
    for seed in 0..15 {
        let mut sim = nine(true, seed);
        take_down(&mut sim);
        sim.run(seconds(20));
        let prober = sim.checks.last().unwrap().proxy;
        sim.crash(prober);
        sim.down.clear();
        let left = |sim: &Sim| sim.open().iter().all(|proxy| *proxy == prober);
        let took = sim.run_until(seconds(60), left).expect("the others have left");
        assert!(took <= seconds(12), "seed {seed}: {} ms", took / millis(1));
    }
}

#[test]
fn the_store_is_asked_less_often_as_long_as_it_throttles() {
    let mut sim = nine(true, 1);
    mood(&mut sim, Mood::Throttling);
    sim.run(seconds(20));
    sim.reads.clear();
    sim.run(seconds(100));
    // A third of max_staleness is the longest interval.
    assert!((260..=280).contains(&sim.reads.len()), "{} reads", sim.reads.len());
    mood(&mut sim, Mood::Up);
    sim.run(seconds(20));
    sim.reads.clear();
    sim.run(seconds(100));
    assert!((890..=910).contains(&sim.reads.len()), "{} reads", sim.reads.len());
}

/// Everything at once: loss, lag, parted regions, crashes, outages. Whatever happened, all are closed
/// once it is over, and no region has opened for another.
#[test]
fn whatever_happens_all_breakers_close_once_it_is_over() {
    const REGIONS: [&str; 3] = ["a", "b", "c"];
    for seed in 0..30 {
        let mut sim = Sim::new(&REGIONS, seed);
        sim.network =
            Network { latency: millis(400), lost: 100, lag: seconds(5), copies_lost: 200 };
        for region in REGIONS {
            for every in [BUSY, millis(300), IDLE] {
                sim.add(region, every, true);
            }
        }
        sim.run(seconds(20));
        for _ in 0..40 {
            let region = REGIONS[sim.random.usize(0..3)].to_owned();
            let proxy = sim.random.usize(0..9);
            match sim.random.u8(0..9) {
                0 => _ = sim.down.insert(region),
                1 | 2 => sim.down.clear(),
                3 => _ = sim.cut_off.insert(proxy),
                4 => sim.cut_off.clear(),
                5 => _ = sim.parted.insert(region),
                6 => sim.parted.clear(),
                7 => {
                    let moods = [Mood::Up, Mood::Dead, Mood::Garbage, Mood::Throttling];
                    sim.store.moods.insert(region, moods[sim.random.usize(0..4)]);
                }
                _ => {
                    sim.crash(proxy);
                    sim.start(proxy, true);
                }
            }
            let time = sim.random.u64(0..seconds(12));
            sim.run(time);
        }
        sim.down.clear();
        sim.cut_off.clear();
        sim.store.moods.clear();
        sim.run(seconds(130));
        assert!(sim.all(StateName::Closed), "seed {seed}: {:?}", sim.open());
    }
}
