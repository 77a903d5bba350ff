//! A whole node: sockets, threads, the store, and how it ends.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use raft::NodeId;
use rustix::fs::statvfs;
use store::replica::ExitCode;
use tokio::sync::watch;

use crate::api::RequestTimes;
use crate::budget::{Budget, memory_limit};
use crate::config::Config;
use crate::data_lock::lock;
use crate::handle::Handle;
use crate::health::Readiness;
use crate::http::{self, Shown};
use crate::listener::Listener;
use crate::metrics::{Scrape, Sources};
use crate::observer;
use crate::rocks::{EngineSettings, LogSettings};
use crate::services::{self, Serving};
use crate::store_loop::{self, InboxLimits, Parts, Running};
use crate::termination::{DamageMark, Termination};
use crate::threads::RuntimeThread;
use crate::transport::{AddressBook, Mine, PeerAddresses, Senders, TransportCounters};

/// Where a node listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses {
    /// Clients.
    pub client: SocketAddr,
    /// Peers and administrators.
    pub peer: SocketAddr,
    /// Health and metrics.
    pub http: SocketAddr,
}

/// A node that runs.
pub struct Node {
    pub(crate) config: Config,
    addresses: Addresses,
    pub(crate) readiness: watch::Sender<Readiness>,
    pub(crate) state: State,
    /// Held as long as the data are open.
    pub(crate) lock: File,
    pub(crate) peers: RuntimeThread,
    pub(crate) clients: RuntimeThread,
}

/// What a node does.
pub(crate) enum State {
    /// It takes part.
    Running {
        /// To the store.
        handle: Handle,
        /// Its threads.
        running: Running,
        /// Its servers.
        serving: Serving,
    },
    /// Its data are damaged: it says so and does nothing else.
    Damaged,
}

struct Listeners {
    client: Listener,
    peer: Listener,
    http: Listener,
}

impl Node {
    /// Opens everything and serves, as soon as no other process has the data. Health is served before the data are
    /// open.
    ///
    /// # Errors
    /// The end that the process must have; it is noted in the data folder if the data are damaged.
    pub async fn start(config: Config) -> Result<Self, Termination> {
        let lock = lock(&config.data_dir, config.lock_timeout).await?;
        let listeners = Listeners {
            client: Listener::open("client_listen", config.client_listen)?,
            peer: Listener::open("peer_listen", config.peer_listen)?,
            http: Listener::open("http_listen", config.http_listen)?,
        };
        let addresses = Addresses {
            client: listeners.client.address(),
            peer: listeners.peer.address(),
            http: listeners.http.address(),
        };
        tracing::info!(
            client = %addresses.client, peer = %addresses.peer, http = %addresses.http,
            data = %config.data_dir.display(), version = env!("CARGO_PKG_VERSION"),
            "kv-node starts; trusted networks only: there is no TLS yet"
        );
        let peers = RuntimeThread::start("peers")?;
        let clients = RuntimeThread::start("clients")?;
        let (readiness, shown) = watch::channel(Readiness::starting());
        let scrape = Arc::new(Scrape::default());
        let pages = http::serve(listeners.http, Shown { readiness: shown, scrape: Arc::clone(&scrape) });
        peers.runtime().spawn(services::report("http", pages));
        let mark = DamageMark::of(&config.data_dir);
        let state = match mark.read() {
            Some(damage) => {
                tracing::error!(
                    reason = damage.reason,
                    message = damage.message,
                    "the data are damaged: this node takes no part, replace it"
                );
                readiness.send_replace(Readiness::not("damaged", damage.message.clone()));
                peers.runtime().spawn(services::report("peers", services::damaged(listeners.peer, damage)));
                State::Damaged
            }
            None => {
                let listeners = (listeners.client, listeners.peer);
                Self::open(&config, addresses, listeners, (&clients, &peers), &readiness, &scrape, &mark)?
            }
        };
        Ok(Self { config, addresses, readiness, state, lock, peers, clients })
    }

