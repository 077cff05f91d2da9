//! How a call failed.

use breaker::UnixTime;

use crate::host::Origin;
use crate::response::classify::CallStatus;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal,)+) => {
        /// How a call failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum FailureKind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl FailureKind {
            pub(crate) const ALL: [Self; [$($name),+].len()] = [$(Self::$kind),+];

            /// As the admin API has it.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// The service answered with an HTTP status that counts as a failure.
    Status = "status",
    /// The same of a gRPC status.
    GrpcStatus = "grpc_status",
    /// There was no connection to it, or no host.
    Unreachable = "unreachable",
    /// It broke off.
    Reset = "reset",
    /// It took longer than it may.
    Timeout = "timeout",
    /// The proxy's own limits refused the call, where that counts.
    Overflow = "overflow",
}

/// A failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) at: UnixTime,
    pub(crate) kind: FailureKind,
    /// The service's status, if it answered with one.
    pub(crate) status: Option<u16>,
}

impl Failure {
    /// A call that has failed now, with this answer, which came about so.
    pub(crate) fn of(at: UnixTime, status: CallStatus, origin: Origin) -> Self {
        let (kind, status) = match (origin, status) {
            (Origin::Unreachable | Origin::NoCluster, _) => (FailureKind::Unreachable, None),
            (Origin::Broken, _) => (FailureKind::Reset, None),
            (Origin::Timeout | Origin::Idle | Origin::TooLong, _) => (FailureKind::Timeout, None),
            (Origin::Overflow, _) => (FailureKind::Overflow, None),
            (_, CallStatus::Grpc(Some(200..300), code)) => {
                (FailureKind::GrpcStatus, Some(code.into()))
            }
            (_, CallStatus::Grpc(status, _) | CallStatus::Http(status)) => {
                (FailureKind::Status, status)
            }
            (_, CallStatus::None) => (FailureKind::Status, None),
        };
        Self { at, kind, status }
    }
}

/// The last failure of each kind.
pub(crate) type Failures = [Option<Failure>; FailureKind::ALL.len()];

/// Keeps a failure, unless a later one of its kind is kept.
pub(super) fn keep_latest(failures: &mut Failures, failure: Failure) {
    if let Some(kept) = failures.get_mut(failure.kind as usize) {
        let is_later = |it: &Failure| it.at.as_nanos() > failure.at.as_nanos();
        *kept = kept.filter(is_later).or(Some(failure));
    }
}
