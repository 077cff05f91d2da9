//! What can happen in a scenario.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Nothing but time that passes.
    Wait,
    /// A client sends a request, which is answered by a step of its own.
    Request {
        /// What later steps call it.
        name: String,
        /// The request.
        request: Request,
    },
    /// A client sends a request, and the service answers at once if it gets it.
    Call {
        /// How often, one after the other.
        times: u32,
        /// How much time passes before each of them.
        every: Duration,
        /// How long the service takes to answer each.
        takes: Duration,
        /// The request.
        request: Request,
        /// What happens to it if the service gets it, one after the other.
        answer: Vec<Answer>,
    },
    /// The service answers a request, or its client goes away.
    Answer {
        /// The request's name.
        to: String,
        /// What happens to it.
        answer: Answer,
    },
    /// What another cluster does from now on.
    Upstream {
        /// The cluster, by the proxy's name for it.
        cluster: String,
        /// How it answers health checks, replayed and diverted calls.
        answers: CalloutAnswer,
    },
    /// A cluster answers the oldest callout that it has held back.
    Release {
        /// The cluster.
        cluster: String,
        /// Its answer.
        answer: CalloutAnswer,
    },
    /// A new configuration for all workers.
    Configure(Value),
    /// A worker's instance of the plugin is gone, with all it knew, and a new one takes its place.
    Crash {
        /// The worker.
        worker: usize,
    },
    /// A timer callback besides those that the passing of time brings.
    Tick(Thread),
    /// The wall clock alone is put forward, or back if it is negative.
    WallClock {
        /// By how many nanoseconds.
        nanos: i64,
    },
    /// So many writes of the shared store lose a race, whoever makes them.
    LostRaces(u32),
    /// The shared store changes.
    Store(Store),
}

/// A thread that ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thread {
    /// One that requests come to.
    Worker(usize),
    /// The main one.
    Main,
}

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The worker that it comes to.
    pub worker: usize,
    /// Its method.
    pub method: String,
    /// Its authority.
    pub host: String,
    /// Its path.
    pub path: String,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// Its body; empty: there is none.
    pub body: String,
    /// Whether more of its body is to come, until [`Answer::RequestEnd`].
    pub incomplete: bool,
    /// The cluster of its route, if that matters.
    pub cluster: Option<String>,
    /// The name of its route, if that matters.
    pub route: Option<String>,
    /// Who sends it, by Envoy's `source.address`, if that matters.
    pub peer: Option<String>,
}

impl Request {
    /// A `GET /` of this host.
    #[must_use]
    pub fn get(host: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            host: host.to_owned(),
            path: "/".to_owned(),
            ..Self::default()
        }
    }

    /// Whether its head is all there is of it.
    #[must_use]
    pub const fn ends_with_head(&self) -> bool {
        self.body.is_empty() && !self.incomplete
    }

    /// Whether it is a gRPC call.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.headers.get("content-type").is_some_and(|value| value.starts_with("application/grpc"))
    }

    /// All headers, pseudo-headers first, as a proxy hands them out.
    pub fn header_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pseudo = [
            (":method", self.method.as_str()),
            (":path", self.path.as_str()),
            (":scheme", "http"),
            (":authority", self.host.as_str()),
        ];
        let others = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pseudo.into_iter().chain(others)
    }
}

/// What happens to a request that went to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The service answers, with a body.
    Whole(Head),
    /// The service begins its answer, and goes on.
    Begin(Head),
    /// So many bytes more of an answer that was begun.
    More(usize),
    /// An answer that was begun comes to its end.
    End,
    /// The client sends what was missing of its request.
    RequestEnd,
    /// The proxy says that the call failed, or that it was never made.
    Fault(Fault),
    /// The client goes away.
    ClientGone,
}

impl Answer {
    /// Whether more is to happen to the request, if nothing goes wrong.
    #[must_use]
    pub const fn goes_on(&self) -> bool {
        matches!(self, Self::Begin(_) | Self::More(_) | Self::RequestEnd)
    }
}

/// The head of an answer, and gRPC's verdict wherever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// Further headers.
    pub headers: BTreeMap<String, String>,
    /// The status of a gRPC call.
    pub grpc: Option<Grpc>,
}

impl Head {
    /// The head of a good answer in gRPC.
    #[must_use]
    pub fn in_grpc(grpc: Grpc) -> Self {
        let typed = ("content-type".to_owned(), "application/grpc".to_owned());
        Self { status: 200, headers: BTreeMap::from([typed]), grpc: Some(grpc) }
    }
}

/// Where the status of a gRPC call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grpc {
    /// In the trailers, after a message.
    Trailers(u8),
    /// In a head that is all there is.
    Head(u8),
    /// In neither: the trailers have none.
    Missing,
}

