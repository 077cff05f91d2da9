//! One instance of a module, and the callbacks it exports.

use wasmtime::{Instance, Store, StoreLimitsBuilder, TypedFunc, WasmParams, WasmResults};

use crate::allocations::{self, Sums};
use crate::module::Module;
use crate::state::State;
use crate::stream::Way;

pub(crate) struct Vm {
    store: Store<State>,
    pub(crate) callbacks: Callbacks,
    /// The limit of instructions of a callback, if they are counted.
    fuel: Option<u64>,
}

/// What the module exports for the host to call. A callback that it does not export is as one
/// that lets everything go on.
pub(crate) struct Callbacks {
    pub(crate) context_create: Callback<(u32, u32), ()>,
    pub(crate) vm_start: Callback<(u32, u32), u32>,
    pub(crate) configure: Callback<(u32, u32), u32>,
    pub(crate) tick: Callback<u32, ()>,
    pub(crate) queue_ready: Callback<(u32, u32), ()>,
    pub(crate) http_call_response: Callback<(u32, u32, u32, u32, u32), ()>,
    pub(crate) grpc_receive: Callback<(u32, u32, u32), ()>,
    pub(crate) grpc_close: Callback<(u32, u32, u32), ()>,
    pub(crate) log: Callback<u32, ()>,
    pub(crate) done: Callback<u32, u32>,
    pub(crate) delete: Callback<u32, ()>,
    request: HttpCallbacks,
    response: HttpCallbacks,
}

pub(crate) struct HttpCallbacks {
    pub(crate) headers: Callback<(u32, u32, u32), u32>,
    pub(crate) body: Callback<(u32, u32, u32), u32>,
    pub(crate) trailers: Callback<(u32, u32), u32>,
}

/// A callback by its name.
pub(crate) struct Callback<P, R>(&'static str, Option<TypedFunc<P, R>>);

impl<P, R> Clone for Callback<P, R> {
    fn clone(&self) -> Self {
        Self(self.0, self.1.clone())
    }
}

impl Vm {
    /// Instantiates a module and runs its entry point. If it fails, the state comes back.
    pub(crate) fn start(module: &Module, mut state: State) -> Result<Self, (Box<State>, String)> {
        let options = module.options();
        state.limits = StoreLimitsBuilder::new().memory_size(options.memory_limit).build();
        let mut store = Store::new(module.engine(), state);
        store.limiter(|state| &mut state.limits);
        let fuel = options.metered.then_some(options.instruction_limit);
        let started = Self::instantiate(module, &mut store, fuel);
        match started {
            Ok(callbacks) => Ok(Self { store, callbacks, fuel }),
            Err(error) => Err((Box::new(reclaim(store)), message(&error))),
        }
    }

    fn instantiate(
        module: &Module,
        store: &mut Store<State>,
        fuel: Option<u64>,
    ) -> wasmtime::Result<Callbacks> {
        if let Some(fuel) = fuel {
            store.set_fuel(fuel)?;
        }
        let instance = module.pre().instantiate(&mut *store)?;
        let memory = instance.get_memory(&mut *store, "memory");
        let allocate = ["proxy_on_memory_allocate", "malloc"]
            .iter()
            .find_map(|name| instance.get_typed_func(&mut *store, name).ok());
        let state = store.data_mut();
        (state.memory, state.allocate) = (memory, allocate);
        (state.current, state.effective) = (0, 0);
        let callbacks = Callbacks::of(&instance, store)?;
        let entry = ["_initialize", "_start"].iter().find_map(|name| {
            Some((*name, instance.get_typed_func::<(), ()>(&mut *store, name).ok()?))
        });
        if let Some((name, entry)) = entry {
            store.data_mut().callback = name;
            entry.call(&mut *store, ())?;
        }
        let mut sum = |name| instance.get_global(&mut *store, name);
        let sums = sum(allocations::NUMBER).zip(sum(allocations::BYTES)).map(Sums::from);
        store.data_mut().sums = sums;
        Ok(callbacks)
    }

    /// Calls a callback for a context, and counts what it costs. `None`: the module does not
    /// export it.
    ///
    /// # Errors
    ///
    /// If the module traps. It must not be called again.
    pub(crate) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        context: u32,
        callback: &Callback<P, R>,
        parameters: P,
    ) -> Result<Option<R>, String> {
        // Also where nothing is called: what the last callback wanted has been seen to.
        self.store.data_mut().stop = false;
        let Callback(name, Some(function)) = callback else {
            return Ok(None);
        };
        let state = self.store.data_mut();
        (state.current, state.effective) = (context, 0);
        state.callback = name;
        if let Some(fuel) = self.fuel {
            self.store.set_fuel(fuel).map_err(|error| message(&error))?;
        }
        let before = self.allocated();
        let result = function.call(&mut self.store, parameters);
        let left = self.store.get_fuel().ok();
        let after = self.allocated();
        let own = |of: usize| after[of] - before[of];
        let state = self.store.data_mut();
        let usage = state.usage.entry(name).or_default();
        usage.calls += 1;
        usage.own_allocations += own(0);
        usage.own_allocated_bytes += own(1);
        usage.instructions += self.fuel.zip(left).map_or(0, |(fuel, left)| fuel - left);
        result.map(Some).map_err(|error| message(&error))
    }

    /// What the module has allocated so far of its own will: how often, and how many bytes.
    fn allocated(&mut self) -> [u64; 2] {
        let Some(sums) = self.store.data().sums else {
            return [0; 2];
        };
        let all = sums.read(&mut self.store);
        let given = self.store.data().given;
        [all[0] - given[0], all[1] - given[1]]
    }

    /// How many bytes of memory the module has.
    pub(crate) fn memory_size(&self) -> usize {
        self.store.data().memory.map_or(0, |memory| memory.data_size(&self.store))
    }

    pub(crate) fn state(&self) -> &State {
        self.store.data()
    }

    pub(crate) fn state_mut(&mut self) -> &mut State {
        self.store.data_mut()
    }

    /// What outlives the VM.
    pub(crate) fn into_state(self) -> State {
        reclaim(self.store)
    }
}

