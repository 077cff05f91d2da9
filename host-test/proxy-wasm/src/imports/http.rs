//! Header maps, bodies, and what becomes of a stream.

use wasmtime::{Caller, Linker};

use super::{Hostcall, answer};
use crate::headers::Headers;
use crate::reply::LocalReply;
use crate::state::{After, Buffer, Map, State};
use crate::status::Status;
use crate::stream::{Visible, Way};

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    reading(linker)?;
    changing(linker)?;
    buffers(linker)?;
    streams(linker)
}

fn map(number: u32) -> Result<Map, Status> {
    Map::from_number(number).ok_or(Status::BadArgument)
}

fn reading(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_header_map_pairs",
        |caller: Caller<'_, State>, kind: u32, data: u32, size: u32| {
            answer("proxy_get_header_map_pairs", caller, |call| {
                let kind = map(kind)?;
                // A map that cannot be looked at now has no pairs.
                let pairs = call.state().map(kind).filter(|headers| !headers.is_empty());
                let bytes = pairs.map(Headers::serialize).unwrap_or_default();
                call.give(&bytes, data, size)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_size",
        |caller: Caller<'_, State>, kind: u32, size: u32| {
            answer("proxy_get_header_map_size", caller, |call| {
                let kind = map(kind)?;
                let headers = call.state().map(kind).ok_or(Status::BadArgument)?;
                let bytes = u32::try_from(headers.serialize().len()).unwrap_or(u32::MAX);
                Ok(call.write_u32(size, bytes)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_header_map_value",
        |caller: Caller<'_, State>, kind: u32, name: u32, name_size: u32, data: u32, size: u32| {
            answer("proxy_get_header_map_value", caller, |call| {
                let kind = map(kind)?;
                let name = call.read(name, name_size)?;
                let state = call.state();
                // In the log a map may be missing as a header may.
                let logging = state
                    .stream()
                    .is_some_and(|stream| stream.phase == crate::properties::Phase::Log);
                let missing = if logging { Status::NotFound } else { Status::BadArgument };
                let headers = state.map(kind).ok_or(missing)?;
                let value = headers.get(&name).map(<[u8]>::to_vec).ok_or(Status::NotFound)?;
                call.give(&value, data, size)
            })
        },
    )?;
    Ok(())
}

fn changing(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    fn change(
        call: &mut Hostcall<'_>,
        kind: Map,
        change: impl FnOnce(&mut Headers),
    ) -> Result<(), Status> {
        if call.state().change_map(kind, change) { Ok(()) } else { Err(Status::BadArgument) }
    }

    linker.func_wrap(
        "env",
        "proxy_set_header_map_pairs",
        |caller: Caller<'_, State>, kind: u32, data: u32, size: u32| {
            answer("proxy_set_header_map_pairs", caller, |call| {
                let kind = map(kind)?;
                let pairs = Headers::parse(&call.read(data, size)?);
                Ok(change(call, kind, |headers| *headers = pairs)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_add_header_map_value",
        |caller: Caller<'_, State>, kind: u32, name: u32, name_size: u32, value: u32, size: u32| {
            answer("proxy_add_header_map_value", caller, |call| {
                let kind = map(kind)?;
                let (name, value) = (call.read(name, name_size)?, call.read(value, size)?);
                Ok(change(call, kind, |headers| headers.add(name, value))?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_replace_header_map_value",
        |caller: Caller<'_, State>, kind: u32, name: u32, name_size: u32, value: u32, size: u32| {
            answer("proxy_replace_header_map_value", caller, |call| {
                let kind = map(kind)?;
                let (name, value) = (call.read(name, name_size)?, call.read(value, size)?);
                Ok(change(call, kind, |headers| headers.set(name, value))?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_remove_header_map_value",
        |caller: Caller<'_, State>, kind: u32, name: u32, name_size: u32| {
            answer("proxy_remove_header_map_value", caller, |call| {
                let kind = map(kind)?;
                let name = call.read(name, name_size)?;
                Ok(change(call, kind, |headers| headers.remove(name))?)
            })
        },
    )?;
    Ok(())
}

fn buffers(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |caller: Caller<'_, State>, kind: u32, start: u32, length: u32, data: u32, size: u32| {
            answer("proxy_get_buffer_bytes", caller, |call| {
                let kind = Buffer::from_number(kind).ok_or(Status::BadArgument)?;
                let bytes = call.state().buffer(kind).ok_or(Status::NotFound)?;
                // What is asked for beyond the end is left out.
                let start = (start as usize).min(bytes.len());
                let end = start.saturating_add(length as usize).min(bytes.len());
                let bytes = bytes.get(start..end).unwrap_or_default().to_vec();
                call.give(&bytes, data, size)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_buffer_status",
        |caller: Caller<'_, State>, kind: u32, length: u32, flags: u32| {
            answer("proxy_get_buffer_status", caller, |call| {
                let kind = Buffer::from_number(kind).ok_or(Status::BadArgument)?;
                let bytes = call.state().buffer(kind).ok_or(Status::NotFound)?.len();
                call.write_u32(length, u32::try_from(bytes).unwrap_or(u32::MAX))?;
                Ok(call.write_u32(flags, 0)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_buffer_bytes",
        |caller: Caller<'_, State>, kind: u32, start: u32, length: u32, data: u32, size: u32| {
            answer("proxy_set_buffer_bytes", caller, |call| {
                let kind = Buffer::from_number(kind).ok_or(Status::BadArgument)?;
                if call.state().buffer(kind).is_none() {
                    return Err(Status::NotFound.into());
                }
                let bytes = call.read(data, size)?;
                let Buffer::Body(way) = kind else {
                    return Err(Status::BadArgument.into());
                };
                let stream = call.state().stream_mut().ok_or(Status::NotFound)?;
                let message = stream.message_mut(way);
                if !message.visible.body {
                    return Err(Status::BadArgument.into());
                }
                replace(&mut message.body, start as usize, length as usize, bytes)?;
                Ok(())
            })
        },
    )?;
    Ok(())
}

/// At the start: takes the place of the first `length` bytes. At the end or behind it: is added.
/// In the middle nothing can be changed.
fn replace(
    body: &mut Vec<u8>,
    start: usize,
    length: usize,
    mut bytes: Vec<u8>,
) -> Result<(), Status> {
    if start == 0 {
        bytes.extend(body.drain(..).skip(length));
        *body = bytes;
    } else if start >= body.len() {
        body.append(&mut bytes);
    } else {
        return Err(Status::BadArgument);
    }
    Ok(())
}

fn streams(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "proxy_continue_stream", |caller: Caller<'_, State>, kind: u32| {
        answer("proxy_continue_stream", caller, |call| {
            let way = match kind {
                0 => Way::Request,
                1 => Way::Response,
                // Network streams. There is none, which does not matter to the one side.
                2 => return Ok(()),
                3 => return Err(Status::Unimplemented.into()),
                _ => return Err(Status::BadArgument.into()),
            };
            let state = call.state();
            let context = state.context();
            state.after.push(After::Continue(context, way));
            // Whichever of the two goes on, the request can be looked at no more.
            if let Some(stream) = state.stream_mut() {
                stream.request.visible = Visible::default();
            }
            Ok(())
        })
    })?;
    linker.func_wrap("env", "proxy_close_stream", |caller: Caller<'_, State>, kind: u32| {
        answer("proxy_close_stream", caller, |call| {
            if kind > 3 {
                return Err(Status::BadArgument.into());
            }
            let state = call.state();
            let context = state.context();
            state.after.push(After::Close(context));
            state.stop = true;
            Ok(())
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |caller: Caller<'_, State>,
         status: u32,
         details: u32,
         details_size: u32,
         body: u32,
         body_size: u32,
         headers: u32,
         headers_size: u32,
         grpc_status: i32| {
            answer("proxy_send_local_response", caller, |call| {
                let reply = LocalReply {
                    status: u16::try_from(status).map_err(|_| Status::BadArgument)?,
                    details: call.read_text(details, details_size)?,
                    body: call.read(body, body_size)?,
                    headers: Headers::parse(&call.read(headers, headers_size)?),
                    // Others mean that there is none.
                    grpc_status: u32::try_from(grpc_status).ok().filter(|status| *status <= 16),
                };
                let state = call.state();
                let context = state.context();
                state.after.push(After::Reply(context, reply));
                state.stop = true;
                Ok(())
            })
        },
    )?;
    Ok(())
}
