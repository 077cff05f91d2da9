//! Proxies that agree through a store. The rules are tested where they are; here it is about what a
//! process with its workers makes of them.

mod etcd;

use std::cell::Cell;
use std::time::Duration;

use filter::CalloutAnswer;
use filter::Headers;
use serde_json::{Value, json};

use crate::world::{Gauges, PAYMENT, World, service};
use etcd::{Etcd, Is};

const SECOND: Duration = Duration::from_secs(1);
/// Older than `max_staleness` and a sync: from then on a process reports.
const GROWN_UP: Duration = Duration::from_secs(12);

/// Proxies of some workers each, one store, and one service.
struct Region {
    proxies: Vec<World>,
    etcd: Etcd,
    /// Whether the service passes its health checks.
    is_well: Cell<bool>,
    checks: Cell<usize>,
}

fn checked() -> Value {
    json!({
        "health_check": {"cluster": "payment", "path": "/health", "interval": "2s"},
        "half_open": {"ramp_duration": "0s"}
    })
}

fn config(fields: &Value, fleet: &Value) -> Value {
    let mut whole = json!({"services": [service(PAYMENT, fields)], "admin": {}});
    whole["fleet"] = json!({"store": "etcd", "cluster": "etcd"});
    for (field, value) in fleet.as_object().unwrap() {
        whole["fleet"][field] = value.clone();
    }
    whole
}

impl Region {
    fn new(proxies: usize, workers: usize, config: &Value) -> Self {
        let start = |number: usize| {
            let proxy = World::configured(workers, config);
            // Its clocks are its own, and so is its number.
            proxy.advance(Duration::from_micros(1_234_567 * (number as u64 + 1)));
            proxy
        };
        let region = Self {
            proxies: (0..proxies).map(start).collect(),
            etcd: Etcd::default(),
            is_well: Cell::new(true),
            checks: Cell::default(),
        };
        region.run(GROWN_UP);
        region
    }

    /// Time passes, with ticks, and every call that they make is answered at once.
    fn run(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(self.proxies[0].tick_period());
            self.proxies.iter().for_each(|proxy| proxy.advance(step));
            self.tick();
            left -= step;
        }
    }

    fn tick(&self) {
        for proxy in &self.proxies {
            for thread in 0..proxy.threads() {
                proxy.tick(thread);
                while proxy.pending_checks() > 0 {
                    proxy.finish_check(&self.answer(proxy));
                }
            }
        }
    }

    fn answer(&self, proxy: &World) -> CalloutAnswer {
        let callout = proxy.check_callout();
        if callout.cluster == "etcd" {
            return self.etcd.answer(&callout);
        }
        self.checks.set(self.checks.get() + 1);
        let status = if self.is_well.get() { 200 } else { 503 };
        CalloutAnswer::Answered(Headers::from_pairs(&[(":status", status.to_string())]), Vec::new())
    }

    /// How long it takes until something is so.
    fn until(&self, longest: Duration, is_so: impl Fn(&Self) -> bool) -> Duration {
        let mut waited = Duration::ZERO;
        while !is_so(self) {
            assert!(waited < longest, "it never is, in {longest:?}");
            let step = self.proxies[0].tick_period();
            self.run(step);
            waited += step;
        }
        waited
    }

    fn states(&self) -> Vec<&'static str> {
        self.proxies.iter().map(World::state).collect()
    }

    fn shown(&self, proxy: usize) -> Value {
        let reply = self.proxies[proxy].request("localhost").path("/circuit-breaker/fleet").send();
        let reply = reply.reply();
        assert_eq!(reply.status, 200);
        serde_json::from_slice(&reply.body).unwrap()
    }
}

fn synced(world: &World, result: &str) -> u64 {
    world.metric(&format!("cb_result=.={result};.;edge_breaker_fleet_sync_total"))
}

#[test]
fn two_proxies_that_trip_open_a_third_that_has_nothing_to_say_against_it() {
    let region = Region::new(3, 2, &config(&checked(), &json!({})));
    region.is_well.set(false);
    region.proxies[0].trip();
    region.run(5 * SECOND);
    assert_eq!(region.states(), ["OPEN", "CLOSED", "CLOSED"], "one is no quorum");
    region.proxies[1].trip();
    let waited = region.until(5 * SECOND, |it| it.states() == ["OPEN"; 3]);
    assert!(waited <= 3 * SECOND, "{waited:?}");
    let third = &region.proxies[2];
    assert_eq!(third.of("transitions_total", &["to=open", "reason=fleet"]), 1);
    let diverted = third.call();
    assert!(diverted.is_diverted() || diverted.reply().status == 503);
    assert_eq!(third.of("not_permitted_total", &["reason=fleet"]), 1);
}