    fn open(
        config: &Config,
        addresses: Addresses,
        listeners: (Listener, Listener),
        runtimes: (&RuntimeThread, &RuntimeThread),
        readiness: &watch::Sender<Readiness>,
        scrape: &Scrape,
        mark: &DamageMark,
    ) -> Result<State, Termination> {
        let (_, peers) = runtimes;
        let limit = memory_limit();
        let budget = Budget::of(config, limit.size);
        tracing::info!(
            memory_bytes = budget.memory,
            from = if config.memory_bytes.is_some() { "the configuration" } else { limit.from },
            block_cache_bytes = budget.block_cache,
            data_memtable_bytes = budget.data_memtable,
            log_memtable_bytes = budget.log_memtable,
            inbox_bytes = budget.inboxes,
            uncommitted_bytes = budget.uncommitted,
            "the memory budget"
        );
        let reserve = budget.reserve(disk_bytes(&config.data_dir)?);
        let book = address_book(config, addresses);
        let transport = Arc::new(TransportCounters::default());
        let mut senders = Senders::new(peers.runtime().clone(), book.clone(), Arc::clone(&transport));
        let start_fetching = senders.fetching();
        let parts = Parts {
            data: config.data_dir.clone(),
            engine: EngineSettings { memtable_bytes: budget.data_memtable, cache_bytes: budget.block_cache },
            log: LogSettings { memtable_bytes: budget.log_memtable },
            settings: config.store(&budget, reserve),
            carrier: config.carrier(reserve),
            // A third each for requests, envelopes, and what is on its way out.
            inbox: InboxLimits {
                foreground_bytes: budget.inboxes / 3,
                system_bytes: budget.inboxes / 3,
                write_wait: config.write_wait,
                ..InboxLimits::default()
            },
            outbound: Box::new(senders),
        };
        let (handle, running) = store_loop::start(parts).map_err(|fault| {
            let termination = Termination::of(&fault, None);
            mark.leave(&fault, &termination);
            termination
        })?;
        mark.remember(handle.summary().borrow().identity.disk);
        start_fetching(handle.clone());
        let times = Arc::<RequestTimes>::default();
        let (of_transport, of_requests) = (Arc::clone(&transport), Arc::clone(&times));
        scrape.set(Sources { handle: handle.clone(), transport: of_transport, times: of_requests });
        let election_timeout = config.election_timeout;
        peers.runtime().spawn(observer::observe(handle.summary(), readiness.clone(), election_timeout));
        let parts = services::Parts {
            handle: handle.clone(),
            book,
            readiness: readiness.subscribe(),
            transport,
            times,
        };
        let serving = services::serve(config, listeners, runtimes, parts);
        Ok(State::Running { handle, running, serving })
    }

    /// Where it listens, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Its id, once it has one.
    #[must_use]
    pub fn id(&self) -> Option<NodeId> {
        let State::Running { handle, .. } = &self.state else { return None };
        handle.summary().borrow().identity.member.map(|(_, node)| node)
    }

    /// Why the process must end at once, as soon as there is a reason; it is noted in the data folder if the data are
    /// damaged.
    pub fn fault(&self) -> impl Future<Output = Termination> + Send + 'static {
        let told = match &self.state {
            State::Running { running, handle, .. } => Some((running.fault(), handle.summary())),
            State::Damaged => None,
        };
        let mark = DamageMark::of(&self.config.data_dir);
        async move {
            let Some((told, summary)) = told else { return std::future::pending().await };
            let fault = told.await;
            let node = summary.borrow().identity.member.map(|(_, node)| node.0);
            let termination = Termination::of(&fault, node);
            tracing::error!(
                reason = termination.reason,
                exit_code = termination.exit_code,
                node,
                message = termination.message,
                "this process ends"
            );
            mark.leave(&fault, &termination);
            termination
        }
    }
}

fn disk_bytes(data_dir: &Path) -> Result<u64, Termination> {
    match statvfs(data_dir) {
        Ok(disk) => Ok(disk.f_blocks.saturating_mul(disk.f_frsize)),
        Err(error) => {
            let what = format!("the size of the disk at {} is not known: {error}", data_dir.display());
            Err(Termination::new(ExitCode::Sync, what, None))
        }
    }
}

fn address_book(config: &Config, addresses: Addresses) -> AddressBook {
    let mine = |advertised: &Option<String>, listened: SocketAddr| {
        advertised.clone().unwrap_or_else(|| listened.to_string())
    };
    let mine = Mine {
        peer: mine(&config.peer_advertise, addresses.peer),
        client: mine(&config.client_advertise, addresses.client),
    };
    let (known, template) = (config.peer_addresses.clone(), config.peer_address_template.clone());
    AddressBook::kept_in(config.data_dir.join("addresses.json"), mine, PeerAddresses { known, template })
}