fn reclaim(store: Store<State>) -> State {
    let mut state = store.into_data();
    (state.memory, state.allocate, state.sums) = (None, None, None);
    state.given = [0; 2];
    state
}

/// All that an error says: the trap, and where in the module.
fn message(error: &wasmtime::Error) -> String {
    format!("{error:#}")
}

impl Callbacks {
    fn of(instance: &Instance, store: &mut Store<State>) -> wasmtime::Result<Self> {
        let mut find = Find { instance, store };
        Ok(Self {
            context_create: find.callback("proxy_on_context_create")?,
            vm_start: find.callback("proxy_on_vm_start")?,
            configure: find.callback("proxy_on_configure")?,
            tick: find.callback("proxy_on_tick")?,
            queue_ready: find.callback("proxy_on_queue_ready")?,
            http_call_response: find.callback("proxy_on_http_call_response")?,
            grpc_receive: find.callback("proxy_on_grpc_receive")?,
            grpc_close: find.callback("proxy_on_grpc_close")?,
            log: find.callback("proxy_on_log")?,
            done: find.callback("proxy_on_done")?,
            delete: find.callback("proxy_on_delete")?,
            request: HttpCallbacks {
                headers: find.callback("proxy_on_request_headers")?,
                body: find.callback("proxy_on_request_body")?,
                trailers: find.callback("proxy_on_request_trailers")?,
            },
            response: HttpCallbacks {
                headers: find.callback("proxy_on_response_headers")?,
                body: find.callback("proxy_on_response_body")?,
                trailers: find.callback("proxy_on_response_trailers")?,
            },
        })
    }

    pub(crate) const fn http(&self, way: Way) -> &HttpCallbacks {
        match way {
            Way::Request => &self.request,
            Way::Response => &self.response,
        }
    }
}

struct Find<'a> {
    instance: &'a Instance,
    store: &'a mut Store<State>,
}

impl Find<'_> {
    /// A callback that is there must have the right type.
    fn callback<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &'static str,
    ) -> wasmtime::Result<Callback<P, R>> {
        let function = match self.instance.get_func(&mut *self.store, name) {
            Some(function) => Some(function.typed(&*self.store)?),
            None => None,
        };
        Ok(Callback(name, function))
    }
}
