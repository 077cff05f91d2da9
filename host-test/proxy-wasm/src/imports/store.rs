//! Shared data, queues and metrics.

use wasmtime::{Caller, Linker};

use super::answer;
use crate::state::State;
use crate::status::Status;

pub(super) fn define(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    data(linker)?;
    queues(linker)?;
    metrics(linker)
}

fn data(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |caller: Caller<'_, State>, key: u32, key_size: u32, data: u32, size: u32, cas: u32| {
            answer("proxy_get_shared_data", caller, |call| {
                let key = call.read(key, key_size)?;
                let state = call.state();
                let found = state.process.lock().data.get(&state.plugin.vm_id, &key);
                let (value, version) = found.ok_or(Status::NotFound)?;
                call.give(&value, data, size)?;
                Ok(call.write_u32(cas, version)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |caller: Caller<'_, State>, key: u32, key_size: u32, value: u32, size: u32, cas: u32| {
            answer("proxy_set_shared_data", caller, |call| {
                let (key, value) = (call.read(key, key_size)?, call.read(value, size)?);
                let state = call.state();
                let mut shared = state.process.lock();
                if cas != 0 && shared.faults.lose_race() {
                    return Err(Status::CasMismatch.into());
                }
                Ok(shared.data.set(&state.plugin.vm_id, &key, &value, cas)?)
            })
        },
    )?;
    Ok(())
}

fn queues(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_register_shared_queue",
        |caller: Caller<'_, State>, name: u32, name_size: u32, token: u32| {
            answer("proxy_register_shared_queue", caller, |call| {
                let name = call.read_text(name, name_size)?;
                let state = call.state();
                let (worker, root) = (state.worker, state.root());
                let mut shared = state.process.lock();
                let id = shared.queues.register(&state.plugin.vm_id, &name, worker, root);
                drop(shared);
                Ok(call.write_u32(token, id)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_resolve_shared_queue",
        |caller: Caller<'_, State>,
         vm: u32,
         vm_size: u32,
         name: u32,
         name_size: u32,
         token: u32| {
            answer("proxy_resolve_shared_queue", caller, |call| {
                let (vm_id, name) =
                    (call.read_text(vm, vm_size)?, call.read_text(name, name_size)?);
                let id = call.state().process.lock().queues.resolve(&vm_id, &name)?;
                Ok(call.write_u32(token, id)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_enqueue_shared_queue",
        |caller: Caller<'_, State>, token: u32, value: u32, size: u32| {
            answer("proxy_enqueue_shared_queue", caller, |call| {
                let value = call.read(value, size)?;
                Ok(call.state().process.lock().queues.enqueue(token, value)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_dequeue_shared_queue",
        |caller: Caller<'_, State>, token: u32, data: u32, size: u32| {
            answer("proxy_dequeue_shared_queue", caller, |call| {
                let value = call.state().process.lock().queues.dequeue(token)?;
                call.give(&value, data, size)
            })
        },
    )?;
    Ok(())
}

fn metrics(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |caller: Caller<'_, State>, kind: u32, name: u32, name_size: u32, id: u32| {
            answer("proxy_define_metric", caller, |call| {
                let name = call.read_text(name, name_size)?;
                let known = call.state().process.lock().metrics.define(kind, &name)?;
                Ok(call.write_u32(id, known)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_increment_metric",
        |caller: Caller<'_, State>, id: u32, by: i64| {
            answer("proxy_increment_metric", caller, |call| {
                Ok(call.state().process.lock().metrics.increment(id, by)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_record_metric",
        |caller: Caller<'_, State>, id: u32, value: u64| {
            answer("proxy_record_metric", caller, |call| {
                Ok(call.state().process.lock().metrics.record(id, value)?)
            })
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_metric",
        |caller: Caller<'_, State>, id: u32, value: u32| {
            answer("proxy_get_metric", caller, |call| {
                let known = call.state().process.lock().metrics.get(id)?;
                Ok(call.write_u64(value, known)?)
            })
        },
    )?;
    Ok(())
}
