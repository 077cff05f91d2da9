//! One configuration at work: all that a shell calls, composed of what each feature does.

use std::rc::Rc;
use std::time::Duration;

use breaker::Command;

use crate::admin::warn_without_token;
use crate::budget;
use crate::callbacks::Callbacks;
use crate::command::CommandError;
use crate::config_warnings;
use crate::effects::Effects;
use crate::exchange::{
    Exchange, FallbackAnswer, FallbackVerdict, Piece, RequestVerdict, Rerun, ResponseVerdict,
};
use crate::headers::Headers;
use crate::host::{Host, StoreFault};
use crate::response::head::AnswerHead;
use crate::response::replacement::{Replacement, Substitute, TrailersVerdict};
use crate::response::reply::Reply;
use crate::rounds::tick_period;
use crate::services::Services;
use crate::status::ServiceStatus;
use crate::timer::{Callout, CalloutAnswer, PendingCallout};
use config::Config;

/// One configuration at work on one worker.
#[derive(Debug)]
pub struct Filter {
    services: Services,
    callbacks: Callbacks,
}

impl Filter {
    /// Puts a configuration to work, and creates the records that do not exist yet. Those that do
    /// are left as they are: every worker, and every update of the configuration, comes here.
    #[inline(never)]
    pub fn new(config: Config, host: &dyn Host, effects: &mut Effects) -> Self {
        let callbacks = Callbacks::new(host.now().monotonic, tick_period(&config));
        let services = Services::new(config, host, effects);
        if let Some(admin) = &services.config.admin {
            warn_without_token(admin, host, effects);
        }
        config_warnings::publish(&services.config.warnings, host, effects);
        Self { services, callbacks }
    }

