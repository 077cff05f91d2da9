//! The values of the metrics' labels. Those of the breaker's own enums come from their tables.

use ::fleet::SyncResult;
use breaker::{CheckResult, DivertReason, Outcome, Reason, StateName};

/// The values of one label, numbered from zero.
pub(super) trait Label: Copy + 'static {
    /// All there are, in the order of their numbers.
    const VALUES: &'static [Self];

    /// Its number.
    fn number(self) -> usize;

    /// As it stands in the metric's name.
    fn text(self) -> &'static str;
}

/// A label of an enum without data: its values in the order in which they are declared, and its text.
macro_rules! of_enum {
    ($($values:ty: $all:expr, $text:ident;)+) => {$(
        impl Label for $values {
            const VALUES: &'static [Self] = &$all;

            #[inline(always)]
            fn number(self) -> usize {
                self as usize
            }

            fn text(self) -> &'static str {
                self.$text()
            }
        }
    )+};
}

/// An enum that is a label and nothing else.
macro_rules! labels {
    ($($(#[doc = $about:literal])+ $label:ident {
        $($(#[doc = $doc:literal])+ $value:ident = $text:literal,)+
    })+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $label {
            $($(#[doc = $doc])+ $value,)+
        }

        impl $label {
            /// All there are.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$value),+];

            /// As it stands in the metric's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }

        of_enum! { $label: Self::ALL, name; }
    )+};
}

labels! {
    /// How a diverted or failed call was answered.
    FallbackKind {
        /// By the fallback cluster, through the route.
        Cluster = "cluster",
        /// By the fallback cluster, which was sent the failed call.
        Replay = "replay",
        /// By a static response.
        Response = "response",
        /// By an answer that the service gave before.
        Stale = "stale",
    }
    /// What became of a notification.
    NotificationResult {
        /// The endpoint took it.
        Delivered = "delivered",
        /// It did not, however often it was asked to.
        Failed = "failed",
        /// There were too many: it was overwritten before it was posted.
        Dropped = "dropped",
    }
    /// Why a call passes without a copy.
    SkipReason {
        /// There was no room for it.
        Limit = "limit",
        /// It had to make room for others.
        Evicted = "evicted",
    }
    /// Why the breaker could not look after a call.
    Unprotected {
        /// The shared state could not be used, or is a newer module's.
        Store = "store",
        /// No route took a diverted call to the fallback.
        FallbackRoute = "fallback_route",
        /// The cluster is not known, since the client's own header chose the route.
        ClientHeader = "client_header",
        /// A part of its service's name is not known.
        Unnamed = "unnamed",
        /// Its service's name would be one too many.
        MaxServices = "max_services",
        /// It was to go to a cluster that the proxy does not have.
        UnknownCluster = "unknown_cluster",
    }
}

of_enum! {
    CheckResult: [Self::Healthy, Self::Unhealthy], name;
    DivertReason: Self::ALL, name;
    Reason: Self::ALL, name;
    StateName: Self::ALL, label;
    SyncResult: Self::ALL, name;
}

/// A service that declines to say how it is counts as ignored.
impl Label for Outcome {
    const VALUES: &'static [Self] = &[Self::Success, Self::FAILURE, Self::Ignored, Self::Aborted];

    #[inline(always)]
    fn number(self) -> usize {
        match self {
            Self::Success => 0,
            Self::Failure { .. } => 1,
            Self::Ignored | Self::Declined { .. } => 2,
            Self::Aborted => 3,
        }
    }

    fn text(self) -> &'static str {
        self.name()
    }
}
