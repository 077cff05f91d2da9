//! The filter without a proxy: its functions are called as a proxy calls a module's.

mod proxy;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::{Rc, Weak};
use std::time::Duration;

use anyhow::Result;
use filter::{CalloutRequest, Config, Effects, Filter, PendingCallout};
use scenario::{CallId, CalloutAnswer, Configured, Request};

use self::proxy::{At, Facts, Metrics, Proxy, status_only};
use self::stream::NativeStream;
use crate::driver::{Admission, Callout, Driver, Instance, Operation, VirtualProxy};
use crate::record;

/// A proxy whose threads have a filter each.
pub(crate) struct Native {
    proxy: Rc<Proxy>,
    /// The configurations that were taken once: the proxy does not try them again.
    tried: BTreeSet<String>,
}

/// The filters on one thread.
pub(crate) struct Thread {
    proxy: Rc<Proxy>,
    plugin: Rc<Plugin>,
    /// Those of replaced configurations: they tick until their last stream has ended.
    replaced: Vec<Weak<Plugin>>,
}

/// The filter on one thread, under one configuration.
pub(crate) struct Plugin {
    config: String,
    proxy: Rc<Proxy>,
    filter: Filter,
    metrics: Metrics,
    /// Every stream whose answer it waits for has one.
    awaited: Rc<()>,
}

impl Native {
    pub(crate) fn start(workers: usize) -> Driver<Self> {
        Self::with(Proxy::default(), workers)
    }

    /// One as the host of a component is: it keeps no gauges, and knows of no stream that the filter
    /// does not wait for.
    pub(crate) fn start_as_a_component(workers: usize) -> Driver<Self> {
        Self::with(Proxy::of_component(), workers)
    }

    fn with(proxy: Proxy, workers: usize) -> Driver<Self> {
        let native = Self { proxy: Rc::new(proxy), tried: BTreeSet::new() };
        Driver::new(native, workers, record::status)
    }
}

impl VirtualProxy for Native {
    type Instance = Thread;

    fn set_clocks(&mut self, monotonic: Duration, wall: Duration) {
        self.proxy.monotonic.set(monotonic);
        self.proxy.wall.set(wall);
    }

    fn check(&mut self, config: &str) -> Result<Configured> {
        if let Err(error) = Config::parse(config.as_bytes()) {
            return Ok(Configured::Refused(error.to_string()));
        }
        if self.proxy.is_component || self.tried.insert(config.to_owned()) {
            Plugin::new(&self.proxy, config)?;
        }
        Ok(Configured::Accepted)
    }

    fn start(&mut self, config: &str) -> Result<(Thread, Duration)> {
        let plugin = Plugin::new(&self.proxy, config)?;
        let period = plugin.filter.tick_period();
        let proxy = Rc::clone(&self.proxy);
        Ok((Thread { proxy, plugin: Rc::new(plugin), replaced: Vec::new() }, period))
    }

    fn break_store(&mut self, operation: Operation) {
        let store = &self.proxy.store;
        match operation {
            Operation::Read => store.unreadable.set(true),
            Operation::Write => store.unwritable.set(true),
        }
    }

    fn mend_store(&mut self) {
        self.proxy.store.unreadable.set(false);
        self.proxy.store.unwritable.set(false);
    }

    fn lose_races(&mut self, count: u32) {
        self.proxy.store.conflicts.set(count);
    }

    fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.proxy.store.get(key)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<()> {
        self.proxy.store.put(key, value.to_vec());
        Ok(())
    }

    fn metrics(&self) -> BTreeMap<String, u64> {
        self.proxy.metrics()
    }

    fn take_log(&mut self) -> Vec<String> {
        self.proxy.lines.take()
    }
}

impl Instance for Thread {
    type Stream = NativeStream;
    type Token = (Weak<Plugin>, PendingCallout);

    fn configure(&mut self, config: &str) -> Result<Duration> {
        let plugin = match self.put_back(config) {
            Some(plugin) => plugin,
            None => Rc::new(Plugin::new(&self.proxy, config)?),
        };
        let new = Rc::downgrade(&plugin);
        self.replaced.retain(|replaced| !Weak::ptr_eq(replaced, &new));
        let period = plugin.filter.tick_period();
        let replaced = std::mem::replace(&mut self.plugin, plugin);
        self.replaced.push(Rc::downgrade(&replaced));
        Ok(period)
    }

    fn tick(&mut self) -> Result<Vec<(Self::Token, Callout)>> {
        let is_component = self.proxy.is_component;
        let is_left = |plugin: &Rc<Plugin>| !is_component || plugin.is_awaited();
        self.replaced.retain(|plugin| plugin.upgrade().as_ref().is_some_and(is_left));
        let mut ticking: Vec<_> = self.replaced.iter().filter_map(Weak::upgrade).collect();
        ticking.push(Rc::clone(&self.plugin));
        let mut callouts = Vec::new();
        for plugin in ticking {
            let due = plugin.run(&Facts::default(), |filter, host, fx| filter.on_tick(host, fx));
            callouts.extend(due.into_iter().map(|due| {
                let (pending, request) = due.into_parts();
                ((Rc::downgrade(&plugin), pending), callout(&request))
            }));
        }
        Ok(callouts)
    }

    fn on_callout_answer(
        &mut self,
        (plugin, pending): Self::Token,
        answer: CalloutAnswer,
    ) -> Result<()> {
        let answer = match answer {
            CalloutAnswer::Status(status) => {
                filter::CalloutAnswer::Answered(status_only(status), Vec::new())
            }
            CalloutAnswer::Refused | CalloutAnswer::Held => filter::CalloutAnswer::Failed,
            CalloutAnswer::Unknown => filter::CalloutAnswer::UnknownCluster,
        };
        if let Some(plugin) = plugin.upgrade() {
            plugin.run(&Facts::default(), |filter, host, effects| {
                filter.on_callout_answer(pending, &answer, host, effects);
            });
        }
        Ok(())
    }

    fn on_request(&mut self, call: CallId, request: &Request) -> Result<(NativeStream, Admission)> {
        Ok(NativeStream::begin(&self.plugin, call, request))
    }
}

impl Thread {
    /// The plugin of this configuration that streams are left of.
    fn put_back(&self, config: &str) -> Option<Rc<Plugin>> {
        let mut left = self.replaced.iter().filter_map(Weak::upgrade);
        left.find(|plugin| plugin.config == config && !self.proxy.is_component)
    }
}

impl Plugin {
    fn new(proxy: &Rc<Proxy>, config: &str) -> Result<Self> {
        let parsed = Config::parse(config.as_bytes())?;
        let metrics = proxy.metrics_of_module();
        let filter = proxy
            .run(&metrics, &Facts::default(), |host, effects| Filter::new(parsed, host, effects));
        let proxy = Rc::clone(proxy);
        Ok(Self { config: config.to_owned(), proxy, filter, metrics, awaited: Rc::new(()) })
    }

    /// Runs the filter, and applies what it wants done besides its verdict.
    fn run<R>(&self, facts: &Facts, f: impl FnOnce(&Filter, &At<'_>, &mut Effects) -> R) -> R {
        self.proxy.run(&self.metrics, facts, |host, effects| f(&self.filter, host, effects))
    }

    /// Whether it waits for the answer of a stream.
    fn is_awaited(&self) -> bool {
        Rc::strong_count(&self.awaited) > 1
    }
}

/// A callout as the filter wants it made.
fn callout(request: &CalloutRequest) -> Callout {
    Callout {
        cluster: request.cluster.clone(),
        headers: request.headers.iter().cloned().collect(),
        timeout: request.timeout,
    }
}
