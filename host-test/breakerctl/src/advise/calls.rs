//! What a log says of one service.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};

use crate::pattern;
use crate::trace::{Call, Trace};

/// What is longer is taken for so long: a hundred years, and a day.
const LONGEST_LOG: Duration = Duration::from_secs(100 * 365 * 86_400);
const LONGEST_CALL: Duration = Duration::from_secs(86_400);

/// Which calls are meant.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// Calls to this cluster alone; `*` stands for any characters
    #[arg(long, value_name = "NAME")]
    pub(super) cluster: Option<String>,
    /// Calls to this host alone; `*` stands for any characters
    #[arg(long, value_name = "NAME")]
    pub(super) host: Option<String>,
    /// Calls whose path begins so
    #[arg(long, value_name = "PREFIX")]
    pub(super) path: Option<String>,
}

/// A call that says how the service was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Nanoseconds since the first call.
    pub(super) at: u64,
    /// Nanoseconds.
    pub(super) took: u64,
    pub(super) failed: bool,
    /// It failed, or took as long as is called slow.
    pub(super) bad: bool,
}

/// The calls that say so, in the order of their time.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pub(super) samples: Vec<Sample>,
    /// Calls that are meant and say nothing: their clients left, or the proxy turned them away.
    pub(super) silent: usize,
}

impl Selection {
    /// The calls that are meant.
    ///
    /// # Errors
    ///
    /// If there is none, or if the log has several clusters and none is chosen.
    pub(super) fn of(&self, trace: &Trace, slow: Option<Duration>) -> anyhow::Result<Calls> {
        self.is_one_service(trace)?;
        let meant: Vec<_> = trace.calls.iter().filter(|call| self.is_meant(call)).collect();
        let Some(first) = meant.first().map(|call| call.at) else {
            let Call { path, host, cluster, .. } = &trace.calls[0];
            bail!("no call is meant: the first is to cluster {cluster}, host {host}, path {path}");
        };
        let mut calls = Calls::default();
        for call in meant {
            let Some(good) = call.ended.verdict() else {
                calls.silent += 1;
                continue;
            };
            calls.samples.push(Sample {
                at: nanos(call.at - first, LONGEST_LOG),
                took: nanos(call.took, LONGEST_CALL),
                failed: !good,
                bad: !good || slow.is_some_and(|slow| call.took >= slow),
            });
        }
        Ok(calls)
    }

    fn is_meant(&self, call: &Call) -> bool {
        let fits = |pattern: &Option<String>, name: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern::fits(pattern, name))
        };
        fits(&self.cluster, &call.cluster)
            && fits(&self.host, &call.host)
            && self.path.as_ref().is_none_or(|prefix| call.path.starts_with(prefix))
    }

    /// A configuration with these settings for what is meant.
    pub(super) fn configuration(&self, settings: &Value) -> Value {
        let mut service = json!({ "name": "service" });
        let kinds =
            [("clusters", &self.cluster), ("hosts", &self.host), ("path_prefixes", &self.path)];
        for (kind, name) in kinds {
            // All of them need not be matched.
            if let Some(name) = name.as_ref().filter(|name| *name != "*") {
                service["match"][kind] = json!([name]);
            }
        }
        for (field, value) in settings.as_object().into_iter().flatten() {
            service[field] = value.clone();
        }
        json!({ "services": [service] })
    }

    /// A breaker guards one service: what holds for several of them holds for none.
    fn is_one_service(&self, trace: &Trace) -> anyhow::Result<()> {
        const SHOWN: usize = 5;
        if self.cluster.is_some() || self.host.is_some() || self.path.is_some() {
            return Ok(());
        }
        let clusters: BTreeSet<_> = trace.calls.iter().map(|call| call.cluster.as_str()).collect();
        if clusters.len() > 1 {
            let shown: Vec<_> = clusters.iter().take(SHOWN).copied().collect();
            let more = if clusters.len() > SHOWN { ", …" } else { "" };
            bail!(
                "there are calls to {} clusters in it, and a breaker guards one: choose by \
                 --cluster, --host or --path, of {}{more}; or give --cluster '*' for all together",
                clusters.len(),
                shown.join(", ")
            );
        }
        Ok(())
    }
}

fn nanos(duration: Duration, most: Duration) -> u64 {
    u64::try_from(duration.min(most).as_nanos()).unwrap_or(u64::MAX)
}
