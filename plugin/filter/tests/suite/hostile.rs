//! Whatever comes in, nothing panics, and the books balance.

use std::time::Duration;

use filter::{CalloutAnswer, Config, FallbackAnswer, Headers};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Call, Gauges, PAYMENT, World, key, service};

fn busy() -> Value {
    json!({
        "trip": {"consecutive_failures": 2},
        "open": {"wait_duration": "100ms", "max_wait_duration": "1s"},
        "half_open": {"permitted_calls": 2, "success_threshold": 2, "max_wait_duration": "50ms"},
        "fallback": {"cluster": "payment-fallback", "max_request_bytes": 32}
    })
}

fn config(checked: bool) -> Value {
    let mut fields = busy();
    if checked {
        fields["health_check"] = json!({"cluster": "c", "path": "/", "interval": "50ms"});
    }
    json!({
        "expose_state": "always",
        "services": [service(PAYMENT, &fields), {"name": "rest", "match": {"clusters": ["c*"]}}],
        "admin": {"path_prefix": "/admin", "token": "token"}
    })
}

// === Bytes

/// Names and values that mean something to the filter, and others.
fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let names = prop::sample::select(vec![
        ":method",
        ":path",
        ":authority",
        ":scheme",
        "content-type",
        "upgrade",
        "connection",
        "authorization",
        "x-circuit-breaker-cluster",
        "x-circuit-breaker-state",
        "retry-after",
        "grpc-status",
        ":status",
        "x-tenant",
        "",
    ]);
    let values = prop::sample::select(vec![
        "GET",
        "CONNECT",
        "/",
        "/admin/services",
        "/admin/services/payment-service",
        PAYMENT,
        "payment-service:8080",
        "application/grpc",
        "websocket",
        "Bearer token",
        "200",
        "503",
        "",
    ]);
    let value = prop_oneof![
        values.prop_map(|value| value.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    (names.prop_map(str::to_owned), value)
}

/// What is found becomes a test with a name, not a file of seeds.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_header_buffer_is_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let world = World::configured(1, &config(true));
        world.raw_request(Headers::from_serialized(bytes));
    }

    #[test]
    fn any_damage_to_a_header_buffer_is_survived(
        pairs in prop::collection::vec(header(), 0..12),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        len in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Headers::from_pairs(&pairs).into_serialized();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let world = World::configured(1, &config(true));
        world.raw_request(Headers::from_serialized(bytes.clone()));
        bytes.truncate(len.index(bytes.len() + 1));
        let headers = Headers::from_serialized(bytes);
        world.raw_request(headers.clone());
        // The same bytes as a fallback's answer and as a health check's.
        world.trip_at(2);
        let mut call = world.request(PAYMENT).send();
        call.fallback_verdict(Some(FallbackAnswer { headers: headers.clone(), body: vec![] }));
        world.run(Duration::from_millis(200));
        if world.pending_checks() > 0 {
            world.finish_check(&CalloutAnswer::Answered(headers, Vec::new()));
        }
    }

    #[test]
    fn a_request_of_any_headers_is_answered_and_settled(
        pairs in prop::collection::vec(header(), 0..12), status in 0_u16..1000,
    ) {
        let world = World::configured(1, &config(true));
        let mut call = world.raw_request(Headers::from_pairs(&pairs));
        if call.is_admitted() {
            call.begin(status);
            call.fallback_verdict(None);
        }
        drop(call);
        prop_assert_eq!(world.settled(), world.admitted() as u64);
    }

    #[test]
    fn any_property_and_header_of_an_answer_is_survived(
        details in prop::option::of(prop::collection::vec(any::<u8>(), 0..30)),
        flags in prop::option::of(prop::collection::vec(any::<u8>(), 0..12)),
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 3),
        status in any::<Option<u16>>(),
        grpc in any::<bool>(),
        end in any::<bool>(),
    ) {
        let world = World::configured(1, &config(false));
        let request = world.request(PAYMENT);
        let mut call = if grpc { request.grpc() } else { request }.send();
        call.facts.details = details;
        call.facts.flags = flags;
        for (name, value) in ["retry-after", "grpc-status", "content-type"].into_iter().zip(values) {
            call.facts.response_headers.push((name, value));
        }
        call.head(status, end);
        drop(call);
        prop_assert_eq!(world.settled(), 1);
    }

    #[test]
    fn any_configuration_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Config::parse(&bytes);
    }

    #[test]
    fn any_damage_to_a_configuration_is_taken_or_refused(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        checked in any::<bool>(),
    ) {
        let mut bytes = config(checked).to_string().into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Err(error) = Config::parse(&bytes) {
            for told in [error.path(), error.value(), error.remedy()] {
                prop_assert!(!told.is_empty(), "{:?}", error);
            }
        }
    }

    #[test]
    fn any_value_in_any_field_is_taken_or_refused_at_that_field(
        field in prop::sample::select(vec![
            "match", "trip", "classify", "open", "half_open", "health_check", "fallback",
        ]),
        inner in prop::sample::select(vec![
            "hosts", "headers", "clusters", "consecutive_failures", "failure_status", "overflow",
            "wait_duration", "jitter", "backoff_rate", "permitted_calls", "cluster", "path",
            "interval", "retry", "then", "response", "host", "max_request_bytes", "?",
        ]),
        value in json_value(),
    ) {
        let config = json!({"services": [service("a", &json!({field: {inner: value}}))]});
        if let Err(error) = Config::parse(config.to_string().as_bytes()) {
            let start = format!("services[0].{field}");
            prop_assert!(error.path().starts_with(&start), "{}", error);
        }
    }

    #[test]
    fn any_record_is_read_or_taken_as_absent(
        bytes in prop::collection::vec(any::<u8>(), 0..700),
        state in 0_u8..4,
        (version, len) in prop::sample::select(vec![
            (0_u8, 0_usize), (1, 1), (1, 88), (1, 343), (1, 344), (2, 345), (2, 367), (2, 368), (3, 675), (3, 676),
        ]),
        calls in 1_usize..8,
    ) {
        let mut likely = bytes.clone();
        likely.resize(len, 0);
        if let [format, known, reason, ..] = likely.as_mut_slice() {
            (*format, *known, *reason) = (version, state, 1 + state);
        }
        for record in [bytes, likely] {
            let world = World::configured(2, &config(true));
            world.store().put(&key(PAYMENT), record);
            for number in 0..calls {
                world.request(PAYMENT).on(number % 2).send().respond(503);
                world.run(Duration::from_millis(60));
                if world.pending_checks() > 0 {
                    world.answer_check(200);
                }
            }
            prop_assert_eq!(world.settled(), world.admitted() as u64);
        }
    }
}

