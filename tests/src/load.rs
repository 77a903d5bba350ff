//! Several clients at once, and what they see.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sim::nodes::history::Done;
use store::replica::Request;
use store::request::{Operation, Write};
use testing::{Cluster, wait_until};
use tokio::task::JoinSet;

use crate::client::{Client, State};

/// Of which [`PATIENT`] only read.
const CLIENTS: usize = 8;
/// These wait for an answer until a stopped node goes on.
const PATIENT: usize = 2;
const PATIENCE: Duration = Duration::from_secs(6);
/// Of all others.
const IMPATIENCE: Duration = Duration::from_millis(400);

/// What all clients have in common.
pub(crate) struct Shared {
    begun: Instant,
    order: AtomicU64,
    pub(crate) stop: AtomicBool,
    writes: Mutex<Writes>,
}

#[derive(Clone, Copy)]
struct Writes {
    count: u64,
    last: Instant,
    longest: Duration,
}

impl Shared {
    /// The place of this moment in the order of all, and the time in nanoseconds.
    pub(crate) fn now(&self) -> (u64, u64) {
        (self.order.fetch_add(1, Ordering::SeqCst), self.begun.elapsed().as_nanos() as u64)
    }

    /// A write was successful.
    pub(crate) fn written(&self) {
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        writes.longest = writes.longest.max(now - writes.last);
        (writes.last, writes.count) = (now, writes.count + 1);
    }
}

/// Clients that ask until they are stopped.
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<Vec<Done>>,
    bulk: Vec<Done>,
}

/// What the clients of a load saw.
pub struct Seen {
    /// Every request, whatever became of it.
    pub history: Vec<Done>,
    /// Writes that were acknowledged.
    pub written: u64,
    /// The longest time without a successful write.
    pub longest: Duration,
}

impl Load {
    /// Clients of all nodes of a cluster, which write values of `padding` bytes and a few more.
    #[must_use]
    pub fn start(cluster: &Cluster, padding: usize) -> Self {
        let now = Instant::now();
        let writes = Writes { count: 0, last: now, longest: Duration::ZERO };
        let (order, stop) = (AtomicU64::new(1), AtomicBool::new(false));
        let shared = Arc::new(Shared { begun: now, order, stop, writes: Mutex::new(writes) });
        let mut clients = JoinSet::new();
        for name in 0..CLIENTS {
            clients.spawn(client(name, cluster, &shared, padding).run());
        }
        Self { shared, clients, bulk: Vec::new() }
    }

    /// Writes random values, so many of so many bytes each, which no other client reads or writes.
    pub async fn bulk(&mut self, cluster: &Cluster, values: usize, bytes: usize) {
        let mut client = client(CLIENTS, cluster, &self.shared, 0);
        client.patience = PATIENCE;
        for number in 0..values {
            let mut value = vec![0; bytes];
            client.random.fill(value.as_mut_slice());
            // In front of the keys of all others.
            let key = format!("bulk-{number}").into();
            let operations = vec![Operation::Put { key, value: value.into() }];
            let request = Request::Write(Write { operations, ..Write::default() });
            self.bulk.push(client.ask(request).await);
        }
    }

    fn writes(&self) -> Writes {
        *self.shared.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many more writes were acknowledged.
    pub async fn more(&self, writes: u64) {
        let enough = self.writes().count + writes;
        wait_until("writes are acknowledged", async || (self.writes().count >= enough).then_some(())).await;
    }

    /// Stops the clients, each when it knows the outcome of its request.
    pub async fn stop(self) -> Seen {
        let writes = self.writes();
        let longest = writes.longest.max(writes.last.elapsed());
        self.shared.stop.store(true, Ordering::Relaxed);
        let history = self.clients.join_all().await.into_iter().flatten().chain(self.bulk).collect();
        Seen { history, written: writes.count, longest }
    }
}

fn client(name: usize, cluster: &Cluster, shared: &Arc<Shared>, padding: usize) -> Client {
    let only_reads = name < PATIENT;
    Client {
        name,
        nodes: cluster.nodes.iter().map(testing::NodeProcess::kv).collect(),
        random: StdRng::from_os_rng(),
        shared: Arc::clone(shared),
        patience: if only_reads { PATIENCE } else { IMPATIENCE },
        only_reads,
        padding,
        state: State::default(),
    }
}
