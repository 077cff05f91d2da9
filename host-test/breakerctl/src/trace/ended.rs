//! How a call ended, in Envoy's words: by these the module judges it, as it would have then.

use anyhow::{Context as _, bail};

/// Envoy's response flags, by the position of their bit.
const FLAGS: [&str; 30] = [
    "LH", "UH", "UT", "LR", "UR", "UF", "UC", "UO", "NR", "DI", "FI", "RL", "UAEX", "RLSE", "DC",
    "URX", "SI", "IH", "DPE", "UMSDR", "RFCF", "NFCF", "DT", "UPE", "NC", "OM", "DF", "DO", "DR",
    "UDO",
];

/// What the details say where a log has the flags alone. The first that is there says why it ended.
const DETAILS: [(&str, &str); 16] = [
    ("DC", "downstream_remote_disconnect"),
    ("DR", "downstream_remote_reset"),
    ("DPE", "downstream_protocol_error"),
    ("UT", "response_timeout"),
    ("UH", "no_healthy_upstream"),
    ("NC", "cluster_not_found"),
    ("UO", "upstream_reset_before_response_started{overflow}"),
    ("UF", "upstream_reset_before_response_started{connection_failure}"),
    ("UC", "upstream_reset_before_response_started{connection_termination}"),
    ("UR", "upstream_reset_before_response_started{remote_reset}"),
    ("LR", "upstream_reset_before_response_started{local_reset}"),
    ("UPE", "upstream_reset_before_response_started{protocol_error}"),
    ("DF", "dns_resolution_failure"),
    ("SI", "stream_idle_timeout"),
    ("DT", "max_duration_timeout"),
    ("UMSDR", "upstream_max_stream_duration_reached"),
];

const VIA_UPSTREAM: &str = "via_upstream";
const CLIENT_GONE: u64 = bit(14) | bit(18) | bit(28);
/// UT, LR, UR, UC, SI, UMSDR, DT, UPE: an answer that had begun did not come to its end.
const CUT: u64 = bit(2) | bit(3) | bit(4) | bit(6) | bit(16) | bit(19) | bit(22) | bit(23);
/// UH, UT, LR, UR, UF, UC, SI, UMSDR, DT, UPE, NC, DF: the service's doing, or there was none.
const OF_SERVICE: u64 = CUT | bit(1) | bit(5) | bit(24) | bit(26);
/// The same, as details tell it.
const DETAILS_OF_SERVICE: [&str; 6] = [
    "upstream_",
    "response_timeout",
    "no_healthy_upstream",
    "cluster_not_found",
    "dns_resolution_failure",
    "stream_idle_timeout",
];
/// DI, URX: something happened on the way, and the service answered in the end.
const ON_THE_WAY: u64 = bit(9) | bit(15);

const fn bit(position: u8) -> u64 {
    1 << position
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The status that the client got; 0: none.
    pub(crate) status: u16,
    /// Why, in Envoy's words.
    pub(crate) details: String,
    pub(crate) flags: u64,
}

impl Ended {
    /// The service answered.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, details: VIA_UPSTREAM.to_owned(), flags: 0 }
    }

    fn by(status: u16, flag: &str) -> Self {
        let flags = position(flag).map_or(0, bit);
        Self { status, details: details_of(flags), flags }
    }

    /// Reads the words for it: its status, and what an access log has beside it.
    ///
    /// # Errors
    ///
    /// If there is no such status or flag.
    pub(super) fn read(
        status: &str,
        flags: Option<&str>,
        details: Option<&str>,
    ) -> anyhow::Result<Self> {
        let bits = flags.map_or(Ok(0), bits)?;
        let logged = |status| Self {
            status,
            details: details.map_or_else(|| details_of(bits), str::to_owned),
            flags: bits,
        };
        Ok(match status {
            "reset" => Self::by(503, "UC"),
            "timeout" => Self::by(504, "UT"),
            "aborted" => Self::by(0, "DC"),
            // What Envoy and NGINX have for a client that left, unless something else is said.
            "0" | "499" if bits == 0 && details != Some(VIA_UPSTREAM) => Self::by(0, "DC"),
            "0" => logged(0),
            status => match status.parse() {
                Ok(status @ 100..=599) => logged(status),
                _ => bail!(
                    "{status:?} is no status: give one from 100 to 599, `reset` or `timeout` for a \
                     call without an answer, `aborted` (or 0, or 499) for a client that left"
                ),
            },
        })
    }

    /// Whether the client left before it had its answer.
    pub(crate) const fn is_aborted(&self) -> bool {
        self.flags & CLIENT_GONE != 0
    }

    /// Whether an answer began that did not come to its end.
    pub(crate) const fn is_cut(&self) -> bool {
        self.flags & (CUT | CLIENT_GONE) != 0 && self.status >= 100 && self.status < 400
    }

    /// Whether it is a failure for whoever called: no answer, or a 5xx.
    pub(crate) const fn is_failure(&self) -> bool {
        !self.is_aborted() && (self.status >= 500 || self.status == 0 || self.is_cut())
    }

    /// Whether the service did well, as the filter judges it by default; `None`: it says nothing of
    /// the service.
    pub(crate) fn verdict(&self) -> Option<bool> {
        let is_unknown = matches!(self.status, 501 | 505);
        let by_service = self.details == VIA_UPSTREAM;
        if self.is_aborted() || by_service && is_unknown {
            return None;
        }
        let overflowed = self.details.ends_with("{overflow}");
        let of_service = self.flags & OF_SERVICE != 0
            || DETAILS_OF_SERVICE.iter().any(|known| self.details.starts_with(known));
        let judged = by_service || self.is_cut() || of_service && !overflowed;
        judged.then_some(!self.is_failure())
    }

    /// The status that the service itself gave, whole; `None`: it did not.
    pub(crate) fn answer(&self) -> Option<u16> {
        (self.details == VIA_UPSTREAM && !self.is_cut() && self.status != 0).then_some(self.status)
    }
}

