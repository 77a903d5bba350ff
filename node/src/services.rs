//! The servers of a node: which service is on which port, and how they end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use proto::admin::v1::admin_server::AdminServer;
use proto::peer::v1::forward_server::ForwardServer;
use proto::peer::v1::raft_server::RaftServer;
use proto::peer::v1::snapshot_server::SnapshotServer;
use proto::v1::cluster_server::ClusterServer;
use proto::v1::kv_server::KvServer;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::admin::{AdminService, DamagedAdmin};
use crate::api::{ApiSettings, ClusterService, Executor, ForwardService, KvService, RequestTimes};
use crate::config::Config;
use crate::handle::Handle;
use crate::health::Readiness;
use crate::listener::Listener;
use crate::termination::Termination;
use crate::threads::RuntimeThread;
use crate::transport::{
    AddressBook, Forwarder, MESSAGE_BYTES, RaftService, SnapshotService, TransportCounters,
};

/// Of a stream between peers.
const PEER_WINDOW: u32 = 16 << 20;

/// What the services are made of.
pub struct Parts {
    /// To the store.
    pub handle: Handle,
    /// Where nodes are.
    pub book: AddressBook,
    /// Whether this node should be given traffic.
    pub readiness: watch::Receiver<Readiness>,
    /// What goes wrong between nodes.
    pub transport: Arc<TransportCounters>,
    /// How long requests take.
    pub times: Arc<RequestTimes>,
}

/// The servers while they run.
pub struct Serving {
    draining: watch::Sender<bool>,
    clients: JoinHandle<()>,
}

impl Serving {
    /// Takes no new connection or call, and waits at most so long for the calls of clients under way. Those of peers
    /// last as long as both processes: there is nothing to wait for.
    pub async fn drain(self, most: Duration) {
        self.draining.send_replace(true);
        if timeout(most, self.clients).await.is_err() {
            tracing::info!("some calls did not end in time");
        }
    }
}

/// Serves clients and peers, each on a runtime; the sockets are open already.
pub fn serve(
    config: &Config,
    (client, peer): (Listener, Listener),
    (clients, peers): (&RuntimeThread, &RuntimeThread),
    parts: Parts,
) -> Serving {
    let (draining, drained) = watch::channel(false);
    let serving = serve_clients(config, client, clients, &parts, drained.clone());
    let clients = clients.runtime().spawn(report("clients", serving));
    let serving = serve_peers(config, peer, peers, parts, drained);
    peers.runtime().spawn(report("peers", serving));
    Serving { draining, clients }
}

/// What executes requests on a runtime.
fn executor(
    config: &Config,
    runtime: &RuntimeThread,
    parts: &Parts,
    forwarder: Option<Forwarder>,
) -> Executor {
    let (asker, answers) = parts.handle.asker();
    runtime.runtime().spawn(answers);
    let Config { deadline, session_expiry, batch_operations, .. } = *config;
    let settings = ApiSettings { deadline, session_expiry, batch_operations };
    Executor::new(&parts.handle, asker, parts.book.clone(), forwarder, settings, Arc::clone(&parts.times))
}

fn serve_clients(
    config: &Config,
    listener: Listener,
    runtime: &RuntimeThread,
    parts: &Parts,
    drained: watch::Receiver<bool>,
) -> impl Future<Output = io::Result<()>> + Send + use<> {
    let most = config.message_bytes.0;
    let summary = parts.handle.summary();
    let cluster = move || summary.borrow().identity.member.unwrap_or_default().0;
    let forwarder = Forwarder::new(parts.book.clone(), cluster, config.deadline);
    let kv = KvService::new(executor(config, runtime, parts, Some(forwarder)));
    let kv = KvServer::new(kv).max_decoding_message_size(most).max_encoding_message_size(most);
    let cluster = ClusterServer::new(ClusterService::new(&parts.handle, parts.book.clone()));
    let (reporter, health) = tonic_health::server::health_reporter();
    runtime.runtime().spawn(show_health(reporter, parts.readiness.clone()));
    let mut server = server(config);
    async move {
        let (v1, v1alpha) = (reflection().build_v1(), reflection().build_v1alpha());
        server
            .add_service(kv)
            .add_service(cluster)
            .add_service(health)
            // Older tools ask for the older version.
            .add_service(v1.map_err(io::Error::other)?)
            .add_service(v1alpha.map_err(io::Error::other)?)
            .serve_with_incoming_shutdown(listener.incoming()?, ended(drained))
            .await
            .map_err(io::Error::other)
    }
}

/// Names only what is served on the port of clients.
fn reflection<'a>() -> tonic_reflection::server::Builder<'a> {
    tonic_reflection::server::Builder::configure()
        .with_service_name("kvcluster.v1.Kv")
        .with_service_name("kvcluster.v1.Cluster")
        .with_service_name("grpc.health.v1.Health")
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Says over gRPC what `/readyz` says, for as long as the node lives.
async fn show_health(reporter: HealthReporter, mut readiness: watch::Receiver<Readiness>) {
    loop {
        let ready = readiness.borrow_and_update().ready;
        let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
        // The empty name is the server as a whole.
        for service in ["", "kvcluster.v1.Kv", "kvcluster.v1.Cluster"] {
            reporter.set_service_status(service, status).await;
        }
        if readiness.changed().await.is_err() {
            return;
        }
    }
}

fn serve_peers(
    config: &Config,
    listener: Listener,
    runtime: &RuntimeThread,
    parts: Parts,
    drained: watch::Receiver<bool>,
) -> impl Future<Output = io::Result<()>> + Send + use<> {
    let most = config.message_bytes.0.max(2 * MESSAGE_BYTES);
    let forward = ForwardService::new(executor(config, runtime, &parts, None));
    let Parts { handle, book, readiness, transport, .. } = parts;
    let raft = RaftService::new(handle.clone(), book.clone(), Arc::clone(&transport));
    let snapshot = SnapshotService::new(handle.clone(), transport);
    let admin = AdminService { handle, addresses: book, readiness };
    // Frames of several appends come on one stream; a window of one append would stop it after each.
    let mut server = server(config)
        .initial_stream_window_size(PEER_WINDOW)
        .initial_connection_window_size(PEER_WINDOW)
        .max_concurrent_streams(None);
    async move {
        server
            .add_service(RaftServer::new(raft).max_decoding_message_size(most))
            .add_service(SnapshotServer::new(snapshot).max_encoding_message_size(most))
            .add_service(
                ForwardServer::new(forward).max_decoding_message_size(most).max_encoding_message_size(most),
            )
            .add_service(AdminServer::new(admin))
            .serve_with_incoming_shutdown(listener.incoming()?, ended(drained))
            .await
            .map_err(io::Error::other)
    }
}

/// How every gRPC server of a node is set up.
fn server(config: &Config) -> Server {
    Server::builder()
        .max_concurrent_streams(config.streams_per_connection)
        .tcp_nodelay(true)
        // A peer or client that is gone without a word holds its streams no longer than this.
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
}

async fn ended(mut drained: watch::Receiver<bool>) {
    // An error: there is nobody any more who could say it.
    let _ = drained.wait_for(|draining| *draining).await;
}

/// Serves what a node with damaged data serves.
pub async fn damaged(peer: Listener, damage: Termination) -> io::Result<()> {
    let server = Server::builder().add_service(AdminServer::new(DamagedAdmin(damage)));
    server.serve_with_incoming(peer.incoming()?).await.map_err(io::Error::other)
}

/// Logs why a server ended, if it failed.
pub async fn report(name: &'static str, serving: impl Future<Output = io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(server = name, %error, "a server ended");
    }
}
