//! What host functions work on: everything about a worker that outlives its VM, or is within
//! reach of the module.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Memory, StoreLimits, TypedFunc};

use crate::allocations::Sums;
use crate::counters::Usage;
use crate::event::Event;
use crate::headers::Headers;
use crate::plugin::Plugin;
use crate::process::Process;
use crate::properties::{self, Phase};
use crate::reply::LocalReply;
use crate::stream::{Stream, StreamId, Way};

/// What runs before each host call; where it breaks, the VM traps.
pub(crate) type Hook = Box<dyn FnMut(&'static str) -> ControlFlow<()> + Send>;

pub(crate) struct State {
    pub(crate) process: Process,
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) worker: u32,
    pub(crate) hook: Option<Hook>,
    /// What the module exports for the host to use within host calls.
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    /// Where it counts its allocations, if it does.
    pub(crate) sums: Option<Sums>,
    /// How many of these, and of their bytes, were made because the host asked.
    pub(crate) given: [u64; 2],
    pub(crate) limits: StoreLimits,

    pub(crate) streams: BTreeMap<u32, Stream>,
    pub(crate) roots: BTreeMap<u32, Root>,
    last_context: u32,
    /// The context whose callback runs, and the one that it acts for.
    pub(crate) current: u32,
    pub(crate) effective: u32,
    /// Contexts that said they were not done yet.
    pub(crate) pending_done: BTreeSet<u32>,

    /// The configuration at hand, while it is handed over.
    pub(crate) configuration: Option<Vec<u8>>,
    /// The calls without an answer.
    pub(crate) calls: BTreeMap<u32, PendingCall>,
    last_call: u32,
    /// The answer at hand, while it is handed over.
    pub(crate) answer: Option<Answer>,
    pub(crate) grpc_answer: Option<GrpcAnswer>,

    /// What the callback wants done once it has returned.
    pub(crate) after: Vec<After>,
    /// Whether what the callback returns does not matter, and nothing goes on.
    pub(crate) stop: bool,
    pub(crate) events: Vec<Event>,

    pub(crate) callback: &'static str,
    pub(crate) usage: BTreeMap<&'static str, Usage>,
    pub(crate) random: u64,
}

/// A root context.
#[derive(Debug, Default)]
pub(crate) struct Root {
    /// Its tick period, and when the next tick is due.
    pub(crate) tick: Option<(Duration, Duration)>,
    /// Whether a newer one has taken its place.
    pub(crate) retired: bool,
    /// What it was configured by.
    pub(crate) configuration: Vec<u8>,
}

/// A call without an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingCall {
    /// The root context that owns it.
    pub(crate) root: u32,
    pub(crate) protocol: Protocol,
}

/// How a filter made a call, and wants to hear of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

/// What the answer of a call brought.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Headers,
}

/// What the answer of a gRPC call brought: a message if the status is zero.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GrpcAnswer {
    pub(crate) status: u32,
    /// What the status says besides.
    pub(crate) text: Vec<u8>,
    pub(crate) message: Vec<u8>,
}

/// What a callback wants done once it has returned.
#[derive(Debug)]
pub(crate) enum After {
    Reply(u32, LocalReply),
    Continue(u32, Way),
    Close(u32),
    Done(u32),
}

/// A header map by its number in the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Map {
    Headers(Way),
    Trailers(Way),
    CallHeaders,
    CallTrailers,
    /// Metadata of gRPC calls, of which nothing is told.
    Grpc,
}

/// A buffer by its number in the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffer {
    Body(Way),
    CallBody,
    GrpcMessage,
    VmConfiguration,
    PluginConfiguration,
    /// One of network streams, of which this host has none.
    Other,
}