fn position(flag: &str) -> Option<u8> {
    FLAGS.iter().position(|known| *known == flag).and_then(|position| u8::try_from(position).ok())
}

fn bits(flags: &str) -> anyhow::Result<u64> {
    let names = flags.split(',').map(str::trim).filter(|name| !matches!(*name, "" | "-"));
    names.into_iter().try_fold(0, |bits, name| {
        let position = position(name);
        Ok(bits | bit(position.with_context(|| format!("{name:?} is no response flag of Envoy"))?))
    })
}

fn details_of(flags: u64) -> String {
    if flags & !ON_THE_WAY == 0 {
        return VIA_UPSTREAM.to_owned();
    }
    let has = |name: &str| position(name).is_some_and(|position| flags & bit(position) != 0);
    // The proxy or another filter answered, for a reason of its own.
    DETAILS
        .iter()
        .find(|(flag, _)| has(flag))
        .map_or("local_reply", |(_, details)| details)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: &str, flags: &str) -> Ended {
        Ended::read(status, Some(flags), None).unwrap()
    }

    #[test]
    fn a_client_that_left_is_no_failure_whatever_its_log_calls_it() {
        for status in ["aborted", "0", "499"] {
            let ended = Ended::read(status, None, None).unwrap();
            assert!(ended.is_aborted() && !ended.is_failure(), "{ended:?}");
        }
        let ended = read("200", "DC");
        assert!(ended.is_aborted() && ended.is_cut() && !ended.is_failure(), "{ended:?}");
        assert!(!read("503", "UF").is_aborted());
    }

    #[test]
    fn only_what_the_service_did_speaks_of_it() {
        let verdict = |status, flags| read(status, flags).verdict();
        assert_eq!([verdict("200", "-"), verdict("404", "-")], [Some(true); 2]);
        for (status, flags) in [("503", "-"), ("503", "UF,URX"), ("504", "UT"), ("200", "UC")] {
            assert_eq!(verdict(status, flags), Some(false), "{status} {flags}");
        }
        for (status, flags) in
            [("0", "DC"), ("501", "-"), ("503", "UO"), ("429", "RL"), ("404", "NR"), ("503", "FI")]
        {
            assert_eq!(verdict(status, flags), None, "{status} {flags}");
        }
        let ended = Ended::read("503", None, Some("upstream_reset_before_response_started{x}"));
        assert_eq!(ended.unwrap().verdict(), Some(false));
    }

    #[test]
    fn flags_say_why_where_a_log_has_no_details() {
        assert_eq!(read("200", "-"), Ended::status(200));
        assert_eq!(read("503", "URX").details, "via_upstream");
        assert_eq!(
            read("503", "UF,URX").details,
            "upstream_reset_before_response_started{connection_failure}"
        );
        assert_eq!(read("504", "UT").answer(), None);
        assert_eq!(read("503", "-").answer(), Some(503));
        assert_eq!(read("429", "RL").answer(), None);
        assert!(!read("429", "RL").is_failure());
        assert!(read("200", "UC").is_failure());
        assert_eq!(read("0", "UPE").flags, bit(23));
        assert!(Ended::read("503", Some("XX"), None).is_err());
        assert_eq!(
            Ended::read("503", Some("-"), Some("via_upstream")).unwrap().answer(),
            Some(503)
        );
    }
}
