//! One plugin configuration on one worker: configured once, ticking from then on.

use filter::{CalloutAnswer, Capability, Config, Effects, Filter, PendingCallout};

use crate::callers::{self, Caller};
use crate::host::{self, Buffer, LogLevel, Map, NotMade};
use crate::metrics::MetricIds;
use crate::probe;
use crate::proxy::Proxy;

/// What the streams of a configuration share on a worker.
pub(crate) struct Worker {
    /// The proxy's number of the plugin's context.
    pub(crate) root: u32,
    pub(crate) filter: Filter,
    pub(crate) metrics: MetricIds,
}

impl Worker {
    /// Puts a configuration of `size` bytes to work, and says so if it cannot. `known`: the context
    /// was announced, as streams will be.
    pub(crate) fn configure(root: u32, known: bool, size: usize) -> Option<Self> {
        let mut is_withheld = |capability: &Capability| match capability {
            Capability::ContextCreate => !known,
            capability => probe::is_withheld(*capability),
        };
        let bytes = || match size {
            0 => Some(Vec::new()),
            size => host::buffer(Buffer::Configuration, size).filter(|bytes| !bytes.is_empty()),
        };
        let config = match Config::read(&mut is_withheld, &bytes) {
            Ok(config) => config,
            Err(error) => {
                let line = format!("edge-breaker configuration refused: {error}");
                host::log(LogLevel::Error, &line);
                return None;
            }
        };
        let mut effects = Effects::default();
        let metrics = MetricIds::of_module();
        let filter = Filter::new(config, &Proxy { metrics: &metrics }, &mut effects);
        metrics.apply(&mut effects);
        host::set_tick_period(filter.tick_period());
        Some(Self { root, filter, metrics })
    }

    pub(crate) const fn proxy(&self) -> Proxy<'_> {
        Proxy { metrics: &self.metrics }
    }

    /// Makes the calls that are due.
    pub(crate) fn on_tick(&self, effects: &mut Effects) {
        for callout in self.filter.on_tick(&self.proxy(), effects) {
            let (pending, request) = callout.into_parts();
            match host::call(&request) {
                Ok(call) => {
                    let ticks = self.filter.callout_ticks(request.timeout);
                    let caller = Caller::Callout { root: self.root, pending };
                    callers::await_call(call, self.root, ticks, caller);
                }
                Err(not_made) => {
                    let answer = match not_made {
                        NotMade::Failed => CalloutAnswer::Failed,
                        NotMade::UnknownCluster => CalloutAnswer::UnknownCluster,
                    };
                    self.filter.on_callout_answer(pending, &answer, &self.proxy(), effects);
                }
            }
        }
    }

    /// The answer to a call of the timer's is there. No headers: the call was reset, its answer too
    /// large, or given up.
    pub(crate) fn on_callout_answer(
        &self,
        pending: PendingCallout,
        (headers, body): (usize, usize),
        effects: &mut Effects,
    ) {
        let answer = match headers {
            0 => CalloutAnswer::Failed,
            _ => {
                let wanted = Some(body.min(pending.wanted_body())).filter(|size| *size > 0);
                let body = wanted.and_then(|size| host::buffer(Buffer::CallResponseBody, size));
                CalloutAnswer::Answered(host::headers(Map::CallResponse), body.unwrap_or_default())
            }
        };
        self.filter.on_callout_answer(pending, &answer, &self.proxy(), effects);
    }
}