#[test]
fn after_a_check_that_passes_all_others_leave_the_open_state_within_two_syncs_and_a_timeout() {
    let region = Region::new(3, 2, &config(&checked(), &json!({})));
    region.is_well.set(false);
    region.proxies[..2].iter().for_each(World::trip);
    region.until(10 * SECOND, |it| it.states() == ["OPEN"; 3]);
    region.run(10 * SECOND);
    assert_eq!(region.states(), ["OPEN"; 3]);
    region.is_well.set(true);
    region.until(10 * SECOND, |it| it.states().contains(&"HALF_OPEN"));
    let waited = region.until(10 * SECOND, |it| !it.states().contains(&"OPEN"));
    assert!(waited <= Duration::from_millis(2_500), "{waited:?}");
    let told = |proxy: &World| proxy.of("transitions_total", &["to=half_open", "reason=fleet"]);
    assert_eq!(region.proxies.iter().map(told).sum::<u64>(), 2, "one has asked for itself");
}

#[test]
fn a_region_makes_one_check_in_an_interval_whatever_the_number_of_workers() {
    let region = Region::new(3, 4, &config(&checked(), &json!({})));
    region.is_well.set(false);
    region.proxies.iter().for_each(World::trip);
    region.run(4 * SECOND);
    region.checks.set(0);
    region.run(40 * SECOND);
    // Each takes 2 s, and the lease changes hands between two.
    let checks = region.checks.get();
    assert!((8..=20).contains(&checks), "{checks}");
}

#[test]
fn a_proxy_whose_own_calls_succeed_stays_closed_and_shows_it() {
    let region = Region::new(3, 2, &config(&checked(), &json!({})));
    region.is_well.set(false);
    region.proxies[..2].iter().for_each(World::trip);
    for _ in 0..40 {
        region.proxies[2].call().respond(200);
        region.run(SECOND / 4);
    }
    assert_eq!(region.states(), ["OPEN", "OPEN", "CLOSED"]);
    let shown = region.shown(2);
    assert_eq!(shown["seen"]["services"][0]["standing"], "own_calls_succeed", "{shown}");
    assert_eq!(shown["seen"]["services"][0]["open"], true);
    assert_eq!(shown["seen"]["services"][0]["reporters"].as_array().unwrap().len(), 2);
    assert_eq!(region.shown(0)["seen"]["services"][0]["standing"], "agrees");
}

#[test]
fn a_store_that_falls_silent_leaves_each_with_its_own_verdict() {
    for is in [Is::Silent, Is::Garbage, Is::Throttling] {
        let region = Region::new(3, 2, &config(&checked(), &json!({})));
        region.is_well.set(false);
        region.proxies[..2].iter().for_each(World::trip);
        region.until(10 * SECOND, |it| it.states() == ["OPEN"; 3]);
        region.etcd.is.set(is);
        region.run(GROWN_UP);
        // Each asks for itself now, and is not closed by the store's silence.
        assert_eq!(region.states(), ["OPEN"; 3], "{is:?}");
        let proxy = &region.proxies[2];
        assert_eq!(proxy.logged("event=fleet_store_silent").len(), 1, "{is:?}");
        assert!(synced(proxy, "failed") >= 3, "{is:?}");
        assert!(proxy.metric("edge_breaker_fleet_age_seconds") >= 10, "{is:?}");
        region.is_well.set(true);
        region.until(4 * SECOND, |it| !it.states().contains(&"OPEN"));
        region.etcd.is.set(Is::Well);
        region.run(5 * SECOND);
        assert_eq!(proxy.logged("event=fleet_store_answers").len(), 1, "{is:?}");
        assert!(!region.states().contains(&"OPEN"), "it comes back without a flap");
        assert!(proxy.metric("edge_breaker_fleet_age_seconds") <= 1);
    }
}

#[test]
fn one_worker_of_a_process_asks_the_store_and_another_takes_over_when_it_is_gone() {
    let region = Region::new(1, 4, &config(&checked(), &json!({})));
    region.etcd.reads.set(0);
    region.run(10 * SECOND);
    assert!((9..=11).contains(&region.etcd.reads.get()), "{}", region.etcd.reads.get());
    assert_eq!(region.etcd.writes.get(), 0, "nothing is written while all is closed");
    // The first to have ticked had it.
    let proxy = &region.proxies[0];
    region.etcd.reads.set(0);
    for _ in 0..80 {
        proxy.advance(proxy.tick_period());
        for thread in 1..proxy.threads() {
            proxy.tick(thread);
            while proxy.pending_checks() > 0 {
                proxy.finish_check(&region.answer(proxy));
            }
        }
    }
    assert!(region.etcd.reads.get() >= 5, "{}", region.etcd.reads.get());
}

