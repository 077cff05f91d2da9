//! Calls to clusters: HTTP, and gRPC with one message each way. There are no gRPC streams.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use super::answer;
use crate::callout::{Call, CallToken};
use crate::event::Event;
use crate::headers::Headers;
use crate::state::{PendingCall, Protocol, State};
use crate::status::Status;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    http(linker)?;
    grpc(linker)?;
    grpc_streams(linker)
}

/// A call as the filter wants it made.
struct Outgoing {
    cluster: String,
    headers: Headers,
    body: Vec<u8>,
    trailers: Headers,
    /// In milliseconds; 0: none.
    timeout: u32,
}

impl Outgoing {
    /// Whether there is a cluster for it.
    fn has_cluster(&self, state: &State) -> bool {
        let shared = state.process.lock();
        shared.clusters.as_ref().is_none_or(|clusters| clusters.contains(&self.cluster))
            && !shared.no_clusters.contains(&self.cluster)
    }

    /// Makes it, and returns its number.
    fn make(self, state: &mut State, protocol: Protocol) -> u32 {
        let Self { cluster, headers, body, trailers, timeout } = self;
        let number = state.next_call();
        let root = state.root();
        state.calls.insert(number, PendingCall { root, protocol });
        let timeout = (timeout > 0).then(|| Duration::from_millis(u64::from(timeout)));
        let token = CallToken(number);
        let call = Call { token, cluster, headers, body, trailers, timeout };
        state.events.push(Event::Call(call));
        number
    }
}

fn http(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_http_call",
        |caller: Caller<'_, State>,
         cluster: u32,
         cluster_size: u32,
         headers: u32,
         headers_size: u32,
         body: u32,
         body_size: u32,
         trailers: u32,
         trailers_size: u32,
         timeout: u32,
         token: u32| {
            answer("proxy_http_call", caller, |call| {
                let outgoing = Outgoing {
                    cluster: call.read_text(cluster, cluster_size)?,
                    headers: Headers::parse(&call.read(headers, headers_size)?),
                    body: call.read(body, body_size)?,
                    trailers: Headers::parse(&call.read(trailers, trailers_size)?),
                    timeout,
                };
                call.write_u32(token, 0)?;
                let state = call.state();
                let complete = [":method", ":path", ":authority"];
                let complete = complete.iter().all(|name| outgoing.headers.get(name).is_some());
                let in_time = i32::try_from(timeout).is_ok();
                if !outgoing.has_cluster(state) || !complete || !in_time {
                    return Err(Status::BadArgument.into());
                }
                let number = outgoing.make(state, Protocol::Http);
                Ok(call.write_u32(token, number)?)
            })
        },
    )?;
    Ok(())
}

fn grpc(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_grpc_call",
        |caller: Caller<'_, State>,
         cluster: u32,
         cluster_size: u32,
         service: u32,
         service_size: u32,
         method: u32,
         method_size: u32,
         metadata: u32,
         metadata_size: u32,
         message: u32,
         message_size: u32,
         timeout: u32,
         token: u32| {
            answer("proxy_grpc_call", caller, |call| {
                let cluster = call.read_text(cluster, cluster_size)?;
                let service = call.read_text(service, service_size)?;
                let method = call.read_text(method, method_size)?;
                let metadata = Headers::parse(&call.read(metadata, metadata_size)?);
                let mut body = vec![0]; // not compressed
                body.extend(message_size.to_be_bytes());
                body.extend(call.read(message, message_size)?);
                let mut headers = Headers::from_iter([
                    (":method", "POST"),
                    (":scheme", "http"),
                    (":path", &format!("/{service}/{method}")),
                    (":authority", &cluster),
                    ("te", "trailers"),
                    ("grpc-timeout", &grpc_timeout(timeout)),
                    ("content-type", "application/grpc"),
                ]);
                for (name, value) in metadata.iter() {
                    headers.add(name, value);
                }
                let trailers = Headers::new();
                let outgoing = Outgoing { cluster, headers, body, trailers, timeout };
                call.write_u32(token, 0)?;
                let state = call.state();
                if !outgoing.has_cluster(state) {
                    return Err(Status::ParseFailure.into());
                }
                let number = outgoing.make(state, Protocol::Grpc);
                Ok(call.write_u32(token, number)?)
            })
        },
    )?;
    linker.func_wrap("env", "proxy_grpc_cancel", |caller: Caller<'_, State>, token: u32| {
        answer("proxy_grpc_cancel", caller, |call| Ok(take_back(call.state(), token)?))
    })?;
    linker.func_wrap("env", "proxy_grpc_close", |caller: Caller<'_, State>, token: u32| {
        answer("proxy_grpc_close", caller, |call| Ok(take_back(call.state(), token)?))
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_status",
        |caller: Caller<'_, State>, code: u32, data: u32, size: u32| {
            answer("proxy_get_status", caller, |call| {
                let known = call.state().grpc_answer.as_ref();
                let known = known.map(|answer| (answer.status, answer.text.clone()));
                let (status, text) = known.unwrap_or_default();
                call.write_u32(code, status)?;
                call.give(&text, data, size)
            })
        },
    )?;
    Ok(())
}

/// Milliseconds as gRPC writes them, which has room for eight digits.
fn grpc_timeout(millis: u32) -> String {
    if millis < 100_000_000 { format!("{millis}m") } else { format!("{}S", millis / 1000) }
}

/// Nobody waits for the answer of this call any more.
fn take_back(state: &mut State, token: u32) -> Result<(), Status> {
    match state.calls.get(&token) {
        Some(PendingCall { protocol: Protocol::Grpc, .. }) => {
            state.calls.remove(&token);
            Ok(())
        }
        _ => Err(Status::NotFound),
    }
}

/// Streams cannot be opened.
fn grpc_streams(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Number = u32;
    linker.func_wrap(
        "env",
        "proxy_grpc_stream",
        |caller: Caller<'_, State>,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number| {
            answer("proxy_grpc_stream", caller, |_| Err(Status::InternalFailure.into()))
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_grpc_send",
        |caller: Caller<'_, State>, _: Number, _: Number, _: Number, _: Number| {
            answer("proxy_grpc_send", caller, |_| Err(Status::NotFound.into()))
        },
    )?;
    Ok(())
}
