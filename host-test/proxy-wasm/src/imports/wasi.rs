//! The little of WASI that a filter can use: its output goes to the log, its clocks are the
//! process's, and there are no files.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use super::Hostcall;
use super::system::nanoseconds;
use crate::process::LogLevel;
use crate::state::State;

const SUCCESS: u32 = 0;
const BAD_DESCRIPTOR: u32 = 8;
const FAULT: u32 = 21;
const INVALID: u32 = 28;
const NO_ENTRY: u32 = 44;
const NOT_IMPLEMENTED: u32 = 52;
const NOT_SUPPORTED: u32 = 58;

/// The most that one call of `random_get` gives.
const MOST_RANDOM_BYTES: u32 = 64 * 1024;

/// Runs a call of WASI, and returns its error number.
fn wasi(
    name: &'static str,
    caller: Caller<'_, State>,
    f: impl FnOnce(&mut Hostcall<'_>) -> Result<(), u32>,
) -> wasmtime::Result<u32> {
    let mut call = Hostcall(caller);
    call.enter(name)?;
    Ok(f(&mut call).err().unwrap_or(SUCCESS))
}

pub(super) fn define(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    output(linker, module)?;
    environment(linker, module)?;
    clocks(linker, module)?;
    files(linker, module)?;
    linker.func_wrap(module, "random_get", |caller: Caller<'_, State>, at: u32, size: u32| {
        wasi("random_get", caller, |call| {
            if size > MOST_RANDOM_BYTES {
                return Err(INVALID);
            }
            let mut bytes = Vec::with_capacity(size as usize + 8);
            while bytes.len() < size as usize {
                bytes.extend(next_random(&mut call.state().random).to_le_bytes());
            }
            bytes.truncate(size as usize);
            call.write(at, &bytes).map_err(|_| FAULT)
        })
    })?;
    linker.func_wrap(module, "sched_yield", |caller: Caller<'_, State>| {
        wasi("sched_yield", caller, |_| Ok(()))
    })?;
    linker.func_wrap(
        module,
        "poll_oneoff",
        |caller: Caller<'_, State>, waits: u32, _: u32, count: u32, happened: u32| {
            wasi("poll_oneoff", caller, |call| {
                // As in Envoy nothing has ever happened: who sleeps looks at the clock, and asks
                // again. There it asks until the time has come, and here the time comes.
                call.write_u32(happened, 0).map_err(|_| FAULT)?;
                if let Some(wait) = shortest_wait(call, waits, count) {
                    call.state().process.advance(wait);
                }
                Ok(())
            })
        },
    )?;
    // The module goes on after it. What compilers put behind it is a trap.
    linker.func_wrap(module, "proc_exit", |caller: Caller<'_, State>, code: u32| {
        wasi("proc_exit", caller, |call| {
            let state = call.state();
            let message = format!("proc_exit({code})");
            state.process.log(state.worker, LogLevel::Error, message);
            Ok(())
        })
        .map(drop)
    })?;
    Ok(())
}

fn output(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "fd_write",
        |caller: Caller<'_, State>, file: u32, parts: u32, count: u32, written: u32| {
            wasi("fd_write", caller, |call| {
                let level = match file {
                    1 => LogLevel::Info,
                    2 => LogLevel::Error,
                    _ => return Err(BAD_DESCRIPTOR),
                };
                let mut text = Vec::new();
                for part in 0..count {
                    let at = part.checked_mul(8).and_then(|at| at.checked_add(parts));
                    let part = call.read(at.ok_or(FAULT)?, 8).map_err(|_| FAULT)?;
                    let number = |at: usize| {
                        let bytes = part.get(at..at + 4).and_then(|four| four.try_into().ok());
                        bytes.map_or(0, u32::from_le_bytes)
                    };
                    text.extend(call.read(number(0), number(4)).map_err(|_| FAULT)?);
                }
                let length = u32::try_from(text.len()).map_err(|_| FAULT)?;
                if length > 0 {
                    let line = String::from_utf8_lossy(text.strip_suffix(b"\n").unwrap_or(&text));
                    let state = call.state();
                    state.process.log(state.worker, level, line.into_owned());
                }
                call.write_u32(written, length).map_err(|_| FAULT)
            })
        },
    )?;
    Ok(())
}

fn environment(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    fn variables(call: &mut Hostcall<'_>) -> Vec<Vec<u8>> {
        let variables = call.state().plugin.environment.iter();
        variables.map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
    }

    linker.func_wrap(
        module,
        "environ_sizes_get",
        |caller: Caller<'_, State>, count: u32, size: u32| {
            wasi("environ_sizes_get", caller, |call| {
                let variables = variables(call);
                let bytes: usize = variables.iter().map(Vec::len).sum();
                for (at, number) in [(count, variables.len()), (size, bytes)] {
                    let number = u32::try_from(number).map_err(|_| FAULT)?;
                    call.write_u32(at, number).map_err(|_| FAULT)?;
                }
                Ok(())
            })
        },
    )?;
    linker.func_wrap(
        module,
        "environ_get",
        |caller: Caller<'_, State>, mut pointers: u32, mut at: u32| {
            wasi("environ_get", caller, |call| {
                for variable in variables(call) {
                    call.write_u32(pointers, at).map_err(|_| FAULT)?;
                    call.write(at, &variable).map_err(|_| FAULT)?;
                    pointers = pointers.checked_add(4).ok_or(FAULT)?;
                    let length = u32::try_from(variable.len()).map_err(|_| FAULT)?;
                    at = at.checked_add(length).ok_or(FAULT)?;
                }
                Ok(())
            })
        },
    )?;
    linker.func_wrap(
        module,
        "args_sizes_get",
        |caller: Caller<'_, State>, count: u32, size: u32| {
            wasi("args_sizes_get", caller, |call| {
                call.write_u32(count, 0).map_err(|_| FAULT)?;
                call.write_u32(size, 0).map_err(|_| FAULT)
            })
        },
    )?;
    linker.func_wrap(module, "args_get", |caller: Caller<'_, State>, _: u32, _: u32| {
        wasi("args_get", caller, |_| Ok(()))
    })?;
    Ok(())
}

