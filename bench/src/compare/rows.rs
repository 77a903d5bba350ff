//! What is compared.

use serde::Serialize;

use crate::bed::Placement;
use crate::link::Protocol;
use crate::workload::Workload;

/// The value size of rows that do not say another.
const VALUE: usize = 256;
/// Keys of a row at most,
const KEYS: usize = 100_000;
/// and bytes of values at most.
const SPACE: usize = 256 << 20;

/// One comparison.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Row {
    /// The mix.
    pub workload: Workload,
    /// Operations under way at most.
    pub clients: usize,
    /// The size of written values.
    pub value_bytes: usize,
    /// Where clients send their operations.
    pub placement: Placement,
    /// Of etcd's peak, which an earlier row measured; absent: as fast as it goes.
    pub share_of_peak: Option<f64>,
    /// Whether our batch stream is measured as well.
    pub stream: bool,
}

impl Row {
    fn new(workload: Workload, clients: usize) -> Self {
        let placement = Placement::Leader;
        Row { workload, clients, value_bytes: VALUE, placement, share_of_peak: None, stream: false }
    }

    /// A point of a curve.
    #[must_use]
    pub fn of_curve(workload: Workload, clients: usize) -> Self {
        Row::new(workload, clients).streamed()
    }

    fn streamed(self) -> Self {
        Row { stream: true, ..self }
    }

    fn random(self) -> Self {
        Row { placement: Placement::Random, ..self }
    }

    fn values(self, value_bytes: usize) -> Self {
        Row { value_bytes, ..self }
    }

    fn paced(self, share: f64) -> Self {
        Row { share_of_peak: Some(share), ..self }
    }

    /// The name, by which rows are chosen.
    #[must_use]
    pub fn name(&self) -> String {
        let workload = match self.workload {
            Workload::Put => "put",
            Workload::PutHot => "put-hot",
            Workload::Get => "get",
            Workload::Scan => "scan",
            Workload::Cas => "cas",
            Workload::Mix95 => "mix95",
            Workload::Mix50 => "mix50",
        };
        let mut name = format!("{workload}/{}", self.clients);
        match self.value_bytes {
            VALUE => {}
            bytes if bytes % 1024 == 0 => name += &format!("/{}KiB", bytes / 1024),
            bytes => name += &format!("/{bytes}B"),
        }
        if let Some(share) = self.share_of_peak {
            name += &format!("/{:.0}%", share * 100.0);
        }
        if self.placement == Placement::Random {
            name += "/random";
        }
        name
    }

    /// Whether `text` means this one of `rows`: by its name or, if no row has that name, by a part of it.
    #[must_use]
    pub fn is_meant(&self, text: &str, rows: &[Row]) -> bool {
        match rows.iter().any(|row| row.name() == text) {
            true => self.name() == text,
            false => self.name().contains(text),
        }
    }

    /// In the order in which they take their turns.
    #[must_use]
    pub fn protocols(&self) -> Vec<Protocol> {
        let mut protocols = vec![Protocol::Etcd, Protocol::Unary];
        if self.stream {
            protocols.push(Protocol::Batch);
        }
        protocols
    }

    /// How many connections a protocol gets: a call per operation spreads as etcd's own benchmarks do, a stream is
    /// made to carry many clients.
    #[must_use]
    pub fn connections(&self, protocol: Protocol) -> usize {
        match (protocol, self.clients) {
            (Protocol::Batch, clients) => clients.min(2),
            (_, 0..16) => self.clients,
            (_, 16..256) => 4,
            _ => 100,
        }
    }

    /// How many keys there are.
    #[must_use]
    pub fn keys(&self) -> usize {
        KEYS.min(SPACE / self.value_bytes.max(1))
    }

    /// Whether the keys must be there before.
    #[must_use]
    pub fn filled(&self) -> bool {
        !matches!(self.workload, Workload::Put | Workload::PutHot)
    }

    /// The row that measures the peak of this one.
    #[must_use]
    pub fn peak(&self) -> Row {
        Row { share_of_peak: None, ..self.clone() }
    }
}

/// Those that say the most.
#[must_use]
pub fn short() -> Vec<Row> {
    use Workload::{Cas, Get, Mix50, Mix95, Put, PutHot, Scan};
    vec![
        Row::new(Put, 1).streamed(),
        Row::new(Put, 64).streamed(),
        Row::new(Put, 1000).streamed(),
        Row::new(Put, 1000).paced(0.5),
        Row::new(Get, 64).streamed(),
        Row::new(Get, 1000).streamed(),
        Row::new(PutHot, 64),
        Row::new(Scan, 64),
        Row::new(Cas, 64),
        Row::new(Mix95, 64),
        Row::new(Mix50, 64),
        Row::new(Put, 64).values(16),
        Row::new(Put, 64).values(4 << 10),
        Row::new(Put, 64).values(64 << 10),
        Row::new(Put, 64).random(),
        Row::new(Put, 1000).random(),
        Row::new(Get, 64).random(),
        Row::new(Get, 1000).random(),
    ]
}

/// All of them.
#[must_use]
pub fn full() -> Vec<Row> {
    let workloads = [
        Workload::Put,
        Workload::PutHot,
        Workload::Get,
        Workload::Scan,
        Workload::Cas,
        Workload::Mix95,
        Workload::Mix50,
    ];
    let mut rows = Vec::new();
    for workload in workloads {
        for clients in [1, 64, 1000] {
            rows.push(Row::new(workload, clients).streamed());
            rows.push(Row::new(workload, clients).streamed().random());
        }
    }
    for share in [0.25, 0.5, 0.75] {
        rows.push(Row::new(Workload::Put, 1000).streamed().paced(share));
        rows.push(Row::new(Workload::Get, 1000).streamed().paced(share));
    }
    for bytes in [16, 1 << 10, 4 << 10, 16 << 10, 64 << 10] {
        for clients in [1, 64, 1000] {
            rows.push(Row::new(Workload::Put, clients).streamed().values(bytes));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct_and_peaks_come_before_what_is_paced_by_them() {
        for rows in [short(), full()] {
            let names: BTreeSet<_> = rows.iter().map(Row::name).collect();
            assert_eq!(names.len(), rows.len());
            for (at, row) in rows.iter().enumerate().filter(|(_, row)| row.share_of_peak.is_some()) {
                assert!(rows[..at].iter().any(|before| before.name() == row.peak().name()), "{}", row.name());
            }
        }
    }

    #[test]
    fn a_name_means_one_row_and_a_part_of_names_several() {
        let rows = short();
        let meant = |text: &str| rows.iter().filter(|row| row.is_meant(text, &rows)).count();
        assert_eq!((meant("put/1"), meant("get"), meant("nothing")), (1, 4, 0));
    }

    #[test]
    fn names_say_what_differs() {
        assert_eq!(Row::new(Workload::Put, 64).values(64 << 10).random().name(), "put/64/64KiB/random");
        assert_eq!(Row::new(Workload::Get, 1000).paced(0.5).name(), "get/1000/50%");
    }
}
