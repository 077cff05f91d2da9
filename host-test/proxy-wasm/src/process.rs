//! What all workers of one proxy share, and what a test holds in its hands to steer them.

mod faults;
mod metrics;
mod queues;
mod shared_data;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::status::Status;
pub use metrics::MetricKind;

pub(crate) use faults::Faults;
pub(crate) use metrics::Metrics;
pub(crate) use queues::Queues;
pub(crate) use shared_data::SharedData;

/// A proxy's process: shared data, queues and metrics, both clocks, the log, and faults.
///
/// A handle; clones are handles to the same process.
#[derive(Clone, Default)]
pub struct Process(Arc<Mutex<Shared>>);

/// A foreign function: takes an argument, gives a result or a status.
pub(crate) type ForeignFunction = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) data: SharedData,
    pub(crate) queues: Queues,
    pub(crate) metrics: Metrics,
    pub(crate) monotonic: Duration,
    pub(crate) wall: Duration,
    pub(crate) log_level: LogLevel,
    pub(crate) log: Vec<LogLine>,
    pub(crate) faults: Faults,
    /// `None`: any cluster.
    pub(crate) clusters: Option<BTreeSet<String>>,
    pub(crate) no_clusters: BTreeSet<String>,
    pub(crate) foreign: BTreeMap<String, ForeignFunction>,
    pub(crate) seed: u64,
    workers: u32,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            data: SharedData::default(),
            queues: Queues::default(),
            metrics: Metrics::default(),
            monotonic: Duration::from_secs(1),
            wall: Duration::from_secs(1_700_000_000),
            log_level: LogLevel::Trace,
            log: Vec::new(),
            faults: Faults::default(),
            clusters: None,
            no_clusters: BTreeSet::new(),
            foreign: BTreeMap::new(),
            seed: 1,
            workers: 0,
        }
    }
}

/// How much a log line matters. The numbers are those of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum LogLevel {
    /// Each step.
    Trace = 0,
    /// For who looks for a fault.
    Debug = 1,
    /// It is as it should be. Also what is written to standard output.
    Info = 2,
    /// Somebody may want to look.
    Warn = 3,
    /// Something has failed. Also what is written to standard error.
    Error = 4,
    /// The module cannot go on.
    Critical = 5,
}

/// A line that a module has logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The number of the worker, by the order in which they were started.
    pub worker: u32,
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
}

impl Process {
    /// A process with no data, at some time that is not zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves both clocks on.
    pub fn advance(&self, by: Duration) {
        let mut shared = self.lock();
        shared.monotonic += by;
        shared.wall += by;
    }

    /// Sets the clock that never goes back, though a test may have it do so.
    pub fn set_monotonic(&self, since_epoch: Duration) {
        self.lock().monotonic = since_epoch;
    }

    /// Sets the wall clock, since the Unix epoch. It may jump.
    pub fn set_wall(&self, since_epoch: Duration) {
        self.lock().wall = since_epoch;
    }

    /// Sets both clocks at once: the one that never goes back, and the wall clock.
    pub fn set_clocks(&self, monotonic: Duration, wall: Duration) {
        let mut shared = self.lock();
        (shared.monotonic, shared.wall) = (monotonic, wall);
    }

    /// The clock that never goes back.
    #[must_use]
    pub fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }

    /// The wall clock, since the Unix epoch.
    #[must_use]
    pub fn wall(&self) -> Duration {
        self.lock().wall
    }

    /// Seeds what `random_get` gives to workers that are started from now on.
    pub fn set_seed(&self, seed: u64) {
        self.lock().seed = seed;
    }

    /// A value of the shared data, and its version.
    #[must_use]
    pub fn shared_data(&self, vm_id: &str, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.lock().data.get(vm_id, key)
    }

    /// Writes shared data, as a module with that `vm_id` would with that version; 0: in any case.
    ///
    /// # Errors
    ///
    /// [`Status::CasMismatch`] if the version is another.
    pub fn set_shared_data(
        &self,
        vm_id: &str,
        key: &[u8],
        value: &[u8],
        version: u32,
    ) -> Result<(), Status> {
        self.lock().data.set(vm_id, key, value, version)
    }

    /// All keys of the shared data.
    #[must_use]
    pub fn shared_keys(&self, vm_id: &str) -> Vec<Vec<u8>> {
        self.lock().data.keys(vm_id)
    }

    /// What a counter or a gauge stands at.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<u64> {
        self.lock().metrics.value(name)
    }

    /// The values that were recorded in a histogram.
    #[must_use]
    pub fn histogram(&self, name: &str) -> Vec<u64> {
        self.lock().metrics.samples(name)
    }

    /// All metrics by name.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<String, (MetricKind, u64)> {
        self.lock().metrics.all()
    }

    /// Drops log lines below this level.
    pub fn set_log_level(&self, level: LogLevel) {
        self.lock().log_level = level;
    }

    /// Takes the lines that were logged since the last time.
    #[must_use]
    pub fn take_log(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.lock().log)
    }

    /// Names the clusters there are; a call to another is refused. Without this, all there can be.
    pub fn set_clusters<C: Into<String>>(&self, clusters: impl IntoIterator<Item = C>) {
        self.lock().clusters = Some(clusters.into_iter().map(Into::into).collect());
    }

    /// Takes a cluster away, or gives it back.
    pub fn set_cluster(&self, name: &str, is_there: bool) {
        let mut shared = self.lock();
        if is_there {
            shared.no_clusters.remove(name);
        } else {
            shared.no_clusters.insert(name.to_owned());
        }
    }

    /// Registers a foreign function. `clear_route_cache` is there already.
    pub fn set_foreign_function(
        &self,
        name: &str,
        function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync + 'static,
    ) {
        self.lock().foreign.insert(name.to_owned(), Arc::new(function));
    }

    /// Has the next `times` calls of a host function return this status and do nothing.
    ///
    /// For example `proxy_get_shared_data` with [`Status::InternalFailure`] for a store that cannot
    /// be read, or `proxy_http_call` with it for calls that fail at once.
    pub fn fail_hostcalls(&self, name: &str, status: Status, times: u64) {
        self.lock().faults.fail(name, status, times);
    }

    /// Has the next `times` writes of shared data lose their race, as if another worker had been
    /// faster. Writes in any case are not concerned.
    pub fn lose_races(&self, times: u64) {
        self.lock().faults.lost_races = times;
    }

    /// Takes all faults back.
    pub fn clear_faults(&self) {
        self.lock().faults = Faults::default();
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_worker(&self) -> u32 {
        let mut shared = self.lock();
        let worker = shared.workers;
        shared.workers += 1;
        worker
    }

    pub(crate) fn log(&self, worker: u32, level: LogLevel, message: String) {
        let mut shared = self.lock();
        if level >= shared.log_level {
            shared.log.push(LogLine { worker, level, message });
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.lock();
        f.debug_struct("Process")
            .field("monotonic", &shared.monotonic)
            .field("wall", &shared.wall)
            .finish_non_exhaustive()
    }
}

impl LogLevel {
    pub(crate) const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}
