//! Metrics: one of a name in the whole process, whichever worker defined it.

use std::collections::BTreeMap;

use crate::status::Status;

/// The kind of a metric. The numbers are those of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MetricKind {
    /// Only rises.
    Counter = 0,
    /// Rises and falls, or is set.
    Gauge = 1,
    /// Takes samples.
    Histogram = 2,
}

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    ids: BTreeMap<(u32, String), usize>,
    list: Vec<Metric>,
}

#[derive(Debug)]
struct Metric {
    name: String,
    kind: MetricKind,
    value: u64,
    samples: Vec<u64>,
}

impl Metrics {
    /// The id of a metric. Envoy gives a new one each time, of the same metric; here they are the
    /// same as well.
    pub(crate) fn define(&mut self, kind: u32, name: &str) -> Result<u32, Status> {
        let known = match kind {
            0 => MetricKind::Counter,
            1 => MetricKind::Gauge,
            2 => MetricKind::Histogram,
            _ => return Err(Status::BadArgument),
        };
        let next = self.list.len();
        let id = *self.ids.entry((kind, name.to_owned())).or_insert(next);
        if id == next {
            let (name, samples) = (name.to_owned(), Vec::new());
            self.list.push(Metric { name, kind: known, value: 0, samples });
        }
        u32::try_from(id).map_err(|_| Status::InternalFailure)
    }

    /// A counter takes only what makes it rise.
    pub(crate) fn increment(&mut self, id: u32, by: i64) -> Result<(), Status> {
        let metric = self.get_mut(id)?;
        metric.value = match (metric.kind, by) {
            (MetricKind::Counter, 1..) | (MetricKind::Gauge, _) => {
                metric.value.wrapping_add_signed(by)
            }
            _ => return Err(Status::BadArgument),
        };
        Ok(())
    }

    /// A counter rises by the value, a gauge is set to it.
    pub(crate) fn record(&mut self, id: u32, value: u64) -> Result<(), Status> {
        let metric = self.get_mut(id)?;
        match metric.kind {
            MetricKind::Counter => metric.value = metric.value.wrapping_add(value),
            MetricKind::Gauge => metric.value = value,
            MetricKind::Histogram => metric.samples.push(value),
        }
        Ok(())
    }

    pub(crate) fn get(&mut self, id: u32) -> Result<u64, Status> {
        match self.get_mut(id)? {
            Metric { kind: MetricKind::Histogram, .. } => Err(Status::BadArgument),
            metric => Ok(metric.value),
        }
    }

    pub(crate) fn value(&self, name: &str) -> Option<u64> {
        let metric = self.list.iter().find(|metric| metric.name == name)?;
        (metric.kind != MetricKind::Histogram).then_some(metric.value)
    }

    pub(crate) fn samples(&self, name: &str) -> Vec<u64> {
        let metric = self.list.iter().find(|metric| metric.name == name);
        metric.map(|metric| metric.samples.clone()).unwrap_or_default()
    }

    pub(crate) fn all(&self) -> BTreeMap<String, (MetricKind, u64)> {
        self.list.iter().map(|metric| (metric.name.clone(), (metric.kind, metric.value))).collect()
    }

    fn get_mut(&mut self, id: u32) -> Result<&mut Metric, Status> {
        usize::try_from(id).ok().and_then(|id| self.list.get_mut(id)).ok_or(Status::NotFound)
    }
}
