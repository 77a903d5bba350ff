//! The life of an operator: it stands by, acts while it holds the lease, and ends.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::caches::Watching;
use crate::controller::{self, Context};
use crate::crash::CrashSwitch;
use crate::error::Error;
use crate::events::Events;
use crate::http;
use crate::kubernetes::{self, Kube};
use crate::lease::{Claim, Election, Lost, Timing};
use crate::metrics::Metrics;
use crate::options::RunOptions;
use crate::readiness::Readiness;
use crate::trigger::Triggers;

/// Passes that are under way may take so long to end after a signal,
const GRACE: Duration = Duration::from_secs(20);
/// and the release of the lease so long. Together less than Kubernetes waits before it kills.
const RELEASE: Duration = Duration::from_secs(8);

/// Why the operator ended.
#[derive(thiserror::Error, Debug)]
pub enum Ended {
    /// Another one acts now, or may act.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// The API server cannot be found.
    #[error(transparent)]
    Api(#[from] Error),
    /// The address for metrics cannot be used.
    #[error("{listen}: {source}: choose another address with --listen")]
    Listen {
        /// The address.
        listen: std::net::SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be waited for.
    #[error("signals: {0}")]
    Signal(io::Error),
}

/// Runs until a signal says to stop.
///
/// # Errors
/// The lease is lost, or the operator cannot start. The process must end at once: what is under way changes nothing
/// any more, since the claim is checked before every change.
pub async fn run(options: RunOptions) -> Result<(), Ended> {
    let stop = stop_signals().map_err(Ended::Signal)?.shared();
    let client = kubernetes::connect().await?;
    let metrics = Arc::new(Metrics::default());
    let readiness = Arc::new(Readiness::default());
    serve(&options, &metrics, &readiness).await?;

    let identity = identity(&options);
    let (held_until, mut claim) = Claim::new();
    let namespace = &options.lease_namespace;
    let election = Election::new(client.clone(), namespace, identity.clone(), Timing::default(), held_until);
    let (release, released) = oneshot::channel::<()>();
    // A task of its own: renewing waits for nothing that a cluster needs.
    let mut election = tokio::spawn(election.run(async { drop(released.await) }));

    tracing::info!(identity, version = env!("CARGO_PKG_VERSION"), scope = options.scope(), "standing by");
    let work = async {
        tokio::select! {
            held = claim.held() => if held.is_err() { return },
            () = stop.clone() => return,
        }
        metrics.set_lease_held(true);
        let triggers = Triggers::default();
        let watching = Watching {
            client: client.clone(),
            scope: options.scope().map(str::to_owned),
            triggers: triggers.clone(),
            metrics: Arc::clone(&metrics),
            readiness: Arc::clone(&readiness),
        };
        let caches = watching.start();
        let kube = Kube::new(client.clone(), claim);
        let events = Events::new(kube.clone(), identity.clone());
        let crash = CrashSwitch::new(options.exit_after.clone());
        let context = Context {
            kube,
            caches,
            triggers,
            metrics: Arc::clone(&metrics),
            events,
            crash,
            memories: Mutex::default(),
        };
        controller::run(context, options.concurrency, stop.clone()).await;
    };
    let enough = async {
        stop.clone().await;
        sleep(GRACE).await;
    };
    tokio::select! {
        ended = &mut election => return Ok(lost(ended)?),
        () = work => {}
        () = enough => tracing::warn!(seconds = GRACE.as_secs(), "what is under way is given up"),
    }
    tracing::info!("stopping");
    drop(release);
    match timeout(RELEASE, election).await {
        Ok(ended) => Ok(lost(ended)?),
        Err(_) => Ok(()),
    }
}

/// Completes when the process is told to stop.
fn stop_signals() -> io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn lost(ended: Result<Result<(), Lost>, tokio::task::JoinError>) -> Result<(), Lost> {
    // A task that panicked renews no lease.
    ended.unwrap_or(Err(Lost::NotRenewed))
}

async fn serve(
    options: &RunOptions,
    metrics: &Arc<Metrics>,
    readiness: &Arc<Readiness>,
) -> Result<(), Ended> {
    let refused = |source| Ended::Listen { listen: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(refused)?;
    let shown = http::Shown { metrics: Arc::clone(metrics), readiness: Arc::clone(readiness) };
    tokio::spawn(async move {
        if let Err(error) = http::serve(listener, shown).await {
            tracing::error!(%error, "metrics and probes are not served any more");
        }
    });
    Ok(())
}

/// A pod runs one process at a time, so that its name may stand for it and a restarted one goes on at once.
fn identity(options: &RunOptions) -> String {
    if options.identity.is_empty() {
        format!("kv-operator-{:016x}", rand::random::<u64>())
    } else {
        options.identity.clone()
    }
}