fn clocks(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "clock_time_get",
        |caller: Caller<'_, State>, clock: u32, _: u64, time: u32| {
            wasi("clock_time_get", caller, |call| {
                let process = &call.state().process;
                let now = match clock {
                    0 => process.wall(),
                    1 => process.monotonic(),
                    _ => return Err(NOT_SUPPORTED),
                };
                call.write_u64(time, nanoseconds(now)).map_err(|_| FAULT)
            })
        },
    )?;
    linker.func_wrap(
        module,
        "clock_res_get",
        |caller: Caller<'_, State>, clock: u32, resolution: u32| {
            wasi("clock_res_get", caller, |call| match clock {
                0 | 1 => call.write_u64(resolution, 1).map_err(|_| FAULT),
                _ => Err(NOT_SUPPORTED),
            })
        },
    )?;
    Ok(())
}

/// How long it is until the first of the times comes that are waited for, if any is.
fn shortest_wait(call: &mut Hostcall<'_>, waits: u32, count: u32) -> Option<Duration> {
    const SIZE: u32 = 48;
    const ABSOLUTE: u16 = 1;
    let waits = call.read(waits, count.checked_mul(SIZE)?).ok()?;
    let process = &call.state().process;
    let wait = |wait: &[u8]| {
        // Its kind stands behind eight bytes of the guest's own: 0 is a clock.
        let (kind, clock) = (wait.get(8)?, wait.get(16..20)?.try_into().ok()?);
        let time = Duration::from_nanos(u64::from_le_bytes(wait.get(24..32)?.try_into().ok()?));
        let flags = u16::from_le_bytes(wait.get(40..42)?.try_into().ok()?);
        let now = match (kind, u32::from_le_bytes(clock)) {
            (0, 0) => process.wall(),
            (0, 1) => process.monotonic(),
            _ => return None,
        };
        Some(if flags & ABSOLUTE == 0 { time } else { time.saturating_sub(now) })
    };
    waits.chunks(SIZE as usize).filter_map(wait).min()
}

fn files(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "fd_fdstat_get",
        |caller: Caller<'_, State>, file: u32, at: u32| {
            wasi("fd_fdstat_get", caller, |call| match file {
                1 | 2 => {
                    let mut bytes = [0; 24];
                    bytes[8] = 64; // the right to write
                    call.write(at, &bytes).map_err(|_| FAULT)
                }
                _ => Err(BAD_DESCRIPTOR),
            })
        },
    )?;
    linker.func_wrap(
        module,
        "fd_fdstat_set_flags",
        |caller: Caller<'_, State>, _: u32, _: u32| {
            wasi("fd_fdstat_set_flags", caller, |_| Err(NOT_IMPLEMENTED))
        },
    )?;
    linker.func_wrap(module, "fd_prestat_get", |caller: Caller<'_, State>, _: u32, _: u32| {
        wasi("fd_prestat_get", caller, |_| Err(BAD_DESCRIPTOR))
    })?;
    linker.func_wrap(
        module,
        "fd_prestat_dir_name",
        |caller: Caller<'_, State>, _: u32, _: u32, _: u32| {
            wasi("fd_prestat_dir_name", caller, |_| Err(NOT_IMPLEMENTED))
        },
    )?;
    linker.func_wrap(module, "fd_filestat_get", |caller: Caller<'_, State>, _: u32, _: u32| {
        wasi("fd_filestat_get", caller, |_| Err(BAD_DESCRIPTOR))
    })?;
    linker.func_wrap(
        module,
        "fd_read",
        |caller: Caller<'_, State>, _: u32, _: u32, _: u32, _: u32| {
            wasi("fd_read", caller, |_| Err(NOT_IMPLEMENTED))
        },
    )?;
    linker.func_wrap(
        module,
        "fd_seek",
        |caller: Caller<'_, State>, _: u32, _: i64, _: u32, _: u32| {
            wasi("fd_seek", caller, |_| Ok(()))
        },
    )?;
    linker.func_wrap(module, "fd_close", |caller: Caller<'_, State>, _: u32| {
        wasi("fd_close", caller, |_| Ok(()))
    })?;
    linker.func_wrap(
        module,
        "path_filestat_get",
        |caller: Caller<'_, State>, _: u32, _: u32, _: u32, _: u32, _: u32| {
            wasi("path_filestat_get", caller, |_| Err(NOT_SUPPORTED))
        },
    )?;
    linker.func_wrap(
        module,
        "path_open",
        |caller: Caller<'_, State>,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: u32,
         _: i64,
         _: i64,
         _: u32,
         _: u32| { wasi("path_open", caller, |_| Err(NO_ENTRY)) },
    )?;
    Ok(())
}

/// The next number of a xorshift generator.
const fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
