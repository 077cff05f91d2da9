//! The filter without a proxy: its functions are called as a proxy calls a module's.

mod proxy;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::{Rc, Weak};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use filter::{CalloutRequest, Config, Filter, PendingCallout};
use scenario::{
    Answer, CallId, CalloutAnswer, Configured, Event, GARBAGE, Host, Late, Made, NEWER, Received,
    Request, Sent, Status, Store, Thread, Worker, configured_mode, stored_record,
};
use serde_json::Value;

use self::proxy::{Facts, Metrics, Proxy, status_only};
use self::stream::{Next, Stream};
use crate::driver::{Callouts, Due};
use crate::record;

/// Workers with a filter each, and the main thread, which ticks but sees no request.
pub(crate) struct Native {
    workers: usize,
    proxy: Proxy,
    /// The configuration at work.
    config: String,
    /// Those that were taken once: the proxy does not try them again.
    tried: BTreeSet<String>,
    plugins: Vec<Rc<Plugin>>,
    /// Those of replaced configurations, by thread: they tick until their last stream has ended.
    replaced: Vec<(Worker, Weak<Plugin>)>,
    streams: BTreeMap<CallId, Stream>,
    callouts: Callouts<Owner>,
}

/// The filter on one thread, under one configuration.
struct Plugin {
    config: String,
    filter: Filter,
    metrics: Metrics,
}

/// Who waits for a call-out.
enum Owner {
    /// The plugin itself: a health check, or a notification.
    Plugin(Worker, Weak<Plugin>, PendingCallout),
    /// A call, and the cluster that is asked in its stead.
    Replay(CallId, String),
}