proptest! {
    #![proptest_config(cases(64))]

    /// Whatever a record's times, settings and window are, and whatever newer bytes are there: a service
    /// that is well is closed again within its wait, the time after which a check of other settings is
    /// taken for abandoned, and its interval.
    #[test]
    fn no_record_keeps_a_service_from_its_calls(
        rest in prop::collection::vec(any::<u8>(), 364),
        format in prop::sample::select(vec![2_u8, 2, 2, 2, 3, 255]),
        state in 0_u8..3,
        far in any::<bool>(),
        checked in any::<bool>(),
    ) {
        let mut record = vec![format, state, 1, 0];
        record.extend(rest);
        record[15] = 0;
        record[88..96].copy_from_slice(&[0; 8]);
        if far {
            record[40..72].copy_from_slice(&[255; 32]);
            record[112..].copy_from_slice(&[255; 256]);
        }
        let world = World::configured(2, &config(checked));
        world.store().put(&key(PAYMENT), record);
        for _ in 0..1_300 {
            world.run(Duration::from_millis(25));
            while world.pending_checks() > 0 {
                world.answer_check(200);
            }
            world.call().respond(200);
        }
        prop_assert_eq!(world.state(), "CLOSED");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[0-9a-zA-Z*/.: -]{0,12}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{0,8}", inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

// === Orders of events

#[derive(Clone, Debug)]
enum Event {
    Send { worker: usize, body: bool, grpc: bool },
    Body { call: prop::sample::Index, len: usize, end: bool },
    Head { call: prop::sample::Index, status: u16, flags: u8, end: bool },
    GrpcTrailers { call: prop::sample::Index, code: u8 },
    Fallback { call: prop::sample::Index, status: u16 },
    NoFallback { call: prop::sample::Index },
    Over { call: prop::sample::Index },
    Gone { call: prop::sample::Index },
    Advance { millis: u64 },
    Jump { back: bool },
    Tick { thread: usize },
    Check { status: u16 },
    NoCheck,
    Conflict { writes: usize },
    Rival { worker: usize },
    Reads { fail: bool },
    Writes { fail: bool },
    Configure { checked: bool },
}

fn event() -> impl Strategy<Value = Event> {
    use prop::sample::Index;
    let call = any::<Index>;
    let status = || prop::sample::select(vec![200_u16, 204, 404, 429, 500, 503, 101, 0]);
    prop_oneof![
        8 => (0..3_usize, any::<bool>(), any::<bool>())
            .prop_map(|(worker, body, grpc)| Event::Send { worker, body, grpc }),
        2 => (call(), 0..40_usize, any::<bool>())
            .prop_map(|(call, len, end)| Event::Body { call, len, end }),
        8 => (call(), status(), 0..30_u8, any::<bool>())
            .prop_map(|(call, status, flags, end)| Event::Head { call, status, flags, end }),
        2 => (call(), 0..20_u8).prop_map(|(call, code)| Event::GrpcTrailers { call, code }),
        2 => (call(), status()).prop_map(|(call, status)| Event::Fallback { call, status }),
        1 => call().prop_map(|call| Event::NoFallback { call }),
        4 => call().prop_map(|call| Event::Over { call }),
        4 => call().prop_map(|call| Event::Gone { call }),
        6 => (0..200_u64).prop_map(|millis| Event::Advance { millis }),
        1 => any::<bool>().prop_map(|back| Event::Jump { back }),
        4 => (0..4_usize).prop_map(|thread| Event::Tick { thread }),
        3 => status().prop_map(|status| Event::Check { status }),
        1 => Just(Event::NoCheck),
        1 => (1..70_usize).prop_map(|writes| Event::Conflict { writes }),
        2 => (0..3_usize).prop_map(|worker| Event::Rival { worker }),
        1 => any::<bool>().prop_map(|fail| Event::Reads { fail }),
        1 => any::<bool>().prop_map(|fail| Event::Writes { fail }),
        1 => any::<bool>().prop_map(|checked| Event::Configure { checked }),
    ]
}

const WORKERS: usize = 3;

fn play(world: &World, calls: &mut Vec<Call>, event: Event) {
    let pick = |calls: &mut Vec<Call>, at: prop::sample::Index, f: &mut dyn FnMut(&mut Call)| {
        if !calls.is_empty() {
            let at = at.index(calls.len());
            f(&mut calls[at]);
        }
    };
    match event {
        Event::Send { worker, body, grpc } => {
            let request = world.request(PAYMENT).on(worker);
            let request = if body { request.with_body() } else { request };
            calls.push(if grpc { request.grpc() } else { request }.send());
        }
        Event::Body { call, len, end } => pick(calls, call, &mut |call| {
            call.body(&vec![b'x'; len], end);
        }),
        Event::Head { call, status, flags, end } => pick(calls, call, &mut |call| {
            let details = if flags < 20 { "via_upstream" } else { "something_else" };
            call.came_by(details, &[flags]);
            call.head(Some(status), end);
        }),
        Event::GrpcTrailers { call, code } => {
            let code = code.to_string();
            pick(calls, call, &mut |call| call.trailers(Some(&code)));
        }
        Event::Fallback { call, status } => {
            let status = status.to_string();
            pick(calls, call, &mut |call| drop(call.fallback_answers(&status, &[])));
        }
        Event::NoFallback { call } => pick(calls, call, &mut |call| {
            call.fallback_verdict(None);
        }),
        Event::Over { call } => pick(calls, call, &mut Call::over),
        Event::Gone { call } => {
            if !calls.is_empty() {
                let at = call.index(calls.len());
                drop(calls.swap_remove(at));
            }
        }
        Event::Advance { millis } => world.advance(Duration::from_millis(millis)),
        Event::Jump { back: true } => world.set_wall_back(Duration::from_secs(3600)),
        Event::Jump { back: false } => world.set_wall_forward(Duration::from_secs(3600)),
        Event::Tick { thread } => world.tick(thread),
        Event::Check { status } => {
            if world.pending_checks() > 0 {
                world.answer_check(status);
            }
        }
        Event::NoCheck => {
            if world.pending_checks() > 0 {
                world.lose_check();
            }
        }
        Event::Conflict { writes } => world.store().conflict_next(writes),
        Event::Rival { worker } => {
            let rival = world.request(PAYMENT).on(worker).send();
            world.store().before_next_write(move || drop(rival.respond(503)));
        }
        Event::Reads { fail } => world.store().reads_fail.set(fail),
        Event::Writes { fail } => world.store().writes_fail.set(fail),
        Event::Configure { checked } => world.configure(WORKERS, &config(checked)),
    }
}

proptest! {
    #![proptest_config(cases(256))]

    /// Every admitted call is settled once, every transition is told once, and no period is
    /// skipped, whatever happens in whatever order.
    #[test]
    fn the_books_balance_whatever_happens(
        events in prop::collection::vec(event(), 1..120),
        gauges in prop::sample::select(vec![Gauges::Kept, Gauges::Dropped, Gauges::None]),
    ) {
        let world = World::with_gauges(gauges, WORKERS, &config(false));
        let mut calls = Vec::new();
        for event in events {
            play(&world, &mut calls, event);
        }
        drop(calls);
        world.store().reads_fail.set(false);
        world.store().writes_fail.set(false);
        world.store().conflict_next(0);
        world.store().forget_interruptions();
        prop_assert_eq!(world.settled(), world.admitted() as u64);
        let transitions = world.transitions();
        prop_assert_eq!(world.status().generation.number(), transitions + 1);
        prop_assert_eq!(world.logged("event=transition").len() as u64, transitions);
        prop_assert_eq!(world.undefined_metrics(), Vec::<String>::new());
        // And whatever happened, the service comes back to it.
        for _ in 0..30 {
            world.run(Duration::from_millis(100));
            while world.pending_checks() > 0 {
                world.answer_check(200);
            }
            world.call().respond(200);
        }
        prop_assert_eq!(world.state(), "CLOSED");
    }
}

// === What workers remember

#[derive(Clone, Debug)]
enum Step {
    Call { worker: usize, good: bool, rival: Option<(usize, bool)> },
    Tick { thread: usize },
    Check { status: u16, rival: Option<(usize, bool)> },
    Configure,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let rival = || prop::option::of((0..WORKERS, any::<bool>()));
    prop_oneof![
        12 => (0..WORKERS, any::<bool>(), rival())
            .prop_map(|(worker, good, rival)| Step::Call { worker, good, rival }),
        4 => (0..=WORKERS).prop_map(|thread| Step::Tick { thread }),
        4 => (prop::sample::select(vec![200_u16, 500]), rival())
            .prop_map(|(status, rival)| Step::Check { status, rival }),
        1 => Just(Step::Configure),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(cases(256))]

    /// Each worker decides by the record as it is, however the others came to write it.
    #[test]
    fn no_worker_decides_by_an_overtaken_record(steps in prop::collection::vec(step(), 1..60)) {
        let mut fields = json!({
            "trip": {"consecutive_failures": 2}, "open": {"wait_duration": "0s"},
            "health_check": {"cluster": "c", "path": "/", "then": "close"},
        });
        fields["fallback"] = json!({"cluster": "payment-fallback", "on_failure": false});
        let config = json!({"services": [service(PAYMENT, &fields)]});
        let world = World::configured(WORKERS, &config);
        for step in steps {
            let interrupt = |rival: Option<(usize, bool)>| {
                if let Some((worker, good)) = rival {
                    let call = world.request(PAYMENT).on(worker).send();
                    let status = if good { 200 } else { 503 };
                    world.store().before_next_write(move || drop(call.respond(status)));
                }
            };
            match step {
                Step::Call { worker, good, rival } => {
                    interrupt(rival);
                    let call = world.request(PAYMENT).on(worker).send();
                    call.respond(if good { 200 } else { 503 });
                }
                Step::Tick { thread } => world.tick(thread),
                Step::Check { status, rival } => {
                    world.advance(Duration::from_secs(10));
                    world.tick(0);
                    interrupt(rival);
                    while world.pending_checks() > 0 {
                        world.answer_check(status);
                    }
                }
                Step::Configure => world.configure(WORKERS, &config),
                Step::Crash => world.adjust_gauge("record_version", (1 << 32) + 1),
            }
            world.store().forget_interruptions();
            let closed = world.state() == "CLOSED";
            for worker in 0..WORKERS {
                let call = world.request(PAYMENT).on(worker).send();
                prop_assert_eq!(call.is_admitted(), closed);
                prop_assert_eq!(call.is_diverted(), !closed);
                call.abort();
            }
        }
    }
}
