//! A host for proxy-wasm HTTP filters, with every worker, clock and fault in the caller's hands.
//!
//! It runs the same module that a proxy loads, under wasmtime, and behaves as Envoy does where
//! the specification (ABI 0.2.1) leaves room. It knows nothing of any one filter. What it is for
//! is everything that is hard inside a real proxy: to let two workers meet at one instruction, to
//! lose a race on purpose, to move a clock by an hour, to kill a VM in mid-request, and to count
//! exactly what a request costs.
//!
//! # No I/O
//!
//! The host opens no socket, starts no thread and never sleeps. The caller feeds a stream with
//! what came from the client and from the service, and each call gives back, as [`Event`]s, what
//! goes on, what is answered, and which calls the filter makes. Callouts are answered by the
//! caller as well, in any order, or never. So a simulation, a test and a proxy on real sockets
//! can all stand on it.
//!
//! ```no_run
//! use host_test_proxy_wasm::{Event, Headers, Module, Options, Part, Plugin, Process, Worker};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let module = Module::new(&std::fs::read("filter.wasm")?, &Options::default())?;
//! let process = Process::new();
//! let mut worker = Worker::start(&process, &module, Plugin::default(), b"{}")?;
//!
//! let stream = worker.open_stream();
//! let request = Headers::from_iter([(":method", "GET"), (":path", "/"), (":authority", "a")]);
//! for event in worker.request_headers(stream, request, true) {
//!     match event {
//!         Event::Request(_, Part::Headers(headers, _)) => println!("goes on: {headers:?}"),
//!         Event::Response(_, Part::Headers(headers, _)) => println!("answered: {headers:?}"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! worker.end_stream(stream);
//! # Ok(())
//! # }
//! ```
//!
//! # The pieces
//!
//! * [`Module`]: compiled once, its imports checked by name.
//! * [`Process`]: what all workers share: shared data, queues, metrics, clocks, the log, faults.
//! * [`Worker`]: one VM with its root contexts. A trap kills it with all its streams, and
//!   [`FailurePolicy`] says what becomes of the next one.
//! * [`StreamId`]: one request and its response on a worker.
//! * [`Usage`]: what each callback cost: host calls by name, instructions, allocations.
//!
//! # Interleavings
//!
//! [`Worker::on_hostcall`] sets a function that runs before each host call, while no lock is
//! held. A worker can be sent to another thread, so a scheduler that blocks in this function
//! decides which worker takes the next step. [`Worker::trap_hostcalls`] lets it kill the VM there.

mod allocations;
mod cache;
mod callout;
mod counters;
mod event;
mod headers;
mod imports;
mod module;
mod plugin;
mod process;
mod properties;
mod reply;
mod state;
mod status;
mod stream;
mod vm;
mod worker;

pub use cache::{Cache, Origin};
pub use callout::{Call, CallAnswer, CallToken};
pub use counters::Usage;
pub use event::{Event, Part};
pub use headers::Headers;
pub use module::{LoadError, Module, Options};
pub use plugin::{FailurePolicy, Plugin};
pub use process::{LogLevel, LogLine, MetricKind, Process};
pub use reply::LocalReply;
pub use status::Status;
pub use stream::StreamId;
pub use worker::{StartError, Worker};