    /// Decides on a request when its headers have come, and begins its exchange.
    #[inline]
    pub fn on_request(
        &self,
        exchange: &mut Exchange,
        headers: Headers,
        end_of_stream: bool,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> RequestVerdict {
        let filter = (&self.services, &self.callbacks);
        exchange.on_request(filter, headers, end_of_stream, host, effects)
    }

    /// Decides on a request that runs again, in place of [`on_request`](Self::on_request), and begins the
    /// exchange of that second run.
    #[inline(never)]
    pub fn on_rerun(
        &self,
        exchange: &mut Exchange,
        rerun: &Rerun,
        headers: &Headers,
    ) -> RequestVerdict {
        self.callbacks.on_request();
        exchange.on_rerun(rerun, headers)
    }

    /// Takes a piece of the request's body, `len` bytes long. `bytes` are asked for only if the
    /// exchange wants them; `None`: they cannot be had.
    #[inline]
    pub fn on_request_body(
        &self,
        exchange: &mut Exchange,
        len: usize,
        end_of_stream: bool,
        bytes: impl FnOnce() -> Option<Vec<u8>>,
    ) {
        exchange.on_request_body(&self.services, len, end_of_stream, bytes);
    }

    /// All of the request has come: the last piece of its body, or its trailers. An answer replaces
    /// whatever would have come of it.
    #[inline(never)]
    pub fn on_request_end(
        &self,
        exchange: &mut Exchange,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Option<Reply> {
        exchange.on_request_end(&self.services, host, effects)
    }

    /// Whether the answer is of interest, and [`on_response`](Self::on_response) is to be called.
    #[must_use]
    #[inline]
    pub const fn wants_response(&self, exchange: &Exchange) -> bool {
        exchange.wants_response()
    }

    /// Judges an answer when its head has come. `head` is asked for only if it matters.
    #[inline]
    pub fn on_response(
        &self,
        exchange: &mut Exchange,
        head: impl FnOnce() -> AnswerHead,
        end_of_stream: bool,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> ResponseVerdict {
        let filter = (&self.services, &self.callbacks);
        exchange.on_response(filter, head, end_of_stream, host, effects)
    }

    /// Decides when the fallback has answered; `None`: it could not be called, did not answer in
    /// time, or was cut off.
    #[inline(never)]
    pub fn on_fallback_answer(
        &self,
        exchange: &mut Exchange,
        answer: Option<FallbackAnswer>,
        effects: &mut Effects,
    ) -> FallbackVerdict {
        exchange.on_fallback_answer(&self.services, answer, effects)
    }

    /// Has an answer take the place of the one that failed. A host that replaces answers by
    /// itself leaves this out.
    #[inline(never)]
    pub fn replace(
        &self,
        exchange: &mut Exchange,
        substitute: Substitute,
        host: &dyn Host,
    ) -> Replacement {
        let Config { permitted, max_copied_bytes, .. } = &self.services.config;
        let replaced = substitute.failed.status.filter(|_| permitted.notes);
        let may_rewrite = permitted.in_place && self.callbacks.sees_bodies();
        let by = exchange.replace(substitute, may_rewrite, *max_copied_bytes, host);
        Replacement { replaced, by }
    }

    /// Takes a piece of the answer's body.
    #[inline]
    pub fn on_response_body(
        &self,
        exchange: &mut Exchange,
        piece: Piece<impl FnOnce() -> Option<Vec<u8>>, impl FnOnce(&[u8])>,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        exchange.on_response_body(&self.services, piece, host, effects);
    }

    /// Decides on the trailers of an answer.
    #[inline]
    pub fn on_response_trailers(&self, exchange: &mut Exchange) -> TrailersVerdict {
        exchange.on_response_trailers()
    }

    /// Settles an admitted call when all of its answer has come. A host that does not know when
    /// leaves this out, and the call is settled when the stream has ended.
    #[inline]
    pub fn on_answer_end(&self, exchange: &mut Exchange, host: &dyn Host, effects: &mut Effects) {
        exchange.on_answer_end(&self.services, host, effects);
    }

    /// Settles whatever is not settled when the stream has ended. Call it as often as you like.
    #[inline]
    pub fn on_stream_end(&self, exchange: &mut Exchange, host: &dyn Host, effects: &mut Effects) {
        if exchange.wants_response() {
            exchange.on_stream_end((&self.services, &self.callbacks), host, effects);
        }
    }

    /// How often [`on_tick`](Self::on_tick) wants to be called.
    #[must_use]
    pub const fn tick_period(&self) -> Duration {
        self.callbacks.tick_period()
    }

    /// Takes the calls that are due, and writes down what may lag.
    #[inline(never)]
    pub fn on_tick(&self, host: &dyn Host, effects: &mut Effects) -> Vec<Callout> {
        self.callbacks.on_tick();
        budget::count_skipped(effects);
        self.services.on_tick(host, effects)
    }

    /// Counts copies that were not made on this thread, for a host that ticks on another.
    pub fn count_skipped(&self, effects: &mut Effects) {
        budget::count_skipped(effects);
    }

    /// Writes down what a call brought.
    #[inline(never)]
    pub fn on_callout_answer(
        &self,
        pending: PendingCallout,
        answer: &CalloutAnswer,
        host: &dyn Host,
        effects: &mut Effects,
    ) {
        self.services.on_callout_answer(pending, answer, host, effects);
    }

    /// How many ticks the answer to a call may take that has this timeout.
    #[must_use]
    pub fn callout_ticks(&self, timeout: Duration) -> u32 {
        self.callbacks.callout_ticks(timeout)
    }

    /// No answer to a call has ever come, and one is overdue.
    pub fn on_callouts_unanswered(&self, effects: &mut Effects) {
        Callbacks::on_callouts_unanswered(effects);
    }

    /// The proxy has no such cluster, though this configuration names it.
    #[inline(never)]
    pub fn on_unknown_cluster(&self, cluster: &str, host: &dyn Host, effects: &mut Effects) {
        self.services.on_unknown_cluster(cluster, host, effects);
    }

    /// Applies a command to the breaker of this name, for all workers at once.
    ///
    /// # Errors
    ///
    /// If nothing was changed.
    pub fn apply_command(
        &self,
        service: &str,
        command: Command,
        host: &dyn Host,
        effects: &mut Effects,
    ) -> Result<(), CommandError> {
        self.services.apply_command(service, command, host, effects)
    }

    /// All breakers there are now, in the order of their [`names`](Self::names). To look changes
    /// nothing: a damaged record shows a new breaker, as it will be taken for one, and is left as it is.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub fn status(&self, host: &dyn Host) -> Result<Vec<ServiceStatus>, StoreFault> {
        self.services.status(host)
    }

    /// The names of the breakers there are, in the order in which they came to be; then those that clients
    /// choose. More may follow, and these evict each other.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.services.instances.all().map(|instance| instance.name.clone())
    }

    /// What the metrics of this number are named after: a breaker, or the template of those that have no
    /// metrics of their own.
    #[must_use]
    pub fn series_name(&self, series: usize) -> Option<Rc<str>> {
        self.services.instances.series_name(series)
    }
}
