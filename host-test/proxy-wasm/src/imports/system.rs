//! Log, clock, timer, properties, contexts and foreign functions.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use super::answer;
use crate::process::LogLevel;
use crate::state::{After, State};
use crate::status::Status;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_log",
        |caller: Caller<'_, State>, level: u32, message: u32, size: u32| {
            answer("proxy_log", caller, |call| {
                let level = LogLevel::from_number(level).ok_or(Status::BadArgument)?;
                let message = call.read_text(message, size)?;
                let state = call.state();
                state.process.log(state.worker, level, message);
                Ok(())
            })
        },
    )?;
    linker.func_wrap("env", "proxy_get_log_level", |caller: Caller<'_, State>, level: u32| {
        answer("proxy_get_log_level", caller, |call| {
            let known = call.state().process.lock().log_level;
            Ok(call.write_u32(level, known as u32)?)
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_get_current_time_nanoseconds",
        |caller: Caller<'_, State>, time: u32| {
            answer("proxy_get_current_time_nanoseconds", caller, |call| {
                let wall = call.state().process.wall();
                Ok(call.write_u64(time, nanoseconds(wall))?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_tick_period_milliseconds",
        |caller: Caller<'_, State>, period: u32| {
            answer("proxy_set_tick_period_milliseconds", caller, |call| {
                let state = call.state();
                let now = state.process.monotonic();
                let root = state.root();
                let period = Duration::from_millis(u64::from(period));
                let root = state.roots.get_mut(&root).ok_or(Status::BadArgument)?;
                root.tick = (!period.is_zero()).then_some((period, now + period));
                Ok(())
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |caller: Caller<'_, State>, path: u32, path_size: u32, data: u32, size: u32| {
            answer("proxy_get_property", caller, |call| {
                let path = call.read(path, path_size)?;
                if path.is_empty() {
                    // It leads to all there is, which cannot be told.
                    return Err(Status::SerializationFailure.into());
                }
                let value = call.state().property(&path).ok_or(Status::NotFound)?;
                call.give(&value, data, size)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_property",
        |caller: Caller<'_, State>, path: u32, path_size: u32, value: u32, size: u32| {
            answer("proxy_set_property", caller, |call| {
                let path = call.read_text(path, path_size)?;
                let value = call.read(value, size)?;
                // Outside a stream there is nothing to keep it in.
                let stream = call.state().stream_mut().ok_or(Status::NotFound)?;
                stream.filter_state.set(&[&path], value);
                Ok(())
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_effective_context",
        |caller: Caller<'_, State>, context: u32| {
            answer("proxy_set_effective_context", caller, |call| {
                let state = call.state();
                let created = state.streams.get(&context).is_some_and(|stream| stream.created);
                if !created && !state.roots.contains_key(&context) {
                    return Err(Status::BadArgument.into());
                }
                state.effective = context;
                Ok(())
            })
        },
    )?;
    linker.func_wrap("env", "proxy_done", |caller: Caller<'_, State>| {
        answer("proxy_done", caller, |call| {
            let state = call.state();
            let context = state.context();
            if !state.pending_done.remove(&context) {
                return Err(Status::NotFound.into());
            }
            state.after.push(After::Done(context));
            Ok(())
        })
    })?;
    linker.func_wrap(
        "env",
        "proxy_call_foreign_function",
        |caller: Caller<'_, State>,
         name: u32,
         name_size: u32,
         argument: u32,
         argument_size: u32,
         data: u32,
         size: u32| {
            answer("proxy_call_foreign_function", caller, |call| {
                let name = call.read_text(name, name_size)?;
                let argument = call.read(argument, argument_size)?;
                let result = if name == "clear_route_cache" {
                    call.state().clear_route();
                    Vec::new()
                } else {
                    let known = call.state().process.lock().foreign.get(&name).cloned();
                    known.ok_or(Status::NotFound)?(&argument)?
                };
                match (data, size) {
                    (0, _) | (_, 0) => Ok(()),
                    _ => call.give(&result, data, size),
                }
            })
        },
    )?;
    Ok(())
}

/// A time as the ABI has it.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
