//! Three servers of one kind on loopback, with fresh data.

pub mod cgroup;
mod etcd;
mod ours;
pub mod server;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

pub use server::{POLL, Server};

use crate::error::BenchError;

/// How long three empty servers may take to serve.
const START: Duration = Duration::from_secs(60);
/// How many servers a cluster has.
const SERVERS: usize = 3;

/// Whose servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum System {
    /// etcd.
    Etcd,
    /// kv-node.
    Ours,
}

/// Where programs and data are.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The etcd server.
    pub etcd: PathBuf,
    /// kv-node.
    pub kv_node: PathBuf,
    /// Added to the arguments of every kv-node.
    pub node_arguments: Vec<String>,
    /// Folder for all data.
    pub folder: PathBuf,
    /// Added to each sync of every server.
    pub sync_delay: Option<Duration>,
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Its id.
    pub node: u64,
    /// Who leads; 0: nobody that it knows.
    pub leader: u64,
    /// In which term.
    pub term: u64,
    /// Whether it would be given traffic.
    pub ready: bool,
}

/// Three servers. They die, and their data with them, when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Whose.
    pub system: System,
    /// All of them.
    pub servers: Vec<Server>,
    folder: PathBuf,
    setup: Setup,
}

impl Cluster {
    /// Starts three servers with fresh data, and waits until all serve.
    ///
    /// # Errors
    /// A program is missing, does not start, or does not serve in time.
    pub async fn start(system: System, setup: &Setup) -> Result<Self, BenchError> {
        let (program, hint) = match system {
            System::Etcd => (&setup.etcd, "dev/etcd builds it and prints its path, for --etcd"),
            System::Ours => (&setup.kv_node, "dev/release builds it, for --kv-node"),
        };
        if !program.is_file() {
            return Err(BenchError::NoProgram { path: program.clone(), hint });
        }
        let folder = setup.folder.join(match system {
            System::Etcd => "etcd",
            System::Ours => "kv-node",
        });
        // What an interrupted run left behind.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(BenchError::file(&folder))?;
        let plans = match system {
            System::Etcd => etcd::plans(setup, &folder, &free_ports(2 * SERVERS)?),
            System::Ours => ours::plans(setup, &folder, &free_ports(3 * SERVERS)?),
        };
        let mut cluster = Cluster { system, servers: Vec::new(), folder, setup: setup.clone() };
        for plan in plans {
            cluster.servers.push(Server::start(plan).await?);
        }
        if system == System::Ours {
            cluster
                .until("the first start of all nodes", START, |known| known.iter().all(Option::is_some))
                .await?;
            let peers: Vec<_> = cluster.servers.iter().map(|server| server.plan.peer.clone()).collect();
            ours::bootstrap(&peers).await?;
        }
        cluster.settled().await?;
        Ok(cluster)
    }

    /// host:port for clients, of all servers.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.plan.client.clone()).collect()
    }

    /// The processes of all servers.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(Server::pid).collect()
    }

    /// Waits until all servers are ready and agree on a leader; returns which one.
    ///
    /// # Errors
    /// One ended, or they took too long.
    pub async fn settled(&mut self) -> Result<usize, BenchError> {
        let known = self
            .until("agreement on a leader", START, |known| {
                let leader = known.first().copied().flatten().map_or(0, |status| status.leader);
                leader != 0
                    && known
                        .iter()
                        .all(|status| status.is_some_and(|status| status.ready && status.leader == leader))
            })
            .await?;
        Ok(known.iter().flatten().position(|status| status.node == status.leader).unwrap_or(0))
    }

    /// The highest term that any server knows.
    pub async fn term(&self) -> u64 {
        self.statuses().await.into_iter().flatten().map(|status| status.term).max().unwrap_or(0)
    }

    /// Starts one more, empty node of ours in the folder `name`; it belongs to the cluster only after [`Cluster::add_learner`].
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub async fn start_another(&mut self, name: &str) -> Result<Server, BenchError> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).map_err(BenchError::file(&folder))?;
        let plans = ours::plans(&self.setup, &folder, &free_ports(3)?);
        let plan = plans.into_iter().next().ok_or_else(|| BenchError::Unable("no free ports".to_owned()))?;
        let mut server = Server::start(plan).await?;
        let start = Instant::now();
        while ours::status(&server.plan.peer).await.is_none() {
            server.alive()?;
            if start.elapsed() > START {
                return Err(too_slow("the start of another node", START, ""));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(server)
    }

    /// Adds a node of ours as a learner. Returns its id.
    ///
    /// # Errors
    /// The leader refused.
    pub async fn add_learner(&mut self, node: &Server) -> Result<u64, BenchError> {
        let leader = self.settled().await?;
        ours::add_learner(&self.servers[leader].plan.peer, &node.plan.peer).await
    }

    /// Whether a server of ours leads that says that the learner `node` is caught up.
    pub async fn caught_up(&self, node: u64) -> bool {
        for server in &self.servers {
            if ours::caught_up(&server.plan.peer, node).await {
                return true;
            }
        }
        false
    }

    /// Stops all servers in peace.
    pub async fn stop(mut self) {
        for server in &self.servers {
            server.ask_to_stop();
        }
        for server in &mut self.servers {
            server.stop().await;
        }
    }

    async fn statuses(&self) -> Vec<Option<Status>> {
        let asked = self.servers.iter().map(|server| async {
            match self.system {
                System::Etcd => etcd::status(&server.plan.client).await,
                System::Ours => ours::status(&server.plan.peer).await,
            }
        });
        futures_util::future::join_all(asked).await
    }

    async fn until(
        &mut self,
        what: &str,
        limit: Duration,
        holds: impl Fn(&[Option<Status>]) -> bool,
    ) -> Result<Vec<Option<Status>>, BenchError> {
        let start = Instant::now();
        loop {
            let known = self.statuses().await;
            if holds(&known) {
                return Ok(known);
            }
            for server in &mut self.servers {
                server.alive()?;
            }
            if start.elapsed() > limit {
                return Err(too_slow(what, limit, &format!("; the servers say {known:?}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.servers.clear();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The error that `what` did not happen within `limit`.
#[must_use]
pub fn too_slow(what: &str, limit: Duration, detail: &str) -> BenchError {
    BenchError::TooSlow { what: what.to_owned(), seconds: limit.as_secs(), detail: detail.to_owned() }
}

/// Makes the folder for data and refuses one on which a sync costs nothing.
///
/// # Errors
/// It cannot be made, or is in memory.
pub fn on_disk(folder: &Path) -> Result<(), BenchError> {
    const TMPFS: i128 = 0x0102_1994;
    std::fs::create_dir_all(folder).map_err(BenchError::file(folder))?;
    let system = rustix::fs::statfs(folder).map_err(|error| BenchError::file(folder)(error.into()))?;
    if i128::from(system.f_type) == TMPFS {
        return Err(BenchError::InMemory { path: folder.to_owned() });
    }
    Ok(())
}

/// Ports of loopback on which nothing listens.
fn free_ports(count: usize) -> Result<Vec<u16>, BenchError> {
    // All are held until all are chosen, so that they differ.
    let held: Result<Vec<_>, _> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
    let ports = held.and_then(|held| held.iter().map(|socket| Ok(socket.local_addr()?.port())).collect());
    ports.map_err(|error| BenchError::Unable(format!("no free port on 127.0.0.1: {error}")))
}
