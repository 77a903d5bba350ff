//! Families of values that are read when somebody asks, rather than counted as things happen.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::store_loop::Times;

/// Names and values of labels.
pub type Labels = Vec<(&'static str, String)>;

/// Writes families one after the other.
#[derive(Debug)]
pub struct Page<'a>(pub DescriptorEncoder<'a>);

impl Page<'_> {
    /// Values that go up and down.
    pub fn gauges(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, samples, |value, mut encoder| encoder.encode_gauge(&value))
    }

    /// One value that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.gauges(name, help, [(Labels::new(), value)])
    }

    /// Values that only rise; `_total` is added to the name.
    pub fn counters(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, samples, |value, mut encoder| {
            encoder.encode_counter::<NoLabelSet, _, f64>(&value, None)
        })
    }

    /// How long something takes.
    pub fn histograms<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, &'a Times)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, samples, |times, mut encoder| {
            let classes = times.classes();
            let count = classes.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(times.nanos() as f64 / 1e9, count, &classes, None)
        })
    }

    fn family<T>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels, T)>,
        encode: impl Fn(T, MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            encode(value, family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