/// Why the proxy answers a call itself or cuts it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The service refused the connection.
    Refused,
    /// The service closed the connection, before its answer or in the middle of it.
    Reset,
    /// The service did not answer in the time that the route gives.
    Timeout,
    /// There is no healthy host.
    NoHealthyUpstream,
    /// There is no such cluster.
    NoCluster,
    /// Nothing came or went for longer than the proxy waits.
    IdleTimeout,
    /// The exchange took longer than one may.
    MaxDuration,
    /// The proxy's own limits refused the call.
    Overflow,
    /// Another filter turned the request away: too many.
    RateLimited,
    /// Another filter turned the request away: not allowed.
    Unauthorized,
    /// No route leads anywhere.
    NoRoute,
}

impl Fault {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 11] = [
        ("refused", Self::Refused),
        ("reset", Self::Reset),
        ("timeout", Self::Timeout),
        ("no-healthy-upstream", Self::NoHealthyUpstream),
        ("no-cluster", Self::NoCluster),
        ("idle-timeout", Self::IdleTimeout),
        ("max-duration", Self::MaxDuration),
        ("overflow", Self::Overflow),
        ("rate-limited", Self::RateLimited),
        ("unauthorized", Self::Unauthorized),
        ("no-route", Self::NoRoute),
    ];

    /// The name in a scenario.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, fault)| *fault == self).map_or("", |(name, _)| name)
    }

    /// What Envoy makes of it before an answer has begun: the status of its reply, its response
    /// code details, and its response flags (a bit each).
    #[must_use]
    pub const fn in_envoy(self) -> (u16, &'static str, u64) {
        const UH: u64 = 1 << 1;
        const UT: u64 = 1 << 2;
        const UF: u64 = 1 << 5;
        const UC: u64 = 1 << 6;
        const UO: u64 = 1 << 7;
        const NR: u64 = 1 << 8;
        const SI: u64 = 1 << 16;
        const DT: u64 = 1 << 22;
        const NC: u64 = 1 << 24;
        const RL: u64 = 1 << 11;
        const UAEX: u64 = 1 << 12;
        match self {
            Self::Refused => {
                (503, "upstream_reset_before_response_started{remote_connection_failure}", UF)
            }
            Self::Reset => {
                (503, "upstream_reset_before_response_started{connection_termination}", UC)
            }
            Self::Timeout => (504, "response_timeout", UT),
            Self::NoHealthyUpstream => (503, "no_healthy_upstream", UH),
            Self::NoCluster => (503, "cluster_not_found", NC),
            Self::IdleTimeout => (504, "stream_idle_timeout", SI),
            Self::MaxDuration => (504, "max_duration_timeout", DT),
            Self::Overflow => (503, "upstream_reset_before_response_started{overflow}", UO),
            Self::RateLimited => (429, "request_rate_limited", RL),
            Self::Unauthorized => (403, "ext_authz_denied", UAEX),
            Self::NoRoute => (404, "route_not_found", NR),
        }
    }

    /// The head of the reply that Envoy makes of it: to a gRPC call it is gRPC, too.
    #[must_use]
    pub fn reply(self, to_grpc: bool) -> Head {
        let (status, ..) = self.in_envoy();
        if !to_grpc {
            return Head { status, ..Head::default() };
        }
        let code = match status {
            403 => 7,
            404 => 12,
            _ => 14,
        };
        Head::in_grpc(Grpc::Head(code))
    }

    /// What Envoy notes of it once an answer has begun: details and flags.
    #[must_use]
    pub const fn in_envoy_mid_answer(self) -> (&'static str, u64) {
        match self {
            Self::Timeout => ("response_timeout", 1 << 2),
            Self::IdleTimeout => ("stream_idle_timeout", 1 << 16),
            Self::MaxDuration => ("max_duration_timeout", 1 << 22),
            _ => ("upstream_reset_after_response_started{connection_termination}", 1 << 6),
        }
    }
}

/// What Envoy notes of a client that went away: details and flags.
pub const CLIENT_GONE: (&str, u64) = ("downstream_remote_disconnect", 1 << 14);

/// How a cluster answers what the plugin asks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalloutAnswer {
    /// With a status.
    Status(u16),
    /// Not at all: it cannot be reached, and the proxy says so at once.
    Refused,
    /// The proxy has no such cluster.
    Unknown,
    /// It holds the answer back until it is told to give it, or until the time is over.
    Held,
}

/// Bytes that are no record: of a known format, and too short for one.
pub const GARBAGE: &[u8] = b"\x01bad";

/// Bytes that only a newer module knows, as their first one tells.
pub const NEWER: &[u8] = b"\xffnew";

/// What becomes of the shared store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// It can be used.
    Well,
    /// It cannot be read.
    Unreadable,
    /// It cannot be written.
    Unwritable,
    /// The record of a service is overwritten with bytes that are no record.
    Garbage(String),
    /// A newer module writes the record of a service.
    Newer(String),
}
