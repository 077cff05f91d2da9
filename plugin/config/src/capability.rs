//! What the filter needs of a proxy that may withhold functions from it.
//!
//! Envoy does where its operator names the functions that a module may call
//! (`capability_restriction_config`): what is not named is there, fails each time, and writes an
//! error to the log. A breaker that cannot read its configuration, its record or the clock would look
//! as if it were at work, so a configuration is refused where anything is missing that it needs.

use std::fmt;

use crate::form::joined;
use crate::model::{Config, Permitted, Service};

/// A function of the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Reading the monotonic clock, a function of WASI.
    Clock,
    /// Letting an answer go on that was held back.
    ContinueStream,
    /// Being told of contexts, streams among them.
    ContextCreate,
    /// Defining a metric.
    DefineMetric,
    /// Reading a body, or the configuration.
    GetBuffer,
    /// Reading the wall clock.
    GetCurrentTime,
    /// Reading a header.
    GetHeader,
    /// Reading all headers.
    GetHeaders,
    /// Reading a metric.
    GetMetric,
    /// Reading what the proxy knows of a stream.
    GetProperty,
    /// Reading what workers share.
    GetSharedData,
    /// Calling another service.
    HttpCall,
    /// Counting.
    IncrementMetric,
    /// Writing to the log.
    Log,
    /// Setting a gauge.
    RecordMetric,
    /// Removing a header.
    RemoveHeader,
    /// Setting a header.
    ReplaceHeader,
    /// Answering a request.
    SendLocalResponse,
    /// Changing a body.
    SetBuffer,
    /// Acting for a stream when a call is answered.
    SetEffectiveContext,
    /// Setting all headers.
    SetHeaders,
    /// Telling the proxy something of a stream.
    SetProperty,
    /// Writing what workers share.
    SetSharedData,
    /// Being called at intervals.
    SetTickPeriod,
}

impl Capability {
    /// Those that each configuration needs, and without which none can be read.
    const ALWAYS: [Self; 18] = [
        Self::Clock,
        Self::ContextCreate,
        Self::DefineMetric,
        Self::GetBuffer,
        Self::GetCurrentTime,
        Self::GetHeader,
        Self::GetHeaders,
        Self::GetMetric,
        Self::GetProperty,
        Self::GetSharedData,
        Self::IncrementMetric,
        Self::Log,
        Self::RecordMetric,
        Self::RemoveHeader,
        Self::ReplaceHeader,
        Self::SendLocalResponse,
        Self::SetSharedData,
        Self::SetTickPeriod,
    ];

    /// Its name, as operators grant it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock_time_get",
            Self::ContinueStream => "proxy_continue_stream",
            Self::ContextCreate => "proxy_on_context_create",
            Self::DefineMetric => "proxy_define_metric",
            Self::GetBuffer => "proxy_get_buffer_bytes",
            Self::GetCurrentTime => "proxy_get_current_time_nanoseconds",
            Self::GetHeader => "proxy_get_header_map_value",
            Self::GetHeaders => "proxy_get_header_map_pairs",
            Self::GetMetric => "proxy_get_metric",
            Self::GetProperty => "proxy_get_property",
            Self::GetSharedData => "proxy_get_shared_data",
            Self::HttpCall => "proxy_http_call",
            Self::IncrementMetric => "proxy_increment_metric",
            Self::Log => "proxy_log",
            Self::RecordMetric => "proxy_record_metric",
            Self::RemoveHeader => "proxy_remove_header_map_value",
            Self::ReplaceHeader => "proxy_replace_header_map_value",
            Self::SendLocalResponse => "proxy_send_local_response",
            Self::SetBuffer => "proxy_set_buffer_bytes",
            Self::SetEffectiveContext => "proxy_set_effective_context",
            Self::SetHeaders => "proxy_set_header_map_pairs",
            Self::SetProperty => "proxy_set_property",
            Self::SetSharedData => "proxy_set_shared_data",
            Self::SetTickPeriod => "proxy_set_tick_period_milliseconds",
        }
    }
}

/// What a configuration needs, and does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld(Vec<Capability>);

impl Withheld {
    /// Asks for each of these whether it is withheld.
    fn of(
        needed: &mut dyn Iterator<Item = Capability>,
        is_withheld: &mut dyn FnMut(&Capability) -> bool,
    ) -> Result<(), Self> {
        let missing: Vec<_> = needed.filter(is_withheld).collect();
        if missing.is_empty() { Ok(()) } else { Err(Self(missing)) }
    }
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the proxy withholds {}: name it in allowed_capabilities, with all else that \
             docs/security.md lists",
            joined(&mut self.0.iter().map(|capability| capability.name()), ", ")
        )
    }
}

impl std::error::Error for Withheld {}

impl Config {
    /// Reads a configuration, where there is a proxy that may withhold functions. `bytes` are asked
    /// for once it is known that they can be had; `None`: they could not be, all the same.
    ///
    /// # Errors
    ///
    /// In one line, if something is missing that it needs, or any of it is wrong.
    pub fn read(
        is_withheld: &mut dyn FnMut(&Capability) -> bool,
        bytes: &dyn Fn() -> Option<Vec<u8>>,
    ) -> Result<Self, String> {
        let text = |withheld: Withheld| withheld.to_string();
        Withheld::of(&mut Capability::ALWAYS.into_iter(), is_withheld).map_err(text)?;
        let bytes =
            bytes().ok_or_else(|| "configuration: the proxy does not hand it over".to_owned())?;
        let mut config = Self::parse(&bytes).map_err(|error| error.to_string())?;
        Withheld::of(&mut config.needs(), is_withheld).map_err(text)?;
        if config.services.iter().any(Service::answers_failures) {
            let mut permits = |capability| !is_withheld(&capability);
            let in_place = permits(Capability::SetBuffer) && permits(Capability::SetHeaders);
            config.permitted = Permitted { in_place, notes: permits(Capability::SetProperty) };
        }
        Ok(config)
    }

    /// What this configuration needs beyond what each does.
    fn needs(&self) -> impl Iterator<Item = Capability> {
        let asks_fallback = self.services.iter().any(Service::asks_fallback);
        let checks = self.services.iter().any(|service| service.probe.is_some());
        let calls = asks_fallback || checks || self.notify.is_some() || self.fleet.is_some();
        [
            (calls, Capability::HttpCall),
            (asks_fallback, Capability::ContinueStream),
            (asks_fallback, Capability::SetEffectiveContext),
        ]
        .into_iter()
        .filter_map(|(needed, capability)| needed.then_some(capability))
    }
}

impl Service {
    /// Whether anything answers in the place of failed calls.
    fn answers_failures(&self) -> bool {
        self.fallback.answers_calls()
    }

    /// Whether answers are held back while the fallback is asked.
    fn asks_fallback(&self) -> bool {
        self.fallback.cluster.is_some() && self.fallback.answers_calls()
    }
}