impl Native {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers,
            proxy: Proxy::default(),
            config: String::new(),
            tried: BTreeSet::new(),
            plugins: Vec::new(),
            replaced: Vec::new(),
            streams: BTreeMap::new(),
            callouts: Callouts::default(),
        }
    }

    /// One as the host of a component is: it keeps no gauges, and knows of no stream that the filter
    /// does not wait for.
    pub(crate) fn as_a_component(workers: usize) -> Self {
        let mut native = Self::new(workers);
        native.proxy.is_component = true;
        native
    }

    fn new_plugin(&mut self, thread: Worker) -> Result<Rc<Plugin>> {
        let plugin = self.try_plugin()?;
        self.callouts.timers.tick_every(thread, plugin.filter.tick_period());
        Ok(Rc::new(plugin))
    }

    /// A filter that is at work on no thread yet.
    fn try_plugin(&self) -> Result<Plugin> {
        let config = Config::parse(self.config.as_bytes())?;
        let metrics = self.proxy.metrics_of_module();
        let filter = self
            .proxy
            .run(&metrics, &Facts::default(), |host, effects| Filter::new(config, host, effects));
        Ok(Plugin { config: self.config.clone(), filter, metrics })
    }

    /// The plugin of this configuration that streams of the thread are left of.
    fn put_back(&self, thread: Worker) -> Option<Rc<Plugin>> {
        let of_thread = self.replaced.iter().filter(|(of, _)| *of == thread);
        let mut left = of_thread.filter_map(|(_, plugin)| plugin.upgrade());
        left.find(|plugin| plugin.config == self.config && !self.proxy.is_component)
    }

    fn plugin(&self, thread: Worker) -> Result<Rc<Plugin>> {
        self.plugins.get(thread).cloned().with_context(|| format!("there is no thread {thread}"))
    }

    fn tick(&mut self, thread: Worker) -> Result<()> {
        let waited_for = |plugin: &Weak<Plugin>| self.streams.values().any(|s| s.waits_for(plugin));
        let is_component = self.proxy.is_component;
        self.replaced.retain(|(_, plugin)| match is_component {
            true => waited_for(plugin),
            false => plugin.strong_count() > 0,
        });
        let replaced = self.replaced.iter().filter(|(of, _)| *of == thread);
        let mut ticking: Vec<_> = replaced.filter_map(|(_, plugin)| plugin.upgrade()).collect();
        ticking.push(self.plugin(thread)?);
        for plugin in ticking {
            let callouts = self.proxy.run(&plugin.metrics, &Facts::default(), |host, effects| {
                plugin.filter.on_tick(host, effects)
            });
            for callout in callouts {
                let (pending, callout) = callout.into_parts();
                let owner = Owner::Plugin(thread, Rc::downgrade(&plugin), pending);
                self.call(&callout, owner)?;
            }
        }
        Ok(())
    }

    /// Makes a call-out. Returns what its client got if it was answered at once.
    fn call(&mut self, callout: &CalloutRequest, owner: Owner) -> Result<Option<Late>> {
        let headers = callout.headers.iter().cloned().collect();
        match self.callouts.make(&callout.cluster, headers, callout.timeout, owner) {
            None => Ok(None),
            Some((owner, answer)) => self.finish_call(owner, answer),
        }
    }

    fn finish_call(&mut self, owner: Owner, answer: CalloutAnswer) -> Result<Option<Late>> {
        match owner {
            Owner::Plugin(_, plugin, pending) => {
                let Some(plugin) = plugin.upgrade() else {
                    return Ok(None);
                };
                let answer = match answer {
                    CalloutAnswer::Status(status) => {
                        filter::CalloutAnswer::Answered(status_only(status))
                    }
                    CalloutAnswer::Refused | CalloutAnswer::Held => filter::CalloutAnswer::Failed,
                    CalloutAnswer::Unknown => filter::CalloutAnswer::UnknownCluster,
                };
                self.proxy.run(&plugin.metrics, &Facts::default(), |host, effects| {
                    plugin.filter.on_callout_answer(pending, &answer, host, effects);
                });
                Ok(None)
            }
            Owner::Replay(call, cluster) => {
                let mut stream = self.streams.remove(&call).context("the stream is gone")?;
                let received = stream.fallback_answers(&self.proxy, &cluster, answer);
                Ok(Some(Late { call, received }))
            }
        }
    }

    fn go_on(&mut self, call: CallId, stream: Stream, next: Next) -> Result<Option<Received>> {
        match next {
            Next::Done(received) => Ok(Some(received)),
            Next::Waiting => {
                self.streams.insert(call, stream);
                Ok(None)
            }
            Next::Ask(callout) => {
                self.streams.insert(call, stream);
                let owner = Owner::Replay(call, callout.cluster.clone());
                Ok(self.call(&callout, owner)?.map(|late| late.received))
            }
        }
    }
}

impl Host for Native {
    fn configure(&mut self, config: &Value) -> Result<Configured> {
        let text = config.to_string();
        if let Err(error) = Config::parse(text.as_bytes()) {
            return Ok(Configured::Refused(error.to_string()));
        }
        self.config = text;
        // A proxy does so before any of its workers sees it.
        if self.proxy.is_component || self.tried.insert(self.config.clone()) {
            self.try_plugin()?;
        }
        self.callouts.forget(|owner| matches!(owner, Owner::Plugin(..)));
        let mut plugins = Vec::new();
        for thread in 0..=self.workers {
            plugins.push(match self.put_back(thread) {
                Some(plugin) => {
                    let period = plugin.filter.tick_period();
                    self.callouts.timers.tick_every(thread, period);
                    plugin
                }
                None => self.new_plugin(thread)?,
            });
        }
        self.replaced.retain(|(thread, plugin)| {
            plugins.get(*thread).is_none_or(|new| !Weak::ptr_eq(plugin, &Rc::downgrade(new)))
        });
        let replaced = std::mem::replace(&mut self.plugins, plugins);
        self.replaced.extend(replaced.iter().map(Rc::downgrade).enumerate());
        Ok(Configured::Accepted)
    }

    fn advance(&mut self, by: Duration) -> Result<Vec<Late>> {
        let end = self.callouts.timers.now() + by;
        let mut late = Vec::new();
        while let Some(due) = self.callouts.timers.next(end) {
            self.proxy.now.set(self.callouts.timers.now());
            match due {
                Due::Tick(thread) => self.tick(thread)?,
                Due::Deadline(number) => {
                    if let Some(owner) = self.callouts.expire(number) {
                        late.extend(self.finish_call(owner, CalloutAnswer::Refused)?);
                    }
                }
            }
        }
        self.proxy.now.set(end);
        Ok(late)
    }