impl State {
    pub(crate) fn new(process: &Process, plugin: Arc<Plugin>) -> Self {
        let worker = process.next_worker();
        let seed = process.lock().seed;
        Self {
            process: process.clone(),
            plugin,
            worker,
            hook: None,
            memory: None,
            allocate: None,
            sums: None,
            given: [0; 2],
            limits: StoreLimits::default(),
            streams: BTreeMap::new(),
            roots: BTreeMap::new(),
            last_context: 0,
            current: 0,
            effective: 0,
            pending_done: BTreeSet::new(),
            configuration: None,
            calls: BTreeMap::new(),
            last_call: 0,
            answer: None,
            grpc_answer: None,
            after: Vec::new(),
            stop: false,
            events: Vec::new(),
            callback: "",
            usage: BTreeMap::new(),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(worker) << 32) | 1,
        }
    }

    pub(crate) fn next_context(&mut self) -> u32 {
        self.last_context += 1;
        self.last_context
    }

    pub(crate) fn next_call(&mut self) -> u32 {
        self.last_call = self.last_call.checked_add(1).unwrap_or(1);
        self.last_call
    }

    /// The context that host calls act on: the one chosen by `proxy_set_effective_context`, or
    /// the one whose callback runs.
    pub(crate) fn context(&self) -> u32 {
        if self.effective == 0 { self.current } else { self.effective }
    }

    /// The stream that host calls act on, if it is one.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.streams.get(&self.context())
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        let context = self.context();
        self.streams.get_mut(&context)
    }

    /// The root context behind the one that host calls act on.
    pub(crate) fn root(&self) -> u32 {
        let context = self.context();
        self.streams.get(&context).map_or(context, |stream| stream.root)
    }

    /// A map, if it can be looked at now.
    pub(crate) fn map(&self, map: Map) -> Option<&Headers> {
        match map {
            Map::Headers(way) => {
                let stream = self.stream()?;
                let message = stream.message(way);
                let shown = message.visible.headers || stream.phase == Phase::Log;
                message.headers.as_ref().filter(|_| shown)
            }
            Map::Trailers(way) => {
                let stream = self.stream()?;
                let message = stream.message(way);
                let shown = message.visible.trailers || stream.phase == Phase::Log;
                message.trailers.as_ref().filter(|_| shown)
            }
            Map::CallHeaders => self.answer.as_ref().map(|answer| &answer.headers),
            Map::CallTrailers => {
                let trailers = self.answer.as_ref().map(|answer| &answer.trailers);
                trailers.filter(|trailers| !trailers.is_empty())
            }
            Map::Grpc => None,
        }
    }

    /// A map, if it can be changed now. In the request's headers this has the route chosen anew.
    pub(crate) fn change_map(&mut self, map: Map, change: impl FnOnce(&mut Headers)) -> bool {
        let Some(stream) = self.stream_mut() else {
            return false;
        };
        if stream.phase == Phase::Log {
            return false;
        }
        let headers = match map {
            Map::Headers(way) => {
                let message = stream.message_mut(way);
                message.headers.as_mut().filter(|_| message.visible.headers)
            }
            Map::Trailers(way) => {
                let message = stream.message_mut(way);
                message.trailers.as_mut().filter(|_| message.visible.trailers)
            }
            Map::CallHeaders | Map::CallTrailers | Map::Grpc => None,
        };
        let Some(headers) = headers else {
            return false;
        };
        change(headers);
        if map == Map::Headers(Way::Request) {
            self.clear_route();
        }
        true
    }

    /// Has the route chosen anew, if there is still time: Envoy takes no notice once a response
    /// has come.
    pub(crate) fn clear_route(&mut self) {
        let context = self.context();
        if self.stream().is_some_and(|stream| stream.phase == Phase::Request) {
            let event = Event::RouteCleared(StreamId(context));
            if self.events.last() != Some(&event) {
                self.events.push(event);
            }
        }
    }

    /// The bytes of a buffer, if there is one now.
    pub(crate) fn buffer(&self, buffer: Buffer) -> Option<&[u8]> {
        match buffer {
            Buffer::Body(way) => {
                let message = self.stream()?.message(way);
                Some(if message.visible.body { &message.body } else { &[] })
            }
            Buffer::CallBody => self.answer.as_ref().map(|answer| answer.body.as_slice()),
            Buffer::GrpcMessage => {
                self.grpc_answer.as_ref().map(|answer| answer.message.as_slice())
            }
            Buffer::VmConfiguration => Some(&self.plugin.vm_configuration),
            Buffer::PluginConfiguration => self.configuration.as_deref(),
            Buffer::Other => None,
        }
    }

    /// A property of the stream at hand, or of the plugin.
    pub(crate) fn property(&self, path: &[u8]) -> Option<Vec<u8>> {
        let path = path.strip_suffix(b"\0").unwrap_or(path);
        match path {
            b"plugin_name" => return Some(self.plugin.name.clone().into_bytes()),
            b"plugin_root_id" => return Some(self.plugin.root_id.clone().into_bytes()),
            b"plugin_vm_id" => return Some(self.plugin.vm_id.clone().into_bytes()),
            _ => {}
        }
        let is_here = |names: &[String]| names.join("\0").as_bytes() == path;
        if let Some((_, value)) = self.plugin.properties.iter().find(|(names, _)| is_here(names)) {
            return Some(value.clone());
        }
        let stream = self.stream()?;
        let logging = stream.phase == Phase::Log;
        let request = stream.request.headers.as_ref();
        let request = request.filter(|_| logging || stream.request.visible.headers);
        let response = stream.response.headers.as_ref();
        let response = response.filter(|_| logging || stream.response.visible.headers);
        if let Some(value) = properties::of_headers(path, request, response) {
            return value;
        }
        if stream.phase < properties::known_from(path) {
            return None;
        }
        if let Some(value) = stream.properties.get(path) {
            return Some(value.to_vec());
        }
        if path == b"response\0flags" {
            return Some(0_i64.to_le_bytes().to_vec());
        }
        if path == b"response\0code" && logging {
            let status: i64 = stream.response.headers.as_ref()?.text(":status")?.parse().ok()?;
            return Some(status.to_le_bytes().to_vec());
        }
        stream.filter_state.get(path).map(<[u8]>::to_vec)
    }
}

impl Map {
    pub(crate) const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Headers(Way::Request),
            1 => Self::Trailers(Way::Request),
            2 => Self::Headers(Way::Response),
            3 => Self::Trailers(Way::Response),
            4 | 5 => Self::Grpc,
            6 => Self::CallHeaders,
            7 => Self::CallTrailers,
            _ => return None,
        })
    }
}

impl Buffer {
    pub(crate) const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Body(Way::Request),
            1 => Self::Body(Way::Response),
            4 => Self::CallBody,
            6 => Self::VmConfiguration,
            7 => Self::PluginConfiguration,
            5 => Self::GrpcMessage,
            2 | 3 | 8 => Self::Other,
            _ => return None,
        })
    }
}
