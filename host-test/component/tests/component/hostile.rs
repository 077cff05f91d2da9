//! Whatever a client, a service or a careless host says, an instance goes on.

use std::time::Duration;

use fastrand::Rng;
use host_test_component::field;
use host_test_component::types::{
    Answer, Ending, Field, Origin, RequestHead, ResponseHead, ResponseVerdict, State,
};
use serde_json::json;

use crate::world::{World, get};

const ORIGINS: [Origin; 5] =
    [Origin::Service, Origin::Fault, Origin::TooLong, Origin::Overflow, Origin::Host];

const NAMES: [&str; 14] = [
    "",
    ":",
    ":method",
    ":authority",
    ":path",
    ":status",
    "content-type",
    "grpc-status",
    "retry-after",
    "upgrade",
    "x-circuit-breaker-cluster",
    "x-circuit-breaker-state",
    "x-tenant",
    "X-ÜPPER\0CASE\n",
];

const VALUES: [&[u8]; 14] = [
    b"",
    b"GET",
    b"CONNECT",
    b"/",
    b"/circuit-breaker/services/payment-service",
    b"gold",
    b"application/grpc+proto",
    b"text/event-stream",
    b"14",
    b"-1",
    b"99999999999999999999",
    b"Wed, 01 May 2024 12:00:30 GMT",
    b"\xff\xfe\x00",
    b"websocket",
];

/// Says anything, in any order.
struct Nonsense(Rng);

impl Nonsense {
    fn fields(&mut self) -> Vec<Field> {
        (0..self.0.usize(..8)).map(|_| self.field()).collect()
    }

    fn field(&mut self) -> Field {
        let name = NAMES[self.0.usize(..NAMES.len())];
        match self.0.u8(..) {
            0..=200 => field(name, VALUES[self.0.usize(..VALUES.len())]),
            201..=254 => field(name, self.bytes(64)),
            255 => field(name, self.bytes(100_000)),
        }
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let len = self.0.usize(..most);
        std::iter::repeat_with(|| self.0.u8(..)).take(len).collect()
    }

    fn status(&mut self) -> u16 {
        let any = self.0.u16(..);
        [0, 101, 200, 204, 404, 429, 500, 503, any][self.0.usize(..9)]
    }

    fn origin(&mut self) -> Origin {
        ORIGINS[self.0.usize(..ORIGINS.len())]
    }

    fn cluster(&mut self) -> Option<String> {
        [None, Some(""), Some("payment"), Some("payment-fallback"), Some("ü\0")][self.0.usize(..5)]
            .map(str::to_owned)
    }

    /// Half of them begin as a request should.
    fn request(&mut self) -> RequestHead {
        let mut fields = if self.0.bool() { get("/").fields } else { Vec::new() };
        fields.extend(self.fields());
        RequestHead {
            fields,
            cluster: self.cluster(),
            route: self.cluster(),
            end_of_stream: self.0.bool(),
        }
    }

    fn response(&mut self) -> ResponseHead {
        ResponseHead {
            status: self.status(),
            fields: self.fields(),
            origin: self.origin(),
            cluster: self.cluster(),
            end_of_stream: self.0.bool(),
        }
    }

    fn answer(&mut self) -> Option<Answer> {
        self.0.bool().then(|| Answer {
            status: self.status(),
            fields: self.fields(),
            body: self.bytes(64),
        })
    }

    /// A number that may be one of a call or of a check.
    fn number(&mut self, last: u64) -> u64 {
        if self.0.u8(..) == 0 { self.0.u64(..) } else { last.saturating_sub(self.0.u64(..6)) }
    }
}

