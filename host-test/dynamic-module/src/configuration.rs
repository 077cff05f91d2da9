//! A configuration of the filter.

#![allow(unsafe_code, reason = "the module's hooks are C functions")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use dynamic_module::abi::{Bytes, CALL_ANSWERED, EnvoyConfig, Pair};
use dynamic_module::hooks::{
    envoy_dynamic_module_on_http_filter_config_destroy,
    envoy_dynamic_module_on_http_filter_config_http_callout_done,
    envoy_dynamic_module_on_http_filter_config_new,
    envoy_dynamic_module_on_http_filter_config_scheduled,
};

use crate::process::{Process, State};
use crate::stream::Headers;

/// A configuration that the module has taken.
#[derive(Clone, Debug)]
pub struct Configuration(pub(crate) Rc<Inner>);

/// The module takes no such configuration: what it has logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<String>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) process: Rc<State>,
    /// The module's.
    pub(crate) module: Cell<*const dynamic_module::hooks::Configuration>,
    /// What it has defined: whether it is a counter, its name, and its labels.
    pub(crate) defined: RefCell<Vec<Defined>>,
    /// Nothing more can be defined.
    pub(crate) frozen: Cell<bool>,
    /// Calls that were made since they were last asked for.
    pub(crate) calls: RefCell<Vec<Call>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Defined {
    pub(crate) is_counter: bool,
    pub(crate) name: String,
    pub(crate) labels: Vec<String>,
}

/// A call that the module has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its number.
    pub number: u64,
    /// Where it goes.
    pub cluster: String,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
}

impl Process {
    /// Gives the module a configuration, as Envoy does on its main thread.
    ///
    /// # Errors
    ///
    /// If the module refuses it.
    pub fn configure(&self, name: &str, text: &str) -> Result<Configuration, Refused> {
        let inner = Rc::new(Inner {
            process: Rc::clone(&self.0),
            module: Cell::new(std::ptr::null()),
            defined: RefCell::default(),
            frozen: Cell::new(false),
            calls: RefCell::default(),
        });
        // SAFETY: the texts live until the hook returns, and the configuration stays where it is.
        let module = self.run(|| unsafe {
            envoy_dynamic_module_on_http_filter_config_new(
                inner.envoy(),
                Bytes::of(name.as_bytes()),
                Bytes::of(text.as_bytes()),
            )
        });
        inner.frozen.set(true);
        inner.module.set(module);
        if module.is_null() { Err(Refused(self.take_log())) } else { Ok(Configuration(inner)) }
    }
}

impl Configuration {
    /// How often its timer ticks.
    #[must_use]
    pub fn tick_period(&self) -> Duration {
        // SAFETY: the configuration is there.
        unsafe { (*self.0.module.get()).tick_period() }
    }

    /// Whether anybody else has it: a stream, or its owner.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }

    /// Its timer has ticked for a worker; `None`: for the main thread. Returns the calls that it made.
    #[must_use]
    pub fn tick(&self, worker: Option<u32>) -> Vec<Call> {
        let event = u64::from(worker.unwrap_or(self.0.process.workers));
        let Inner { process, module, calls, .. } = &*self.0;
        // SAFETY: the configuration is there.
        process.run(|| unsafe {
            envoy_dynamic_module_on_http_filter_config_scheduled(
                self.0.envoy(),
                module.get(),
                event,
            );
        });
        calls.take()
    }

    /// A call is answered; `None`: it has failed.
    pub fn answer(&self, call: u64, answer: Option<(&Headers, &[u8])>) {
        let Inner { process, module, .. } = &*self.0;
        let handed = Handed::new(answer);
        // SAFETY: the configuration is there, and the answer is until the hook returns.
        process.run(|| unsafe {
            envoy_dynamic_module_on_http_filter_config_http_callout_done(
                self.0.envoy(),
                module.get(),
                call,
                handed.result,
                handed.headers.as_ptr(),
                handed.headers.len(),
                handed.body.as_ptr(),
                handed.body.len(),
            );
        });
    }
}

impl Inner {
    /// As the module knows it.
    pub(crate) fn envoy(self: &Rc<Self>) -> *mut EnvoyConfig {
        Rc::as_ptr(self).cast_mut().cast()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let module = self.module.get();
        // SAFETY: no stream of it is left.
        self.process.run(|| unsafe { envoy_dynamic_module_on_http_filter_config_destroy(module) });
    }
}

/// A call's answer, as it is handed over: the body in two parts.
pub(crate) struct Handed {
    pub(crate) result: u32,
    pub(crate) headers: Vec<Pair>,
    pub(crate) body: Vec<Bytes>,
}

impl Handed {
    pub(crate) fn new(answer: Option<(&Headers, &[u8])>) -> Self {
        const RESET: u32 = 1;
        let Some((headers, body)) = answer else {
            return Self { result: RESET, headers: Vec::new(), body: Vec::new() };
        };
        let headers = headers.iter().map(|(name, value)| Pair::of(name, value)).collect();
        let (first, second) = body.split_at(body.len() / 2);
        Self { result: CALL_ANSWERED, headers, body: vec![Bytes::of(first), Bytes::of(second)] }
    }
}
