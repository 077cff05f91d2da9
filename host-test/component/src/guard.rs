//! One instance of the component: a worker.

use anyhow::Result;
use wasmtime::Store;

use crate::artefact::{Artefact, Inside, known};
use crate::bindings::World;
use crate::shared::Shared;
use crate::types::{
    Admission, Answer, CallId, Command, ConfigError, Configured, Ending, Errand, ErrandId, Field,
    RequestHead, ResponseHead, ResponseVerdict, ServiceStatus, StatusError, SteerError,
};

/// One instance of the component.
///
/// Each method calls the exported function of (nearly) its name, and gives the metrics and log
/// lines that come back to the [`Shared`] that the instance was made with. An `Err` means that the
/// instance has crashed: it can be used no more.
pub struct Guard {
    store: Store<Inside>,
    world: World,
}

/// A header or trailer.
#[must_use]
pub fn field(name: &str, value: impl AsRef<[u8]>) -> Field {
    Field { name: name.to_owned(), value: value.as_ref().to_vec() }
}

/// Calls an exported function: `call!(guard, call_finished(number, &ending))`.
macro_rules! call {
    ($guard:ident, $function:ident($($argument:expr),*)) => {{
        let breaker = $guard.world.edge_breaker_guard_breaker();
        known(breaker.$function(&mut $guard.store $(, $argument)*))
    }};
}

impl Guard {
    /// One more instance.
    ///
    /// # Errors
    ///
    /// If the component asks for something that this host does not have.
    pub fn new(artefact: &Artefact, shared: &Shared) -> Result<Self> {
        let (store, world) = artefact.instantiate(shared.clone())?;
        Ok(Self { store, world })
    }

    /// What this instance shares with others.
    #[must_use]
    pub fn shared(&self) -> &Shared {
        &self.store.data().shared
    }

    /// How large the instance's memory has grown, in bytes. It never shrinks.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.store.data().memory.0
    }

    /// Puts a configuration in force; the inner error says why it is refused.
    ///
    /// # Errors
    ///
    /// If the instance crashes, here and below.
    pub fn configure(&mut self, json: &str) -> Result<Result<Configured, ConfigError>> {
        let configured = call!(self, call_configure(json))?;
        if let Ok(configured) = &configured {
            self.shared().define(&configured.metrics);
            self.shared().apply(configured.effects.clone());
        }
        Ok(configured)
    }

    /// Has a request decided on. The effects in the result are done already.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn request(&mut self, head: &RequestHead) -> Result<Admission> {
        let admission = call!(self, call_request(head))?;
        self.shared().apply(admission.effects.clone());
        Ok(admission)
    }

    /// Hands over a piece of a request's body.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn request_body(&mut self, call: CallId, piece: &[u8], end_of_stream: bool) -> Result<()> {
        call!(self, call_request_body(call, piece, end_of_stream))
    }

    /// Hands over a piece of an answer's body.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn response_body(&mut self, call: CallId, piece: &[u8], end_of_stream: bool) -> Result<()> {
        call!(self, call_response_body(call, piece, end_of_stream))
    }

    /// Has an answer judged.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn respond(&mut self, call: CallId, head: &ResponseHead) -> Result<ResponseVerdict> {
        let judgement = call!(self, call_response(call, head))?;
        self.shared().apply(judgement.effects);
        Ok(judgement.verdict)
    }

    /// Reports what came of a call to the fallback.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn replayed(&mut self, call: CallId, answer: Option<&Answer>) -> Result<ResponseVerdict> {
        let judgement = call!(self, call_replayed(call, answer))?;
        self.shared().apply(judgement.effects);
        Ok(judgement.verdict)
    }

    /// Reports that an answer has ended.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn finish(&mut self, call: CallId, ending: &Ending) -> Result<()> {
        let effects = call!(self, call_finished(call, ending))?;
        self.shared().apply(effects);
        Ok(())
    }

    /// Reports that nobody waits for a call any more.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn abandon(&mut self, call: CallId) -> Result<()> {
        let effects = call!(self, call_abandoned(call))?;
        self.shared().apply(effects);
        Ok(())
    }

    /// Takes the calls that are due.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn tick(&mut self) -> Result<Vec<Errand>> {
        let ticked = call!(self, call_tick())?;
        self.shared().apply(ticked.effects);
        Ok(ticked.errands)
    }

    /// Reports what came of an errand.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn reported(&mut self, errand: ErrandId, status: Option<u16>) -> Result<()> {
        let effects = call!(self, call_reported(errand, status))?;
        self.shared().apply(effects);
        Ok(())
    }

    /// The breakers as they are now.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn status(&mut self) -> Result<Result<Vec<ServiceStatus>, StatusError>> {
        call!(self, call_status())
    }

    /// Does as an operator asks.
    ///
    /// # Errors
    ///
    /// See [`configure`](Self::configure).
    pub fn steer(&mut self, service: &str, command: Command) -> Result<Result<(), SteerError>> {
        let steered = call!(self, call_steer(service, command))?;
        Ok(steered.map(|effects| self.shared().apply(effects)))
    }
}
