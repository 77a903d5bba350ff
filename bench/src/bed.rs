//! A cluster under test with its key space, on which loads are run.

use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, Setup, System};
use crate::error::BenchError;
use crate::link::{Link, Protocol, connect};
use crate::load::{Load, Outcome, run};
use crate::measure::Measured;
use crate::workload::{Answer, Keys, Source, Values, Workload};

/// Keys of one request while the key space is filled: less than etcd's limit of 128.
const FILL_KEYS: usize = 100;
/// And bytes, less than etcd's limit of 1.5 MiB.
const FILL_BYTES: usize = 1 << 20;
/// Requests under way meanwhile.
const FILLERS: usize = 8;
/// How often one request is tried meanwhile.
const FILL_TRIES: usize = 100;
/// After filling, what was written is still being moved about.
pub const SETTLE: Duration = Duration::from_secs(1);

/// Where clients send their operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// All to the leader.
    Leader,
    /// Each to a random server.
    Random,
}

/// One cluster and its key space.
#[derive(Debug)]
pub struct Bed {
    /// The servers.
    pub cluster: Cluster,
    /// The key space.
    pub keys: Arc<Keys>,
}

impl Bed {
    /// Starts a fresh cluster with an empty space of `keys` keys.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(system: System, setup: &Setup, keys: usize) -> Result<Self, BenchError> {
        Ok(Bed { cluster: Cluster::start(system, setup).await?, keys: Arc::new(Keys::new(keys)) })
    }

    /// Writes every key once.
    ///
    /// # Errors
    /// A write failed again and again.
    pub async fn fill(&mut self, value_bytes: usize, seed: u64) -> Result<(), BenchError> {
        let leader = self.cluster.settled().await?;
        let address = self.cluster.addresses().swap_remove(leader);
        let protocol = unary(self.cluster.system);
        let together = (FILL_BYTES / value_bytes.max(1)).clamp(1, FILL_KEYS);
        let values = Values::new(value_bytes, seed);
        let mut fillers = JoinSet::new();
        for (filler, link) in connect(protocol, &[address], FILLERS)?.into_iter().enumerate() {
            let keys = Arc::clone(&self.keys);
            let source = Source::new(Workload::Put, values.clone(), seed);
            fillers.spawn(fill(link, keys, source, filler * together, together));
        }
        while let Some(filled) = fillers.join_next().await {
            filled.map_err(|error| failed_fill(&error.to_string()))??;
        }
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }

    /// Puts a load on the cluster over `connections` connections.
    ///
    /// # Errors
    /// A server ended, or there is no leader.
    pub async fn run(
        &mut self,
        protocol: Protocol,
        placement: Placement,
        connections: usize,
        load: &Load,
    ) -> Result<Measured, BenchError> {
        let leader = self.cluster.settled().await?;
        let outcome = self.outcome(protocol, placement, connections, load).await?;
        Ok(Measured::of(protocol, &outcome, leader))
    }

    /// The same, with everything that was measured.
    ///
    /// # Errors
    /// A server ended, or there is no leader.
    pub async fn outcome(
        &mut self,
        protocol: Protocol,
        placement: Placement,
        connections: usize,
        load: &Load,
    ) -> Result<Outcome, BenchError> {
        let leader = self.cluster.settled().await?;
        let links = self.links(protocol, placement, connections, leader)?;
        let outcome = run(links, Arc::clone(&self.keys), load, &self.cluster.pids()).await;
        for server in &mut self.cluster.servers {
            server.alive()?;
        }
        Ok(outcome)
    }

    /// Connections to the cluster, whose leader is the server at `leader`.
    ///
    /// # Errors
    /// As [`connect`].
    pub fn links(
        &self,
        protocol: Protocol,
        placement: Placement,
        connections: usize,
        leader: usize,
    ) -> Result<Vec<Link>, BenchError> {
        let mut addresses = self.cluster.addresses();
        if placement == Placement::Leader {
            addresses = vec![addresses.swap_remove(leader)];
        }
        connect(protocol, &addresses, connections.next_multiple_of(addresses.len()))
    }
}

/// How a system is spoken to, a call per operation.
#[must_use]
pub fn unary(system: System) -> Protocol {
    match system {
        System::Etcd => Protocol::Etcd,
        System::Ours => Protocol::Unary,
    }
}

/// Writes the keys from `first` on, `together` at a time, leaving to the other fillers what is theirs.
async fn fill(
    mut link: Link,
    keys: Arc<Keys>,
    mut source: Source,
    mut first: usize,
    together: usize,
) -> Result<(), BenchError> {
    while first < keys.count() {
        let count = together.min(keys.count() - first);
        let operation = source.many(first, count);
        let mut tries = 0;
        let version = loop {
            tries += 1;
            match link.call(operation.clone()).await {
                Ok(Answer::Written(version)) => break version,
                Ok(other) => return Err(failed_fill(&format!("{other:?}"))),
                Err(kind) if tries == FILL_TRIES => return Err(failed_fill(kind)),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        (first..first + count).for_each(|number| keys.saw(number, version));
        first += FILLERS * together;
    }
    Ok(())
}

fn failed_fill(reason: &str) -> BenchError {
    BenchError::Call { what: "filling the key space".to_owned(), reason: reason.to_owned() }
}