#[test]
fn a_process_that_takes_over_from_a_worker_is_the_same_reporter() {
    let region = Region::new(1, 2, &config(&checked(), &json!({})));
    region.is_well.set(false);
    region.proxies[0].trip();
    region.run(5 * SECOND);
    let reports = || {
        let keys = region.etcd.keys();
        keys.into_iter().filter(|key| key.contains("/report/")).collect::<Vec<_>>()
    };
    let before = reports();
    assert_eq!(before.len(), 1);
    region.proxies[0].configure(2, &config(&checked(), &json!({})));
    region.run(20 * SECOND);
    assert_eq!(reports(), before);
}

#[test]
fn a_service_that_takes_no_part_tells_nobody_and_asks_for_itself() {
    let mut fields = checked();
    fields["fleet"] = json!(false);
    let region = Region::new(3, 2, &config(&fields, &json!({})));
    region.is_well.set(false);
    region.proxies[..2].iter().for_each(World::trip);
    region.run(10 * SECOND);
    assert_eq!(region.states(), ["OPEN", "OPEN", "CLOSED"]);
    assert_eq!(region.etcd.writes.get(), 0);
    assert!(region.checks.get() >= 8, "{}", region.checks.get());
}

#[test]
fn names_that_are_made_of_requests_are_not_written_to_the_store() {
    let whole = json!({
        "services": [{"name": "{host}", "match": {"hosts": ["*"]}}, {"name": "{cluster}"}],
        "fleet": {"store": "etcd", "cluster": "etcd"}
    });
    let region = Region::new(1, 1, &whole);
    for _ in 0..5 {
        region.proxies[0].request("client.example").cluster("pay").send().respond(503);
    }
    region.run(10 * SECOND);
    assert_eq!(region.etcd.writes.get(), 0);
}

#[test]
fn an_operators_command_is_neither_reported_nor_overruled() {
    let region = Region::new(3, 1, &config(&checked(), &json!({})));
    let command = |proxy: &World, name: &str| {
        let path = format!("/circuit-breaker/services/{PAYMENT}/{name}");
        let call = proxy.request("localhost").method("POST").path(&path);
        assert_eq!(call.header("content-type", "application/json").send().reply().status, 200);
    };
    command(&region.proxies[0], "force-open");
    command(&region.proxies[1], "force-open");
    region.run(10 * SECOND);
    assert_eq!(region.etcd.writes.get(), 0);
    command(&region.proxies[0], "reset");
    command(&region.proxies[1], "reset");
    command(&region.proxies[2], "metrics-only");
    region.is_well.set(false);
    region.proxies[..2].iter().for_each(World::trip);
    region.run(10 * SECOND);
    assert_eq!(region.proxies[2].of("transitions_total", &["to=open", "reason=fleet"]), 0);
}

#[test]
fn a_request_asks_the_host_for_nothing_more_where_there_is_a_fleet() {
    let with = Region::new(1, 2, &config(&checked(), &json!({})));
    let without = World::configured(2, &{
        let mut whole = config(&checked(), &json!({}));
        whole.as_object_mut().unwrap().remove("fleet");
        whole
    });
    without.tick_all();
    let good = |world: &World| {
        world.call().respond(200);
        world.asked(|| _ = world.call().respond(200))
    };
    assert_eq!(good(&with.proxies[0]), good(&without));
    let tick = |world: &World| {
        world.run(3 * SECOND);
        world.asked(|| world.tick(1))
    };
    let idle = tick(&without);
    assert!(idle.values().sum::<usize>() <= 8, "{idle:?}");
}

#[test]
fn a_proxy_without_a_fleet_says_so() {
    let world = World::configured(1, &json!({"services": [{"name": "a"}], "admin": {}}));
    let reply = world.request("localhost").path("/circuit-breaker/fleet").send().reply();
    let shown: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((reply.status, &shown["seen"]), (200, &Value::Null));
    assert_eq!(shown["note"], "this configuration has no fleet");
}

#[test]
fn a_process_without_gauges_follows_as_well() {
    let whole = config(&checked(), &json!({}));
    let mut region = Region::new(2, 1, &whole);
    let third = World::with_gauges(Gauges::None, 1, &whole);
    third.advance(Duration::from_millis(77));
    region.proxies.push(third);
    region.run(GROWN_UP);
    region.is_well.set(false);
    region.proxies[..2].iter().for_each(World::trip);
    region.until(10 * SECOND, |it| it.states() == ["OPEN"; 3]);
}

#[test]
fn a_cluster_that_the_proxy_does_not_have_is_told_of_by_its_field() {
    let world = World::configured(1, &config(&checked(), &json!({})));
    for _ in 0..20 {
        world.advance(world.tick_period());
        world.tick_all();
        while world.pending_checks() > 0 {
            world.finish_check(&CalloutAnswer::UnknownCluster);
        }
    }
    assert_eq!(world.logged("event=unknown_cluster field=fleet.cluster cluster=etcd").len(), 1);
}