#[test]
fn an_instance_survives_any_calls_in_any_order() {
    let mut world = World::new(
        2,
        &json!({
            "fallback": {"cluster": "payment-fallback", "on_failure": true, "max_request_bytes": 100},
            // Trips in a row would keep it open for most of the time.
            "open": {"max_wait_duration": "1s"},
            "half_open": {"permitted_calls": 2},
            "health_check": {
                "cluster": "payment", "path": "/health", "interval": "1s", "timeout": "500ms",
                "then": "close"
            }
        }),
    );
    let mut nonsense = Nonsense(Rng::with_seed(4));
    let (mut last_numbers, mut told) = ([0; 2], 0);
    for step in 0..20_000 {
        if step % 50 == 0 {
            pass_checks(&mut world);
        }
        let (worker, last) = (&mut world.workers[step % 2], &mut last_numbers[step % 2]);
        match nonsense.0.u8(..17) {
            0..=4 => {
                let admission = worker.request(&nonsense.request()).unwrap();
                *last = admission.call.unwrap_or(*last);
            }
            5 => {
                let (number, piece) = (nonsense.number(*last), nonsense.bytes(90));
                worker.request_body(number, &piece, nonsense.0.bool()).unwrap();
            }
            16 => {
                let (number, piece) = (nonsense.number(*last), nonsense.bytes(90));
                worker.response_body(number, &piece, nonsense.0.bool()).unwrap();
            }
            6..=9 => {
                let number = nonsense.number(*last);
                let verdict = worker.respond(number, &nonsense.response()).unwrap();
                told += usize::from(!matches!(verdict, ResponseVerdict::Pass(_)));
            }
            10 => {
                let (number, answer) = (nonsense.number(*last), nonsense.answer());
                let verdict = worker.replayed(number, answer.as_ref()).unwrap();
                assert!(!matches!(verdict, ResponseVerdict::Ask(_)), "{verdict:?}");
            }
            11 => {
                let ending = Ending { origin: nonsense.origin(), trailers: nonsense.fields() };
                worker.finish(nonsense.number(*last), &ending).unwrap();
            }
            12 => worker.abandon(nonsense.number(*last)).unwrap(),
            13 => {
                for check in worker.tick().unwrap() {
                    *last = check.id;
                }
            }
            14 => {
                let status = nonsense.0.bool().then(|| nonsense.status());
                worker.reported(nonsense.number(*last), status).unwrap();
            }
            _ => {
                world.shared.advance(Duration::from_millis(nonsense.0.u64(..1000)));
                worker.status().unwrap().unwrap();
            }
        }
    }
    assert!(told > 30, "{told} answers were replaced");
    let tripped = world.transitions().iter().filter(|line| line.contains("to=OPEN")).count();
    assert!(tripped > 10, "tripped {tripped} times");

    // And it still does what it is for: once the service is well, the breaker closes.
    for _ in 0..10 {
        pass_checks(&mut world);
    }
    assert_eq!(world.state(), State::Closed);
    world.call(0, 200);
}

/// A second passes, and whatever is checked then is well.
fn pass_checks(world: &mut World) {
    world.shared.advance(Duration::from_secs(1));
    for (worker, check) in world.tick_all() {
        world.workers[worker].reported(check.id, Some(200)).unwrap();
    }
}

#[test]
fn no_configuration_crashes_an_instance() {
    let mut world = World::one(&json!({}));
    let valid = crate::world::config(&json!({
        "trip": {"consecutive_failures": 3},
        "open": {"wait_duration": "1m30s", "backoff_rate": 2.0},
        "classify": {"failure_status": ["5xx", "429", "400-404"]},
        "match": {"hosts": ["*.example.com"], "headers": [{"name": "x-tenant", "exact": "gold"}]}
    }));
    let other: Vec<char> = "{}[]\",:0123456789.eE+-\\ü\0x%*".chars().collect();
    let mut random = Rng::with_seed(4);
    let mut refused = 0;
    for _ in 0..2_000 {
        let mut text: Vec<char> = valid.chars().collect();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..text.len());
            match random.u8(..3) {
                0 => drop(text.remove(at)),
                1 => text[at] = other[random.usize(..other.len())],
                _ => text.insert(at, text[random.usize(..text.len())]),
            }
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = world.workers[0].configure(&text).unwrap() {
            for told in [&error.path, &error.value, &error.remedy] {
                assert!(!told.is_empty(), "{text}: {error:?}");
            }
            assert!(error.message.starts_with(&error.path), "{text}: {error:?}");
            refused += 1;
        }
    }
    assert!(refused > 500, "{refused} were refused");
    assert!(world.workers[0].status().unwrap().is_ok());
}
