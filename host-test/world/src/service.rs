//! The service, as its script has it: how it answers, and how the proxy tells of it.

use std::time::Duration;

use fastrand::Rng;

/// What Envoy says of an answer that came from a service.
pub(crate) const VIA_UPSTREAM: &str = "via_upstream";

/// How the service feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// All is well, always.
    Well,
    /// It answers, but for a failure now and then.
    Usual,
    /// It fails most of the time.
    Failing,
    /// It hangs, or breaks off.
    Hanging,
    /// One never knows.
    Mixed,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A good answer, all at once.
    Good,
    /// A good answer whose body comes later.
    GoodInParts,
    /// An answer that tells of a failure.
    Failure,
    /// A failure that asks to be left alone, for longer than a wait may be.
    Busy,
    /// Too many requests.
    TooMany,
    /// The connection broke before an answer came.
    Reset,
    /// The connection broke in the middle of the answer.
    ResetInBody,
    /// The route's patience was over.
    Timeout,
    /// The client went away before an answer came.
    Abandoned,
    /// The proxy turned the call away, for a reason of its own.
    Refused,
}

/// What a call counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Failure,
    Ignored,
    Aborted,
}

impl Mood {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        match rng.u32(0..10) {
            0..4 => Self::Usual,
            4..7 => Self::Failing,
            7..8 => Self::Hanging,
            _ => Self::Mixed,
        }
    }

    pub(crate) fn answer(self, rng: &mut Rng) -> Answer {
        let bad = match self {
            Self::Well => 0,
            Self::Usual => 3,
            Self::Failing => 75,
            Self::Hanging => 80,
            Self::Mixed => 45,
        };
        if rng.u32(0..100) >= bad {
            return if rng.u32(0..5) == 0 { Answer::GoodInParts } else { Answer::Good };
        }
        match (self, rng.u32(0..16)) {
            (Self::Hanging, part) if part < 8 => Answer::Timeout,
            (Self::Hanging, part) if part < 12 => Answer::ResetInBody,
            (_, 0) => Answer::Busy,
            (_, 1..=8) => Answer::Failure,
            (_, 9) => Answer::TooMany,
            (_, 10) => Answer::Reset,
            (_, 11) => Answer::ResetInBody,
            (_, 12) => Answer::Timeout,
            (_, 13) => Answer::Refused,
            _ => Answer::Abandoned,
        }
    }

    /// Whether a health check finds it well.
    pub(crate) fn is_healthy(self, rng: &mut Rng) -> bool {
        match self {
            Self::Well => true,
            Self::Usual => rng.u32(0..20) != 0,
            Self::Failing | Self::Hanging => rng.u32(0..5) == 0,
            Self::Mixed => rng.bool(),
        }
    }
}

impl Answer {
    /// How long it takes.
    pub(crate) fn latency(self, rng: &mut Rng) -> Duration {
        Duration::from_micros(match self {
            Self::Timeout => 100_000,
            Self::Abandoned => rng.u64(100..120_000),
            _ if rng.u32(0..30) == 0 => rng.u64(20_000..150_000),
            _ => rng.u64(100..5_000),
        })
    }

    /// The status that the client sees; `None`: no answer comes.
    pub(crate) const fn status(self) -> Option<&'static str> {
        match self {
            Self::Good | Self::GoodInParts | Self::ResetInBody => Some("200"),
            Self::Failure => Some("500"),
            Self::Busy => Some("503"),
            Self::TooMany | Self::Refused => Some("429"),
            Self::Reset => Some("503"),
            Self::Timeout => Some("504"),
            Self::Abandoned => None,
        }
    }

    /// Whether the stream ends later than its head.
    pub(crate) const fn is_in_parts(self) -> bool {
        matches!(self, Self::GoodInParts | Self::ResetInBody)
    }

    /// What Envoy says of it when the head has come: `response.code_details`, and the response
    /// flags.
    pub(crate) const fn response_at_head(self) -> (&'static str, u64) {
        const TIMEOUT: u64 = 1 << 2;
        const TERMINATED: u64 = 1 << 6;
        match self {
            Self::Reset => {
                ("upstream_reset_before_response_started{connection_termination}", TERMINATED)
            }
            Self::Timeout => ("response_timeout", TIMEOUT),
            Self::Refused => ("request_rate_limited", 0),
            _ => (VIA_UPSTREAM, 0),
        }
    }

    /// What Envoy says of it in the end.
    pub(crate) const fn response_at_end(self) -> (&'static str, u64) {
        const TERMINATED: u64 = 1 << 6;
        const CLIENT_GONE: u64 = 1 << 14;
        match self {
            Self::ResetInBody => {
                ("upstream_reset_after_response_started{connection_termination}", TERMINATED)
            }
            Self::Abandoned => ("downstream_remote_disconnect", CLIENT_GONE),
            _ => self.response_at_head(),
        }
    }

    /// Whether its head says already what there is to say: it is all of the answer, too.
    pub(crate) const fn settles_at_head(self) -> bool {
        self.status().is_some() && !self.is_in_parts()
    }

    /// The seconds after which it wants to be asked again.
    pub(crate) const fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::Busy => Some("60"),
            _ => None,
        }
    }

    /// What it counts as, by the contract.
    pub(crate) const fn outcome(self, trial: bool) -> Outcome {
        match self {
            Self::Good | Self::GoodInParts => Outcome::Success,
            Self::TooMany if trial => Outcome::Ignored,
            Self::TooMany => Outcome::Success,
            Self::Refused => Outcome::Ignored,
            Self::Abandoned => Outcome::Aborted,
            Self::Failure | Self::Busy | Self::Reset | Self::ResetInBody | Self::Timeout => {
                Outcome::Failure
            }
        }
    }
}

impl Outcome {
    pub(crate) const ALL: [(Self, &str); 4] = [
        (Self::Success, "success"),
        (Self::Failure, "failure"),
        (Self::Ignored, "ignored"),
        (Self::Aborted, "aborted"),
    ];
}
