//! Calls to clusters: HTTP in full, gRPC as by a proxy that has no cluster for it.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use super::answer;
use crate::callout::{Call, CallToken};
use crate::event::Event;
use crate::headers::Headers;
use crate::state::State;
use crate::status::Status;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
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
                let cluster = call.read_text(cluster, cluster_size)?;
                let headers = Headers::parse(&call.read(headers, headers_size)?);
                let body = call.read(body, body_size)?;
                let trailers = Headers::parse(&call.read(trailers, trailers_size)?);
                call.write_u32(token, 0)?;
                let state = call.state();
                let known = state
                    .process
                    .lock()
                    .clusters
                    .as_ref()
                    .is_none_or(|clusters| clusters.contains(&cluster));
                let complete = [":method", ":path", ":authority"];
                let complete = complete.iter().all(|name| headers.get(name).is_some());
                if !known || !complete || i32::try_from(timeout).is_err() {
                    return Err(Status::BadArgument.into());
                }
                let number = state.next_call();
                let root = state.root();
                state.calls.insert(number, root);
                let timeout = match timeout {
                    0 => None,
                    millis => Some(Duration::from_millis(u64::from(millis))),
                };
                let token_of = CallToken(number);
                let made = Call { token: token_of, cluster, headers, body, trailers, timeout };
                state.events.push(Event::Call(made));
                Ok(call.write_u32(token, number)?)
            })
        },
    )?;
    grpc(linker)
}

fn grpc(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Number = u32;
    linker.func_wrap(
        "env",
        "proxy_grpc_call",
        |caller: Caller<'_, State>,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number,
         _: Number| {
            answer("proxy_grpc_call", caller, |_| Err(Status::InternalFailure.into()))
        },
    )?;
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
    linker.func_wrap("env", "proxy_grpc_cancel", |caller: Caller<'_, State>, _: Number| {
        answer("proxy_grpc_cancel", caller, |_| Err(Status::NotFound.into()))
    })?;
    linker.func_wrap("env", "proxy_grpc_close", |caller: Caller<'_, State>, _: Number| {
        answer("proxy_grpc_close", caller, |_| Err(Status::NotFound.into()))
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_status",
        |caller: Caller<'_, State>, code: u32, data: u32, size: u32| {
            answer("proxy_get_status", caller, |call| {
                call.write_u32(code, 0)?;
                call.give(&[], data, size)
            })
        },
    )?;
    Ok(())
}