    fn request(&mut self, call: CallId, request: &Request) -> Result<Sent> {
        let plugin = self.plugin(request.worker)?;
        let (stream, next) = Stream::begin(&self.proxy, &plugin, call, request, |cluster| {
            self.callouts.answer_of(cluster)
        });
        let received = self.go_on(call, stream, next)?;
        Ok(received.map_or(Sent::Forwarded, Sent::Answered))
    }

    fn answer(&mut self, call: CallId, answer: &Answer) -> Result<Option<Received>> {
        let of_call = |owner: &Owner| matches!(owner, Owner::Replay(of, _) if *of == call);
        if self.callouts.any(of_call) {
            if *answer != Answer::ClientGone {
                bail!("the service has answered already, and the fallback has not");
            }
            self.callouts.forget(of_call);
        }
        let mut stream = self.streams.remove(&call).context("there is no such stream")?;
        let next = stream.answer(&self.proxy, answer);
        self.go_on(call, stream, next)
    }

    fn upstream(&mut self, cluster: &str, answers: CalloutAnswer) -> Result<()> {
        self.callouts.set_answer(cluster, answers);
        Ok(())
    }

    fn release(&mut self, cluster: &str, answer: CalloutAnswer) -> Result<Vec<Late>> {
        let owner = self.callouts.release(cluster)?;
        Ok(self.finish_call(owner, answer)?.into_iter().collect())
    }

    fn disturb(&mut self, event: &Event) -> Result<()> {
        let store = &self.proxy.store;
        match event {
            Event::Crash { worker } => {
                let lost: Vec<_> =
                    self.streams.iter().filter(|(_, s)| s.worker == *worker).collect();
                let lost: Vec<_> = lost.into_iter().map(|(call, _)| *call).collect();
                self.callouts.forget(|owner| match owner {
                    Owner::Plugin(of, ..) => of == worker,
                    Owner::Replay(call, _) => lost.contains(call),
                });
                self.streams.retain(|call, _| !lost.contains(call));
                let plugin = self.new_plugin(*worker)?;
                *self.plugins.get_mut(*worker).context("there is no such worker")? = plugin;
            }
            Event::Tick(Thread::Worker(worker)) => self.tick(*worker)?,
            Event::Tick(Thread::Main) => self.tick(self.workers)?,
            Event::WallClock { nanos } => {
                let offset = &self.proxy.wall_offset;
                offset.set(offset.get().saturating_add(*nanos));
            }
            Event::LostRaces(count) => store.conflicts.set(*count),
            Event::Store(Store::Well) => {
                store.unreadable.set(false);
                store.unwritable.set(false);
            }
            Event::Store(Store::Unreadable) => store.unreadable.set(true),
            Event::Store(Store::Unwritable) => store.unwritable.set(true),
            Event::Store(Store::Garbage(service)) => {
                store.put(&record::key(service), GARBAGE.to_vec());
            }
            Event::Store(Store::Newer(service)) => {
                store.put(&record::key(service), NEWER.to_vec());
            }
            other => bail!("not a disturbance: {other:?}"),
        }
        Ok(())
    }

    fn status(&mut self, service: &str) -> Result<Status> {
        let bytes = stored_record(&self.config, service, |key| self.proxy.store.get(key));
        Ok(record::status(bytes.as_deref(), &configured_mode(&self.config, service)))
    }

    fn metrics(&mut self) -> Result<Option<BTreeMap<String, u64>>> {
        Ok(Some(self.proxy.metrics()))
    }

    fn log(&mut self) -> Result<Option<Vec<String>>> {
        Ok(Some(std::mem::take(&mut *self.proxy.lines.borrow_mut())))
    }

    fn callouts(&mut self) -> Result<Option<Made>> {
        Ok(Some(self.callouts.take_made()))
    }
}
